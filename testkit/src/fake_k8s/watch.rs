//! Watches over HTTP: a line of JSON for each event, for as long as the client wants.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::time::{Instant, sleep_until};

use super::Refusal;
use super::answer::{self, Answer};
use super::cluster::Cluster;
use super::fault::WatchFault;
use super::problems::Problems;
use super::query::Query;
use super::read;
use super::route::Place;
use super::store::{From, Resource, Watch};

/// How long a watch lasts whose client does not say.
const DEFAULT_TIME: Duration = Duration::from_secs(45 * 60);
/// How often a watch is told where it is.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// So long before its end it is told at last.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);

/// Opens a watch of a place, or of one object in it.
pub(super) fn watch(
    cluster: &Cluster,
    place: &Place,
    name: Option<&str>,
    query: &Query,
) -> Result<Answer, Refusal> {
    let mut selection = read::selection(place, query)?;
    if let Some(name) = name {
        selection = selection.only(name);
    }
    let version = read::version(query)?;
    let seconds = query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
    let begins_with_list = query.flag("sendInitialEvents");
    if begins_with_list {
        check_list_options(query)?;
    }
    if begins_with_list && !cluster.streams_lists {
        let why = "a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled";
        return Ok(once(&Refusal::new(500, "InternalError", why)));
    }
    let from = match version {
        Some(version) if !begins_with_list => From::Version(version),
        _ => From::Start,
    };
    let now = Instant::now();
    Ok(streamed(
        Session {
            resource: place.resource,
            watch: cluster.store.watch_selected(place.resource, selection, from),
            faults: cluster.watch_faults.subscribe(),
            end: now + seconds.map_or(DEFAULT_TIME, Duration::from_secs),
            bookmark: query.flag("allowWatchBookmarks").then_some(now),
            owes_end_of_list: begins_with_list,
            is_over: false,
        }
        .started(now),
    ))
}

/// What a watch that begins with the list has to say.
fn check_list_options(query: &Query) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if query.text("resourceVersionMatch") != "NotOlderThan" {
        let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        problems.forbidden("resourceVersionMatch", why);
    }
    problems.refuse("ListOptions", "meta.k8s.io", "")
}

/// One watch that is open.
struct Session {
    resource: Resource,
    watch: Watch,
    faults: Receiver<(Resource, WatchFault)>,
    end: Instant,
    /// When it is told next where it is; never, if the client does not want that.
    bookmark: Option<Instant>,
    /// It is still to be told that the list has ended.
    owes_end_of_list: bool,
    is_over: bool,
}

impl Session {
    fn started(mut self, now: Instant) -> Self {
        self.plan_bookmark(now);
        self
    }

    /// The next line; `None` at the end.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.is_over {
            return None;
        }
        if self.owes_end_of_list
            && let Some(version) = self.watch.version()
        {
            self.owes_end_of_list = false;
            let mut bookmark = bookmark(self.resource, version);
            bookmark["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
            return Some(Ok(line("BOOKMARK", &bookmark)));
        }
        loop {
            let bookmark_at = self.bookmark.unwrap_or(self.end);
            tokio::select! {
                biased;
                fault = self.faults.recv() => match fault {
                    Ok((resource, fault)) if resource == self.resource => return self.go_wrong(fault).await,
                    // Of another resource; or there were more faults than anyone injects.
                    _ => {}
                },
                () = sleep_until(self.end) => return None,
                event = self.watch.next() => return Some(Ok(match event {
                    Ok(event) => line(event.kind.as_str(), &event.object),
                    Err(refusal) => self.last(&refusal),
                })),
                () = sleep_until(bookmark_at), if self.bookmark.is_some() => {
                    self.plan_bookmark(Instant::now());
                    if let Some(version) = self.watch.version() {
                        return Some(Ok(line("BOOKMARK", &bookmark(self.resource, version))));
                    }
                }
            }
        }
    }

    async fn go_wrong(&mut self, fault: WatchFault) -> Option<io::Result<Bytes>> {
        match fault {
            WatchFault::Close => None,
            WatchFault::Break => {
                self.is_over = true;
                Some(Err(io::ErrorKind::ConnectionReset.into()))
            }
            WatchFault::Expire => {
                let version = self.watch.version().unwrap_or_default();
                Some(Ok(self.last(&Refusal::too_old(version, version + 1))))
            }
            WatchFault::Silence => std::future::pending().await,
            WatchFault::Garble => Some(Ok(Bytes::from_static(b"{\"type\":\"MODIFIED\",\"object\":{\"ki\n"))),
        }
    }

    /// The line that says why the watch ends.
    fn last(&mut self, refusal: &Refusal) -> Bytes {
        self.is_over = true;
        line("ERROR", &refusal.status())
    }

    fn plan_bookmark(&mut self, now: Instant) {
        if self.bookmark.is_some() {
            let last = self.end.checked_sub(LAST_BOOKMARK).filter(|last| *last > now).unwrap_or(self.end);
            self.bookmark = Some(last.min(now + BOOKMARK_INTERVAL));
        }
    }
}

fn streamed(session: Session) -> Answer {
    let lines = stream::unfold(session, |mut session| async move {
        let line = session.next().await?;
        Some((line.map(Frame::data), session))
    });
    answer::with_body(200, "application/json", BodyExt::boxed_unsync(StreamBody::new(lines)))
}

/// A watch that is told why there is none, and ends.
fn once(refusal: &Refusal) -> Answer {
    let line = line("ERROR", &refusal.status());
    let lines = stream::iter([Ok::<_, io::Error>(Frame::data(line))]);
    answer::with_body(200, "application/json", BodyExt::boxed_unsync(StreamBody::new(lines)))
}

fn line(kind: &str, object: &Value) -> Bytes {
    #[derive(Serialize)]
    struct Line<'a> {
        r#type: &'a str,
        object: &'a Value,
    }
    // Whatever is told can be serialised; it has string keys.
    let mut bytes = serde_json::to_vec(&Line { r#type: kind, object }).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}

/// An object that holds nothing but a version. Go writes what it can't leave out.
fn bookmark(resource: Resource, version: u64) -> Value {
    let mut object = json!({
        "kind": resource.kind(),
        "apiVersion": resource.api_version(),
        "metadata": {"resourceVersion": version.to_string()},
    });
    match resource {
        Resource::Pods => {
            object["spec"] = json!({"containers": null});
            object["status"] = json!({});
        }
        Resource::Leases => object["spec"] = json!({}),
        Resource::Namespaces => {
            object["spec"] = json!({});
            object["status"] = json!({});
        }
        _ => {}
    }
    object
}
