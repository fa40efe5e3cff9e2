//! The way of a request to the port layer: what it is for, what goes wrong, who answers, what is written down.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::Value;

use super::Operation;
use super::call::{self, Call};
use super::containers::Device;
use super::devices::Port;
use super::exchanges::Exchange;
use super::fault::Wrong;
use super::interaction::Stream;
use super::port_layer::PortLayer;
use super::reply::{Body, Refusal, Reply, refused};
use super::route::{Consumes, Route};
use crate::engine::Phase;

const JSON: &str = "application/json";

/// Answers a request. An error drops the connection.
pub(super) async fn respond(layer: Arc<PortLayer>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let mut exchange = Exchange {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        request: None,
        status: None,
        answer: None,
        injected: false,
    };
    let (answered, allow) = match Route::find(&exchange.method, &exchange.path) {
        Route::Found { operation, consumes, params } => {
            let asked = Asked { operation, consumes, params };
            // A handler of Go's goes on to its end, also when its client has gone.
            let (answered, seen) = {
                let (layer, query) = (Arc::clone(&layer), exchange.query.clone());
                let end = layer.end.clone();
                let answer = async move { asked.answer(&layer, request, &query).await };
                let task = tokio::spawn(end.run_until_cancelled_owned(answer));
                task.await.map_err(io::Error::other)?.ok_or(io::ErrorKind::ConnectionAborted)?
            };
            (exchange.request, exchange.injected) = (seen.request, seen.injected);
            (answered, Vec::new())
        }
        Route::OtherMethod(methods) => {
            let why = format!("method {} is not allowed, but [{}] are", exchange.method, methods.join(","));
            (Err(Refusal::framework(405, why)), methods)
        }
        Route::Nowhere => {
            (Err(Refusal::framework(404, format!("path {} was not found", exchange.path))), Vec::new())
        }
    };
    let reply = match answered {
        Ok(reply) => Some(reply),
        Err(refusal) => refused(refusal),
    };
    if layer.options.records_exchanges {
        exchange.status = reply.as_ref().map(Reply::status);
        exchange.answer = reply.as_ref().and_then(Reply::value).cloned();
        layer.exchanges.push(exchange);
    }
    let reply = reply.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok(reply.into_response(JSON, &allow))
}

/// What a request is for.
struct Asked {
    operation: Operation,
    consumes: Consumes,
    params: Vec<String>,
}

/// What was seen of a request on its way.
#[derive(Default)]
struct Seen {
    request: Option<Value>,
    injected: bool,
}

impl Asked {
    async fn answer(
        self,
        layer: &Arc<PortLayer>,
        request: Request<Incoming>,
        query: &str,
    ) -> (Result<Reply, Refusal>, Seen) {
        let mut seen = Seen::default();
        let answered = self.among_faults(layer, request, query, &mut seen).await;
        (answered, seen)
    }

    async fn among_faults(
        self,
        layer: &Arc<PortLayer>,
        request: Request<Incoming>,
        query: &str,
        seen: &mut Seen,
    ) -> Result<Reply, Refusal> {
        let (faults, name) = (layer.engine.faults(), self.operation.name());
        let before = faults.meet(name, Phase::Before).await.map_err(Wrong::from);
        let spoilt = matches!(before, Err(Wrong::Nulls));
        if let Err(Wrong::Refused(refusal)) = before {
            seen.injected = true;
            return Err(refusal);
        }
        let answered = self.handle(layer, request, query, seen).await;
        if let Err(Wrong::Refused(refusal)) = faults.meet(name, Phase::After).await.map_err(Wrong::from) {
            seen.injected = true;
            return Err(refusal);
        }
        match answered? {
            Reply::Json(status, value) if spoilt => Ok(Reply::Json(status, with_nulls(value))),
            reply => Ok(reply),
        }
    }

    async fn handle(
        self,
        layer: &Arc<PortLayer>,
        request: Request<Incoming>,
        query: &str,
        seen: &mut Seen,
    ) -> Result<Reply, Refusal> {
        let Self { operation, consumes, params } = self;
        let (parts, body) = request.into_parts();
        call::check_operation_id(&parts.headers)?;
        if operation == Operation::SetStdin {
            call::check_type(call::content_type(&parts.headers), consumes)?;
            return layer.set_stdin(&Call::new(params, query, None), body).await;
        }
        let broken = |error: hyper::Error| Refusal::framework(400, error.to_string());
        let bytes = body.collect().await.map_err(broken)?.to_bytes();
        if operation == Operation::WriteImage {
            if !bytes.is_empty() {
                call::check_type(call::content_type(&parts.headers), consumes)?;
            }
            return layer.write_image(&Call::new(params, query, None), &bytes);
        }
        seen.request = serde_json::from_slice(&bytes).ok();
        let body = read(&parts.headers, operation, consumes, &bytes)?;
        run(layer, operation, &Call::new(params, query, body)).await
    }
}

