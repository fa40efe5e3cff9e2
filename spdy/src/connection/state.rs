//! What the task and the handles of a connection share.

use super::{CONNECTION_BUFFER, CloseReason, Error, STREAM_BUFFER};
use crate::frame::{EncodeError, Encoder, Frame, GoAwayStatus, Headers, ResetStatus, StreamId};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use tokio::sync::{oneshot, watch};

/// Which end this is: it decides whose numbers are odd.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Client,
    Server,
}

impl Role {
    fn first(self) -> u32 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }

    /// Whether a stream or ping with this number began here.
    pub(super) fn owns(self, number: u32) -> bool {
        number % 2 == self.first() % 2
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) closed: watch::Sender<Option<CloseReason>>,
}

impl Shared {
    pub(super) fn new(role: Role) -> Arc<Self> {
        let (closed, _) = watch::channel(None);
        Arc::new(Self { state: Mutex::new(State::new(role)), closed })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) role: Role,
    encoder: Encoder,
    /// Bytes of frames that the task has not yet taken.
    pub(super) outgoing: BytesMut,
    /// Bytes ever put into `outgoing`, and of these how many the socket has.
    pub(super) queued: u64,
    pub(super) sent: u64,
    /// The socket takes nothing more.
    pub(super) deaf: bool,
    task: Option<Waker>,
    pub(super) streams: BTreeMap<StreamId, Entry>,
    /// How many streams hold [`STREAM_BUFFER`] bytes or more, and the bytes that all hold.
    full: usize,
    buffered: usize,
    next_stream: StreamId,
    pub(super) last_peer_stream: StreamId,
    pub(super) peer_streams: usize,
    /// Streams of the peer that wait to be taken; `None` once nobody will.
    pub(super) offers: Option<VecDeque<(StreamId, Headers)>>,
    pub(super) offered: Option<Waker>,
    /// Those who wait for room to open a stream.
    pub(super) openers: Vec<Waker>,
    pub(super) pings: BTreeMap<u32, oneshot::Sender<()>>,
    next_ping: u32,
    pub(super) going_away: Option<GoAwayStatus>,
    /// Connection, incoming and streams that are not dropped.
    pub(super) handles: usize,
    /// This side wants the end, once all is sent.
    pub(super) closing: bool,
    pub(super) closed: Option<CloseReason>,
}

