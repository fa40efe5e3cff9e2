//! Faults at calls: the n-th HTTP/2 request, or its answer, wherever in the bytes it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::chunk::mix;
use super::frame::Frames;
use super::rule::{Direction, RuleId};

/// What happens to one call through the proxy, and to the connection that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRule {
    /// Which call, counting from 1 since the rule was added, over all connections.
    pub call: u64,
    /// Where it is hit.
    pub at: Moment,
    /// What happens.
    pub action: CallAction,
}

/// A moment of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the first byte of the request: the server never hears of the call.
    Request,
    /// Before the first byte of the answer: the server has done its work.
    Response,
}

/// What a [`CallRule`] does, from the first byte of the request or answer on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallAction {
    /// Closes the connection both ways.
    Cut,
    /// The same; over TCP both sides see a reset.
    Reset,
    /// Passes everything on, and closes the connection so long after that: in the middle of what was asked for.
    CutAfter(Duration),
    /// Passes nothing more in this direction until the rule is removed.
    Hang,
    /// Holds this direction up for so long.
    Delay(Duration),
    /// Changes every byte of this direction from here on, so that both the frame and what follows make no sense.
    Garble,
}

/// A rule as the proxy holds it.
#[derive(Debug)]
pub(super) struct ActiveCall {
    pub(super) id: RuleId,
    pub(super) rule: CallRule,
    seen: AtomicU64,
    hits: AtomicU64,
    /// Cancelled when the rule is removed.
    pub(super) removed: CancellationToken,
}

impl ActiveCall {
    pub(super) fn new(id: RuleId, rule: CallRule) -> Self {
        let (seen, hits) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { id, rule, seen, hits, removed: CancellationToken::new() }
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    fn is_this_one(&self) -> bool {
        self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.rule.call
    }
}

/// The streams of one connection whose answers are to be hit.
#[derive(Debug, Clone, Default)]
pub(super) struct Awaited(Arc<Mutex<BTreeMap<u32, Vec<Arc<ActiveCall>>>>>);

/// One direction of one connection, watched for calls.
#[derive(Debug)]
pub(super) struct CallWatch {
    direction: Direction,
    frames: Frames,
    last_stream: u32,
    awaited: Awaited,
    garbled_bytes: u64,
    seed: u64,
}

impl CallWatch {
    pub(super) fn new(direction: Direction, awaited: Awaited, seed: u64) -> Self {
        let frames = match direction {
            Direction::ToServer => Frames::of_client(),
            Direction::ToClient => Frames::of_server(),
        };
        Self { direction, frames, last_stream: 0, awaited, garbled_bytes: 0, seed }
    }

    /// Where in the next bytes which rules hit, in order.
    pub(super) fn hits(&mut self, bytes: &[u8], rules: &[Arc<ActiveCall>]) -> Vec<(usize, Arc<ActiveCall>)> {
        let mut hits = Vec::new();
        for (offset, stream) in self.frames.headers(bytes) {
            let hit = match self.direction {
                Direction::ToServer => self.request(stream, rules),
                Direction::ToClient => self.awaited.lock().remove(&stream).unwrap_or_default(),
            };
            for rule in hit.into_iter().filter(|rule| !rule.removed.is_cancelled()) {
                rule.hits.fetch_add(1, Ordering::SeqCst);
                hits.push((offset, rule));
            }
        }
        hits
    }

    /// Counts a request; the rules that hit it now.
    fn request(&mut self, stream: u32, rules: &[Arc<ActiveCall>]) -> Vec<Arc<ActiveCall>> {
        if stream <= self.last_stream {
            // Trailers of a request that was counted.
            return Vec::new();
        }
        self.last_stream = stream;
        let hit = rules.iter().filter(|rule| rule.is_this_one()).cloned();
        let (now, later): (Vec<_>, Vec<_>) = hit.partition(|rule| rule.rule.at == Moment::Request);
        if !later.is_empty() {
            self.awaited.lock().insert(stream, later);
        }
        now
    }

    /// Changes every byte.
    pub(super) fn garble(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            let random = mix(self.seed ^ mix(self.garbled_bytes));
            self.garbled_bytes += 1;
            *byte ^= (random >> 32) as u8 | 1;
        }
    }
}

impl Awaited {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Vec<Arc<ActiveCall>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
