//! Whether the other side of an idle connection is still there.
//!
//! Pings are answered by whoever also passes input on to the command: a command that doesn't read its input holds back the
//! answers as well. So silence means a lost connection only if all input that was sent before a ping was taken since.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How often the other side is asked. Servers drop connections that are idle for hours; to them this is no idleness.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// How many answers may be missed.
pub const MAX_MISSED: u32 = 2;

/// How long it may be silent, which is [`MAX_MISSED`] answers and some time for the last.
pub(crate) const PATIENCE: Duration = Duration::from_secs(75);

/// The input of a session as its two directions see it.
#[derive(Debug, Default)]
pub struct InputCount {
    sent: AtomicU64,
    taken: AtomicU64,
}

impl InputCount {
    /// Input was sent.
    pub fn add(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// What a ping carries, so that its answer tells what was taken.
    #[must_use]
    pub fn ping(&self) -> [u8; 8] {
        self.sent.load(Ordering::Relaxed).to_be_bytes()
    }

    /// A ping was answered.
    pub fn pong(&self, payload: &[u8]) {
        if let Ok(payload) = payload.try_into() {
            self.taken.fetch_max(u64::from_be_bytes(payload), Ordering::Relaxed);
        }
    }

    /// Whether no input can be what holds answers back.
    #[must_use]
    pub fn all_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.sent.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_vouches_for_what_was_sent_before_its_ping() {
        let input = InputCount::default();
        assert!(input.all_taken());
        let early = input.ping();
        input.add();
        assert!(!input.all_taken());
        input.pong(&early);
        input.pong(b"odd");
        assert!(!input.all_taken());
        input.pong(&input.ping());
        assert!(input.all_taken());
        input.pong(&early);
        assert!(input.all_taken());
    }
}
