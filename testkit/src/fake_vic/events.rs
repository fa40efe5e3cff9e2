//! `GET /events`: what happens to containers, one JSON object a line.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::stream;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::port_layer::PortLayer;
use super::reply::Reply;

/// How many lines a slow reader may be behind before it loses the oldest.
const BACKLOG: usize = 4096;

pub(super) struct Events {
    lines: broadcast::Sender<Bytes>,
    operations: AtomicU64,
}

impl Default for Events {
    fn default() -> Self {
        Self { lines: broadcast::Sender::new(BACKLOG), operations: AtomicU64::default() }
    }
}

impl Events {
    /// Tells everybody who listens now.
    pub(super) fn send(&self, event: &str, container: &str) {
        let operation = self.operations.fetch_add(1, Ordering::Relaxed);
        let line = json!({
            "Type": "events.ContainerEvent",
            "Event": event,
            "ID": format!("{}.{operation}", std::process::id()),
            "Detail": format!("Container {container} {event}"),
            "Ref": container,
            "CreatedTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
        });
        // Nobody listening is fine.
        let _ = self.lines.send(format!("{line}\n").into());
    }
}

impl PortLayer {
    /// From now on. It never ends by itself.
    pub(super) fn follow_events(&self) -> Reply {
        let lines = self.events.lines.subscribe();
        Reply::stream(stream::unfold(lines, async |mut lines| {
            loop {
                match lines.recv().await {
                    Ok(line) => return Some((Ok(line), lines)),
                    // What was lost is not told: the real stream says nothing of it either.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        }))
    }
}