/// The body of an operation. Those that describe none don't look at it.
fn read(
    headers: &hyper::HeaderMap,
    operation: Operation,
    consumes: Consumes,
    bytes: &Bytes,
) -> Result<Option<Value>, Refusal> {
    match operation {
        Operation::ScopeBind | Operation::ScopeUnbind | Operation::Commit => {
            if !bytes.is_empty() {
                call::check_type(call::content_type(headers), consumes)?;
            }
            Ok(None)
        }
        _ => call::read_body(headers, consumes, bytes),
    }
}

async fn run(layer: &Arc<PortLayer>, operation: Operation, call: &Call) -> Result<Reply, Refusal> {
    match operation {
        Operation::Ping => Ok(Reply::Text("OK")),
        Operation::VchInfo => Ok(layer.vch_info()),
        Operation::KvGet => layer.kv_get(call),
        Operation::KvPut => layer.kv_put(call),
        Operation::KvDelete => layer.kv_delete(call),
        Operation::CreateImageStore => layer.create_image_store(call),
        Operation::ListImages => layer.list_images(call),
        Operation::GetImage => layer.get_image(call),
        Operation::ImageJoin => layer.image_join(call),
        Operation::DeleteImage => layer.delete_image(call),
        Operation::ScopeCreate => layer.scope_create(call),
        Operation::ScopeListAll => layer.scope_list(None),
        Operation::ScopeList => layer.scope_list(Some(call.first())),
        Operation::ScopeDelete => layer.scope_delete(call),
        Operation::ScopeEndpoints => layer.scope_endpoints(call),
        Operation::ScopeBind => layer.scope_bind(call),
        Operation::ScopeUnbind => layer.scope_unbind(call),
        Operation::ScopeAddContainer => layer.scope_add_container(call),
        Operation::ScopeRemoveContainer => layer.scope_remove_container(call),
        Operation::Events => Ok(layer.follow_events()),
        Operation::Create => layer.create(call),
        Operation::List => layer.list(call),
        Operation::Info => layer.info(call),
        Operation::Get => layer.get(call),
        Operation::Remove => layer.remove(call).await,
        Operation::Commit => layer.commit(call).await,
        Operation::StateChange => layer.change_state(call),
        Operation::GetState => layer.get_state(call),
        Operation::Rename => layer.rename(call),
        Operation::Signal => layer.signal(call).await,
        Operation::Stats => layer.stats(call),
        Operation::Logs => layer.logs_of(call),
        Operation::Wait => layer.wait(call).await,
        Operation::TaskWait => layer.task_wait(call).await,
        Operation::TaskInspect => layer.task_inspect(call),
        Operation::TaskJoin => layer.task_join(call),
        Operation::TaskRemove => layer.task_remove(call),
        Operation::TaskBind => layer.task_bind(call, true),
        Operation::TaskUnbind => layer.task_bind(call, false),
        Operation::LoggingJoin => layer.join(call, Port::Logging),
        Operation::LoggingBind => layer.bind_logging(call, Device::Bound),
        Operation::LoggingUnbind => layer.bind_logging(call, Device::Joined),
        Operation::InteractionJoin => layer.join(call, Port::Interaction),
        Operation::InteractionBind => layer.bind_interaction(call, Device::Bound),
        Operation::InteractionUnbind => layer.bind_interaction(call, Device::Joined),
        Operation::Resize => layer.resize(call),
        Operation::CloseStdin => layer.close_stdin(call).await,
        Operation::GetStdout => layer.get_output(call, Stream::Stdout).await,
        Operation::GetStderr => layer.get_output(call, Stream::Stderr).await,
        // Streams that are dealt with before, and what has no handler here.
        Operation::SetStdin
        | Operation::WriteImage
        | Operation::ExportArchive
        | Operation::ImportArchive
        | Operation::StatPath
        | Operation::VolumeStoresList
        | Operation::ListVolumes
        | Operation::CreateVolume
        | Operation::GetVolume
        | Operation::RemoveVolume
        | Operation::VolumeJoin
        | Operation::GetImageTar => {
            let why = format!("operation {} has not yet been implemented", operation.name());
            Err(Refusal::framework(501, why))
        }
    }
}

/// As a server has it whose lists were never made.
fn with_nulls(value: Value) -> Value {
    match value {
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => items.into_iter().map(with_nulls).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, with_nulls(value))).collect(),
        other => other,
    }
}
