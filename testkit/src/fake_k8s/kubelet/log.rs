//! Logs of containers.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use runtime_core::LogOptions;
use runtime_core::log_file;
use serde_json::Value;

use super::log_options::LogQuery;
use super::pod::PodRun;
use super::serve::{Query, choose};
use super::state::{SlotState, text};
use crate::fake_k8s::{Body, Refusal};
use crate::log_time::before_line;

/// How many lines are looked at for the last words of a container.
const LAST_LINES: usize = 80;

/// Answers a request for a log.
pub(super) async fn serve(
    pod: &Value,
    run: Option<Arc<PodRun>>,
    query: &Query,
) -> Result<Response<Body>, Refusal> {
    let name = text(pod, "name");
    let now = run.as_ref().map_or_else(jiff::Timestamp::now, |run| run.cluster.store.clock().now());
    let wanted = LogQuery::parse(query, name, now)?;
    let container = choose(pod, query.get("container"))?;
    let Some(run) = run else {
        // No node has it yet, or any more. The kubelet finds out after it has begun to answer.
        let why =
            container_id(pod, &container).map(|id| format!("unable to retrieve container logs for {id}"));
        return Ok(answer(stream::iter(why.map(Bytes::from)).boxed()));
    };
    let source = source(&run, &container, wanted.previous)?;
    let mut options = LogOptions::default();
    options.follow = wanted.follow;
    options.since = wanted.since;
    options.tail = wanted.tail;
    let ended = async move {
        // Gone is ended.
        let _ = run.cluster.runtime.engine().wait_container(&source.id).await;
    };
    let lines = log_file::read(source.path, &options, ended);
    let pieces = lines.filter_map(move |line| async move {
        let line = line.ok()?;
        let mut bytes = Vec::with_capacity(line.content.len() + 40);
        if wanted.timestamps {
            bytes.extend_from_slice(before_line(line.timestamp).as_bytes());
        }
        bytes.extend_from_slice(&line.content);
        if line.complete {
            bytes.push(b'\n');
        }
        Some(bytes)
    });
    let limited = pieces.scan(wanted.limit_bytes.unwrap_or(usize::MAX), |left, mut bytes| {
        let done = *left == 0;
        bytes.truncate(*left);
        *left -= bytes.len();
        std::future::ready((!done).then(|| Bytes::from(bytes)))
    });
    Ok(answer(limited.boxed()))
}

fn answer(pieces: stream::BoxStream<'static, Bytes>) -> Response<Body> {
    let frames = pieces.map(|bytes| Ok::<_, io::Error>(Frame::data(bytes)));
    let mut answer = Response::new(StreamBody::new(frames).boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

/// The id that the pod's status has of a container.
fn container_id(pod: &Value, container: &str) -> Option<String> {
    let lists = ["containerStatuses", "initContainerStatuses"].into_iter();
    let mut all = lists.filter_map(|list| pod["status"][list].as_array()).flatten();
    let status = all.find(|status| status["name"] == container)?;
    Some(status["containerID"].as_str()?.to_owned())
}

/// A log, and whose it is.
struct Source {
    path: PathBuf,
    id: String,
}

fn source(run: &PodRun, container: &str, previous: bool) -> Result<Source, Refusal> {
    let state = run.state();
    let pod = &run.identity.name;
    let invalid = || Refusal::bad_request(format!("container {container} is not valid for pod {pod}"));
    let slot = state.named(container).ok_or_else(invalid)?;
    let log = |attempt: u32| run.logs().join(container).join(format!("{attempt}.log"));
    if previous {
        // One that waits for its restart is the one before.
        let missing = || {
            let message = format!("previous terminated container {container:?} in pod {pod:?} not found");
            Refusal::bad_request(message)
        };
        slot.last.as_ref().ok_or_else(missing)?;
        let waits = matches!(slot.state, SlotState::Waiting { .. });
        let (attempt, id) = if waits {
            (slot.attempt, slot.id.clone())
        } else {
            (slot.attempt.saturating_sub(1), slot.previous.clone())
        };
        return Ok(Source { path: log(attempt), id: id.ok_or_else(missing)? });
    }
    match (&slot.state, &slot.id) {
        (SlotState::Waiting { reason, .. }, id) if id.is_none() || slot.last.is_none() => {
            let why = match reason.as_str() {
                "ErrImagePull" => "trying and failing to pull image",
                "ImagePullBackOff" => "image can't be pulled",
                reason => reason,
            };
            let message = format!("container {container:?} in pod {pod:?} is waiting to start: {why}");
            Err(Refusal::bad_request(message))
        }
        (_, Some(id)) => Ok(Source { path: log(slot.attempt), id: id.clone() }),
        (_, None) => Err(invalid()),
    }
}

/// The last lines of a log.
pub(super) async fn tail(path: PathBuf) -> Vec<u8> {
    let mut options = LogOptions::default();
    options.tail = Some(LAST_LINES);
    let lines = log_file::read(path, &options, std::future::ready(()));
    let lines = lines.filter_map(|line| std::future::ready(line.ok()));
    let said: Vec<_> = lines.map(|line| [&line.content[..], b"\n"].concat()).collect().await;
    said.concat()
}
