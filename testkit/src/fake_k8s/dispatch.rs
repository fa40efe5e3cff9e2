//! The way of a request: who asks, what for, whether it may, what goes wrong, who answers.

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, DATE, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;

use super::access::Attempt;
use super::answer::{self, Answer};
use super::call::Call;
use super::cluster::Cluster;
use super::fault::{self, Wrong};
use super::query::Query;
use super::requests;
use super::route::{Place, Route, Verb, operation};
use super::store::Part;
use super::{PodRequest, PodSubresource, Refusal};
use super::{create, delete, discovery, read, review, update, watch};
use crate::engine::Phase;

/// The largest body that is read, as on the real server.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Answers a request. An error cuts the connection.
pub(super) async fn respond(cluster: Arc<Cluster>, request: Request<Incoming>) -> io::Result<Answer> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let path = request.uri().path().to_owned();
    let method = request.method().to_string();
    let route = Route::parse(&path, cluster.served);
    let verb = Verb::of(&method, &route, query.flag("watch"));
    let operation = operation(&method, &path, &route, verb);
    let open = cluster.requests.open(requests::Request {
        method,
        operation: operation.clone(),
        path,
        query: request.uri().query().unwrap_or_default().to_owned(),
        user_agent: header(&request, USER_AGENT).to_owned(),
        status: None,
    });
    let answered = match admit(&cluster, &request, &route, verb) {
        Ok(verb) => among_faults(&cluster, request, &query, &route, verb, &operation).await,
        Err(answer) => Ok(*answer),
    };
    let mut answer = match answered {
        Ok(answer) => answer,
        Err(Wrong::Refused(refusal)) => answer::refused(&refusal),
        Err(Wrong::Cut) => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    let now = cluster.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&now) {
        answer.headers_mut().insert(DATE, date);
    }
    open.answered(answer.status().as_u16());
    Ok(answer)
}

/// Who asks, whether there is such a thing, and whether it may.
fn admit(
    cluster: &Cluster,
    request: &Request<Incoming>,
    route: &Route,
    verb: Option<Verb>,
) -> Result<Verb, Box<Answer>> {
    let is_open_to_all = matches!(route, Route::Health | Route::Version);
    let refused = |refusal| Box::new(answer::refused(&refusal));
    if !cluster.access.knows(request.headers()).unwrap_or(is_open_to_all) {
        return Err(refused(Refusal::new(401, "Unauthorized", "Unauthorized")));
    }
    match route {
        Route::NoPage => return Err(Box::new(answer::no_such_page())),
        Route::Unknown => return Err(refused(about_nothing(404))),
        _ => {}
    }
    let verb = verb.ok_or_else(|| refused(about_nothing(405)))?;
    if let Some((group, resource, namespace, name)) = route.subject() {
        let attempt = Attempt { verb: verb.name(), group, resource: &resource, namespace, name };
        cluster.access.check(attempt).map_err(refused)?;
    }
    if !accepts_json(header(request, ACCEPT)) && !matches!(route, Route::Pod(..) | Route::Health) {
        let why = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
        return Err(refused(Refusal::new(406, "NotAcceptable", why)));
    }
    Ok(verb)
}

async fn among_faults(
    cluster: &Cluster,
    request: Request<Incoming>,
    query: &Query,
    route: &Route,
    verb: Verb,
    operation: &str,
) -> Result<Answer, Wrong> {
    fault::meet(&cluster.faults, operation, Phase::Before).await?;
    let answered = answer(cluster, request, query, route, verb).await;
    fault::meet(&cluster.faults, operation, Phase::After).await?;
    answered.map_err(Wrong::Refused)
}

async fn answer(
    cluster: &Cluster,
    request: Request<Incoming>,
    query: &Query,
    route: &Route,
    verb: Verb,
) -> Result<Answer, Refusal> {
    match (route, verb) {
        (Route::Pod(subresource, place, name), _) => pod(cluster, *subresource, place, name, request).await,
        (Route::Health, _) => Ok(answer::text(200, "text/plain; charset=utf-8", "ok")),
        (Route::Version, _) => Ok(answer::json(200, &discovery::version())),
        (Route::Discovery(what), _) => Ok(answer::json(200, &discovery::describe(cluster, what))),
        (Route::PodMetrics(namespace, name), _) => {
            read::pod_metrics(cluster, namespace.as_deref(), name.as_deref()).await
        }
        (Route::Objects(place), Verb::Watch) => watch::watch(cluster, place, None, query),
        (Route::Objects(place), Verb::List) => read::list(cluster, place, query),
        (Route::Object(place, name), Verb::Watch) => watch::watch(cluster, place, Some(name), query),
        (Route::Object(place, name) | Route::Status(place, name), Verb::Get) => {
            read::get(cluster, place, name)
        }
        _ => {
            let (parts, body) = request.into_parts();
            write(cluster, &parts, body, query, route, verb).await
        }
    }
}

/// What has a body.
async fn write(
    cluster: &Cluster,
    parts: &Parts,
    body: Incoming,
    query: &Query,
    route: &Route,
    verb: Verb,
) -> Result<Answer, Refusal> {
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let why = format!("Request entity too large: limit is {BODY_LIMIT}");
            return Err(Refusal::new(413, "RequestEntityTooLarge", why));
        }
        Err(error) => return Err(Refusal::bad_request(error.to_string())),
    };
    let call = Call { cluster, parts, query, body };
    match (route, verb) {
        (Route::Review(kind), _) => review::review(&call, kind),
        (Route::Objects(place), Verb::Create) => create::create(&call, place),
        (Route::Objects(place), Verb::DeleteCollection) => delete::delete_collection(&call, place),
        (Route::Object(place, name), Verb::Update) => update::replace(&call, place, name, Part::Object),
        (Route::Object(place, name), Verb::Patch) => update::patch(&call, place, name, Part::Object),
        (Route::Object(place, name), Verb::Delete) => delete::delete(&call, place, name),
        (Route::Status(place, name), Verb::Update) => update::replace(&call, place, name, Part::Status),
        (Route::Status(place, name), Verb::Patch) => update::patch(&call, place, name, Part::Status),
        _ => Err(about_nothing(405)),
    }
}

/// What the pod's node serves.
async fn pod(
    cluster: &Cluster,
    subresource: PodSubresource,
    place: &Place,
    name: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let pod = cluster.store.get(place.resource, &place.namespace, name)?;
    cluster.nodes.serve(PodRequest { pod, subresource, request }).await
}

/// A refusal of a path or a method, about nothing in particular.
fn about_nothing(code: u16) -> Refusal {
    let (reason, message) = match code {
        404 => ("NotFound", "the server could not find the requested resource"),
        _ => ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    };
    Refusal { details: Some(serde_json::json!({})), ..Refusal::new(code, reason, message) }
}

fn header(request: &Request<Incoming>, name: hyper::header::HeaderName) -> &str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn accepts_json(accept: &str) -> bool {
    accept.is_empty()
        || accept.split(',').any(|range| {
            let range = range.trim();
            // A table, for example, is another form of JSON, which isn't made here.
            let is_plain = !range.contains("as=");
            let kind = range.split(';').next().unwrap_or_default();
            is_plain && matches!(kind, "*/*" | "application/*" | "application/json")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_have_to_take_json() {
        for (accept, taken) in [
            ("", true),
            ("*/*", true),
            ("application/json", true),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", true),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", false),
            ("text/html", false),
        ] {
            assert_eq!(accepts_json(accept), taken, "{accept}");
        }
    }
}