/// A stream.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// What came and nobody has read.
    received: BytesMut,
    full: bool,
    pub(super) accepted: bool,
    pub(super) peer_finished: bool,
    pub(super) finished: bool,
    pub(super) reset: Option<ResetStatus>,
    /// The halves that are not dropped.
    pub(super) reading: bool,
    pub(super) writing: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Entry {
    pub(super) fn open() -> Self {
        Self { reading: true, writing: true, ..Self::default() }
    }

    /// One that the peer opened, which may have ended either direction with it.
    pub(super) fn offered(peer_finished: bool, finished: bool) -> Self {
        Self { peer_finished, finished, ..Self::open() }
    }

    pub(super) fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl State {
    fn new(role: Role) -> Self {
        Self {
            role,
            encoder: Encoder::new(),
            outgoing: BytesMut::new(),
            queued: 0,
            sent: 0,
            deaf: false,
            task: None,
            streams: BTreeMap::new(),
            full: 0,
            buffered: 0,
            next_stream: role.first(),
            last_peer_stream: 0,
            peer_streams: 0,
            offers: Some(VecDeque::new()),
            offered: None,
            openers: Vec::new(),
            pings: BTreeMap::new(),
            next_ping: role.first(),
            going_away: None,
            handles: 0,
            closing: false,
            closed: None,
        }
    }

    pub(super) fn register_task(&mut self, context: &Context<'_>) {
        set_waker(&mut self.task, context);
    }

    pub(super) fn wake_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// Queues a frame. What is queued after the end goes nowhere.
    pub(super) fn send(&mut self, frame: &Frame) -> Result<(), EncodeError> {
        if self.closed.is_some() || self.deaf {
            return Ok(());
        }
        let before = self.outgoing.len();
        self.encoder.encode(frame, &mut self.outgoing)?;
        self.queued(before);
        Ok(())
    }

    /// Queues bytes of a stream.
    pub(super) fn send_data(&mut self, stream: StreamId, fin: bool, data: &[u8]) -> Result<(), EncodeError> {
        let before = self.outgoing.len();
        Encoder::data(stream, fin, data, &mut self.outgoing)?;
        self.queued(before);
        Ok(())
    }

    /// Queues a frame that has no headers, which can't fail.
    pub(super) fn tell(&mut self, frame: &Frame) {
        // Only headers and sizes can be wrong, and these frames have none.
        let _ = self.send(frame);
    }

    fn queued(&mut self, before: usize) {
        self.queued += (self.outgoing.len() - before) as u64;
        self.wake_task();
    }

    pub(super) fn unsent(&self) -> u64 {
        self.queued - self.sent
    }

    /// Why nothing can be sent any more, if so.
    pub(super) fn ended(&self) -> Option<Error> {
        match &self.closed {
            Some(reason) => Some(Error::Closed(reason.clone())),
            None if self.closing => Some(Error::Closed(CloseReason::Local)),
            None if self.deaf => Some(Error::Closed(CloseReason::Lost)),
            None => None,
        }
    }

    pub(super) fn next_stream(&mut self) -> Option<StreamId> {
        let stream = self.next_stream;
        if stream > i32::MAX.unsigned_abs() {
            return None;
        }
        self.next_stream += 2;
        Some(stream)
    }

    pub(super) fn next_ping(&mut self) -> u32 {
        let ping = self.next_ping;
        self.next_ping = ping.checked_add(2).unwrap_or(self.role.first());
        ping
    }

    /// Whether the socket must not be read now.
    pub(super) fn paused(&self) -> bool {
        self.full > 0 || self.buffered >= CONNECTION_BUFFER
    }

    /// Keeps a stream's bytes for its reader, or throws them away where there is none.
    pub(super) fn receive(&mut self, stream: StreamId, data: &Bytes, fin: bool) {
        let Some(entry) = self.streams.get_mut(&stream) else { return };
        if entry.peer_finished || entry.reset.is_some() {
            return;
        }
        if entry.reading {
            entry.received.extend_from_slice(data);
            self.buffered += data.len();
            if !entry.full && entry.received.len() >= STREAM_BUFFER {
                entry.full = true;
                self.full += 1;
            }
        }
        entry.peer_finished = fin;
        if let Some(reader) = entry.reader.take() {
            reader.wake();
        }
        if fin && let Some(writer) = entry.writer.take() {
            writer.wake();
        }
    }

    /// Takes at most `limit` received bytes.
    pub(super) fn take(&mut self, stream: StreamId, limit: usize) -> Bytes {
        let Some(entry) = self.streams.get_mut(&stream) else { return Bytes::new() };
        let taken = entry.received.split_to(limit.min(entry.received.len())).freeze();
        let paused = self.full > 0 || self.buffered >= CONNECTION_BUFFER;
        self.buffered -= taken.len();
        if entry.received.is_empty() {
            // Gives its memory back.
            entry.received = BytesMut::new();
        }
        if entry.full && entry.received.len() < STREAM_BUFFER {
            entry.full = false;
            self.full -= 1;
        }
        if paused && !self.paused() {
            self.wake_task();
        }
        taken
    }

    /// Throws away what was received of a stream.
    pub(super) fn discard(&mut self, stream: StreamId) {
        self.take(stream, usize::MAX);
    }

    /// Forgets a stream that has no handles; tells the peer unless it knows.
    pub(super) fn forget(&mut self, stream: StreamId, status: ResetStatus) {
        self.discard(stream);
        let Some(entry) = self.streams.remove(&stream) else { return };
        if !self.role.owns(stream) {
            self.peer_streams -= 1;
        }
        if entry.reset.is_none() && !(entry.finished && entry.peer_finished) {
            self.tell(&Frame::RstStream { stream, status });
        }
    }

    /// A stream ended at once, by the peer's will or by ours.
    pub(super) fn reset(&mut self, stream: StreamId, status: ResetStatus) {
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.reset.get_or_insert(status);
            entry.wake();
        }
    }

    pub(super) fn wake_writers(&mut self) {
        for entry in self.streams.values_mut() {
            if let Some(writer) = entry.writer.take() {
                writer.wake();
            }
        }
        for opener in self.openers.drain(..) {
            opener.wake();
        }
    }

    pub(super) fn wake_all(&mut self) {
        for entry in self.streams.values_mut() {
            entry.wake();
        }
        self.wake_writers();
        if let Some(offered) = self.offered.take() {
            offered.wake();
        }
    }
}

pub(super) fn set_waker(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(context.waker()),
        None => *place = Some(context.waker().clone()),
    }
}
