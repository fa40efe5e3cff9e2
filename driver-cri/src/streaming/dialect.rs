//! What a runtime's streaming server speaks, and what of it a session needs.
//!
//! Kubernetes' channel protocol has two carriers. Over WebSocket only its version 5 can end one channel, which the end of a
//! command's input needs; with version 4 the whole connection would have to go. Over SPDY every stream has an end of its own.
//! containerd 1.6 and 1.7 have version 4 over WebSocket, and SPDY; newer runtimes have version 5 too, and some day no SPDY.
//!
//! So sessions with input try WebSocket version 5, then SPDY; without either, the input has no end. Sessions without input
//! take WebSocket in the version that the runtime prefers. What a runtime refused is remembered: a try costs a request, as
//! each URL is good for one.

use std::sync::atomic::{AtomicU8, Ordering};

/// A way to carry a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// WebSocket, version 5 alone.
    WebSocket5,
    /// WebSocket, version 5 or else 4.
    WebSocket,
    /// SPDY/3.1, version 4.
    Spdy,
}

/// What is known of a runtime.
#[derive(Debug, Default)]
pub(crate) struct Dialects {
    version5: Known,
    web_socket: Known,
    spdy: Known,
}

/// Whether something works, if that is known.
#[derive(Debug, Default)]
struct Known(AtomicU8);

impl Known {
    fn set(&self, works: bool) {
        self.0.store(if works { 1 } else { 2 }, Ordering::Relaxed);
    }

    fn fails(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 2
    }
}

impl Dialects {
    /// The ways for a session, in the order in which to try them. What failed before comes last: a runtime may have been
    /// replaced by another version.
    pub(crate) fn ways(&self, stdin: bool) -> Vec<Way> {
        let mut ways = match stdin {
            true => vec![Way::WebSocket5, Way::Spdy, Way::WebSocket],
            false => vec![Way::WebSocket, Way::Spdy],
        };
        // Without an end of the input only after all that have one.
        ways.sort_by_key(|way| (stdin && *way == Way::WebSocket, self.of(*way).fails()));
        ways
    }

    /// The ways to attach to a container, with or without its input, if it `has` one. Over WebSocket, an input that was not
    /// asked for is one that has ended to containerd, which takes it for the attached side's going.
    pub(crate) fn ways_to_attach(&self, stdin: bool, has: bool) -> Vec<Way> {
        let mut ways = self.ways(stdin);
        if has && !stdin {
            ways.sort_by_key(|way| (self.of(*way).fails(), *way != Way::Spdy));
        }
        ways
    }

    /// The ways to forward a port, in order: over WebSocket neither side can end what it sends alone.
    pub(crate) fn ways_to_forward(&self) -> Vec<Way> {
        let mut ways = vec![Way::Spdy, Way::WebSocket];
        ways.sort_by_key(|way| self.of(*way).fails());
        ways
    }

    /// Takes note of a runtime's answer.
    pub(crate) fn learn(&self, way: Way, works: bool) {
        self.of(way).set(works);
    }

    /// Takes note of the version that a runtime chose when it had the choice.
    pub(crate) fn learn_version(&self, is_5: bool) {
        self.version5.set(is_5);
    }

    fn of(&self, way: Way) -> &Known {
        match way {
            Way::WebSocket5 => &self.version5,
            Way::WebSocket => &self.web_socket,
            Way::Spdy => &self.spdy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Way::{Spdy, WebSocket, WebSocket5};

    #[test]
    fn what_has_an_end_of_input_comes_first_and_what_failed_last() {
        let dialects = Dialects::default();
        assert_eq!(dialects.ways(true), [WebSocket5, Spdy, WebSocket]);
        assert_eq!(dialects.ways(false), [WebSocket, Spdy]);
        dialects.learn_version(false);
        assert_eq!(dialects.ways(true), [Spdy, WebSocket5, WebSocket]);
        dialects.learn(Spdy, false);
        assert_eq!(dialects.ways(true), [WebSocket5, Spdy, WebSocket]);
        dialects.learn(WebSocket5, true);
        assert_eq!(dialects.ways(true), [WebSocket5, Spdy, WebSocket]);
        dialects.learn(WebSocket, false);
        assert_eq!(dialects.ways(true), [WebSocket5, Spdy, WebSocket]);
        dialects.learn(Spdy, true);
        assert_eq!(dialects.ways(false), [Spdy, WebSocket]);
    }

    #[test]
    fn attaching_without_the_input_that_is_there_prefers_spdy() {
        let dialects = Dialects::default();
        assert_eq!(dialects.ways_to_attach(false, true), [Spdy, WebSocket]);
        assert_eq!(dialects.ways_to_attach(false, false), [WebSocket, Spdy]);
        assert_eq!(dialects.ways_to_attach(true, true), [WebSocket5, Spdy, WebSocket]);
        dialects.learn(Spdy, false);
        assert_eq!(dialects.ways_to_attach(false, true), [WebSocket, Spdy]);
    }

    #[test]
    fn ports_prefer_what_can_end_one_direction() {
        let dialects = Dialects::default();
        assert_eq!(dialects.ways_to_forward(), [Spdy, WebSocket]);
        dialects.learn(Spdy, false);
        assert_eq!(dialects.ways_to_forward(), [WebSocket, Spdy]);
    }
}
