//! What a received frame does to the state.

use super::state::{Entry, State};
use super::{MAX_PEER_STREAMS, ProtocolError};
use crate::frame::{Frame, Headers, ResetStatus, StreamId};

impl State {
    pub(super) fn apply(&mut self, frame: Frame) -> Result<(), ProtocolError> {
        match frame {
            Frame::Data { stream, fin, data } => self.receive(stream, &data, fin),
            Frame::SynStream { stream, fin, unidirectional, headers, .. } => {
                return self.offer(stream, fin, unidirectional, headers);
            }
            Frame::SynReply { stream, fin, .. } => {
                if let Some(entry) = self.streams.get_mut(&stream) {
                    entry.accepted = true;
                    entry.peer_finished |= fin;
                    entry.wake();
                }
            }
            Frame::Headers { stream, fin, .. } => {
                if let Some(entry) = self.streams.get_mut(&stream) {
                    entry.peer_finished |= fin;
                    entry.wake();
                }
            }
            Frame::RstStream { stream, status } => self.reset(stream, status),
            Frame::Ping { id } if self.role.owns(id) => {
                if let Some(waiting) = self.pings.remove(&id) {
                    // Whoever asked may have gone.
                    let _ = waiting.send(());
                }
            }
            Frame::Ping { id } => self.tell(&Frame::Ping { id }),
            Frame::GoAway { last_good, status } => {
                self.going_away = Some(status);
                let unheard = |stream: &StreamId| self.role.owns(*stream) && *stream > last_good;
                for stream in self.streams.keys().copied().filter(unheard).collect::<Vec<_>>() {
                    self.reset(stream, ResetStatus::RefusedStream);
                }
            }
            // Without flow control these have nothing to say.
            Frame::Settings { .. } | Frame::WindowUpdate { .. } => {}
        }
        Ok(())
    }

    fn offer(
        &mut self,
        stream: StreamId,
        fin: bool,
        unidirectional: bool,
        headers: Headers,
    ) -> Result<(), ProtocolError> {
        if self.role.owns(stream) || stream <= self.last_peer_stream {
            return Err(ProtocolError::StreamNumber(stream));
        }
        self.last_peer_stream = stream;
        let room = self.peer_streams < MAX_PEER_STREAMS && !self.closing;
        let Some(offers) = self.offers.as_mut().filter(|_| room) else {
            self.tell(&Frame::RstStream { stream, status: ResetStatus::RefusedStream });
            return Ok(());
        };
        offers.push_back((stream, headers));
        self.peer_streams += 1;
        self.streams.insert(stream, Entry::offered(fin, unidirectional));
        if let Some(offered) = self.offered.take() {
            offered.wake();
        }
        Ok(())
    }
}
