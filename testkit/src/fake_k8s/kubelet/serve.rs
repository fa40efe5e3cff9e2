//! Subresources of pods: what the API server hands on to a kubelet.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::cluster::Cluster;
use super::pod::PodRun;
use super::state::text;
use super::{log, stream};
use crate::fake_k8s::{Body, PodSubresource, Refusal};

/// Answers a request for a subresource of a pod that exists. A stream goes on over the upgraded connection.
///
/// # Errors
/// What the API server says, as a `Status`. What a kubelet says is an answer.
pub(super) async fn serve<B>(
    cluster: &Arc<Cluster>,
    subresource: PodSubresource,
    pod: &Value,
    request: &mut Request<B>,
) -> Result<Response<Body>, Refusal> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let name = text(pod, "name");
    let run = cluster.pod(text(pod, "uid"));
    if subresource == PodSubresource::Log {
        return log::serve(pod, run, &query).await;
    }
    if subresource == PodSubresource::PortForward {
        check_host(pod)?;
        let ports = query.all("ports").map(str::to_owned).collect();
        return stream::port_forward(cluster, run, ports, request);
    }
    let container = choose(pod, query.get("container"))?;
    check_host(pod)?;
    let run = run.ok_or_else(|| Refusal::not_found(crate::fake_k8s::store::Resource::Pods, name))?;
    let wanted = stream::Wanted {
        command: query.all("command").map(str::to_owned).collect(),
        stdin: query.is("stdin"),
        stdout: query.is("stdout"),
        stderr: query.is("stderr"),
        tty: query.is("tty"),
    };
    let Some(id) = running(&run, &container) else {
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, format!("container not found ({container:?})")));
    };
    stream::command(cluster, subresource, id, wanted, request)
}

/// The id of a container that runs, in the runtime.
fn running(run: &Arc<PodRun>, container: &str) -> Option<String> {
    run.state().named(container).filter(|slot| slot.is_running())?.id.clone()
}

fn check_host(pod: &Value) -> Result<(), Refusal> {
    if pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() {
        return Err(Refusal::bad_request(format!("pod {} does not have a host assigned", text(pod, "name"))));
    }
    Ok(())
}

/// The container that is asked for: by name, or the only one.
pub(super) fn choose(pod: &Value, wanted: Option<&str>) -> Result<String, Refusal> {
    let name = text(pod, "name");
    let names = |kind: &str| -> Vec<String> {
        let all = pod["spec"][kind].as_array().into_iter().flatten();
        all.filter_map(|container| container["name"].as_str().map(str::to_owned)).collect()
    };
    let (containers, init) = (names("containers"), names("initContainers"));
    match (wanted.filter(|wanted| !wanted.is_empty()), containers.as_slice()) {
        (Some(wanted), _) if containers.iter().chain(&init).any(|name| name == wanted) => {
            Ok(wanted.to_owned())
        }
        (Some(wanted), _) => {
            Err(Refusal::bad_request(format!("container {wanted} is not valid for pod {name}")))
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => {
            let mut message = format!(
                "a container name must be specified for pod {name}, choose one of: [{}]",
                containers.join(" ")
            );
            if !init.is_empty() {
                message += &format!(" or one of the init containers: [{}]", init.join(" "));
            }
            Err(Refusal::bad_request(message))
        }
    }
}

/// An answer in words.
pub(super) fn plain(code: StatusCode, words: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Full::new(words.into()).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = code;
    let kind = hyper::header::HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// The parameters of a request, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let decode = |text: &str| {
            let spaced: Cow<'_, str> = text.replace('+', " ").into();
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key), decode(value))
                })
                .collect(),
        )
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// As Go reads a boolean there: whatever isn't a no is a yes.
    pub(super) fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value.to_lowercase().as_str(), "false" | "0"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("command=sh&command=-c&command=a%20b%26c+d&stdin=true&tty=false&stderr=0&x");
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c", "a b&c d"]);
        assert_eq!(
            ["stdin", "tty", "stderr", "x", "none"].map(|name| query.is(name)),
            [true, false, false, true, false]
        );
    }

    #[test]
    fn the_only_container_needs_no_name() {
        let pod = |names: &[&str]| {
            let containers: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
            json!({"metadata": {"name": "p"}, "spec": {"containers": containers, "initContainers": [{"name": "i"}]}})
        };
        let refusal = |pod: &Value, wanted| choose(pod, wanted).unwrap_err().message;
        assert_eq!(choose(&pod(&["a"]), None).unwrap(), "a");
        assert_eq!(choose(&pod(&["a", "b"]), Some("i")).unwrap(), "i");
        assert_eq!(refusal(&pod(&["a"]), Some("nope")), "container nope is not valid for pod p");
        assert_eq!(
            refusal(&pod(&["a", "b"]), None),
            "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"
        );
    }
}
