//! What the proxy is told to break: rules, and what they add up to for one connection and direction.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::call::ActiveCall;

/// Which connections a rule is for, which way, and what happens there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The connections it is for.
    pub connections: Connections,
    /// The way the bytes go. [`Action::Refuse`] takes no notice of it.
    pub direction: Direction,
    /// What happens.
    pub action: Action,
}

impl Rule {
    /// A rule for every connection, living and coming.
    #[must_use]
    pub fn all(direction: Direction, action: Action) -> Self {
        Self { connections: Connections::All, direction, action }
    }

    /// A rule for the connection with this number, counting from 1 since the proxy started.
    #[must_use]
    pub fn nth(number: u64, direction: Direction, action: Action) -> Self {
        Self { connections: Connections::Nth(number), direction, action }
    }

    /// A rule for this many connections, starting with the next one accepted.
    #[must_use]
    pub fn next(count: u64, direction: Direction, action: Action) -> Self {
        Self { connections: Connections::Next(count), direction, action }
    }
}

/// Chooses connections by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// Every connection, living and coming.
    All,
    /// The one with this number, counting from 1 since the proxy started.
    Nth(u64),
    /// This many, starting with the next one accepted after the rule was added.
    Next(u64),
}

/// The way bytes go through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What a rule does to the bytes of one direction. Byte counts start where the rule met the connection.
///
/// When rules disagree the harsher wins: the earliest stop, the sum of delays, the lowest rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Passes this many bytes, then closes the connection both ways.
    CutAfter(u64),
    /// Passes this many bytes and, when the next one comes, closes leaving it unread: the sender sees a reset
    /// (`ECONNRESET`) on a unix socket too. Over TCP both sides see one.
    ResetAfter(u64),
    /// Passes this many bytes, then nothing until the rule is removed.
    HangAfter(u64),
    /// Waits before passing on each chunk; a chunk is what one read gave, 64 KiB at most.
    Delay(Duration),
    /// Passes about this many bytes a second.
    BytesPerSecond(NonZeroU64),
    /// From this byte on, changes one byte in `one_in`, chosen by the seed; never the count of bytes.
    Garble {
        /// The first byte that can change.
        from: u64,
        /// 1 changes every byte.
        one_in: NonZeroU32,
    },
    /// Accepts and closes at once, without asking the server. Living connections go on.
    Refuse,
}

/// Names a rule that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(super) u64);

/// All rules of a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct RuleSet {
    pub(super) bytes: Vec<Active>,
    pub(super) calls: Vec<Arc<ActiveCall>>,
}

impl RuleSet {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.calls.len()
    }

    /// Takes rules out; what they hold up goes on.
    pub(super) fn remove(&mut self, is_gone: impl Fn(RuleId) -> bool) {
        self.bytes.retain(|rule| !is_gone(rule.id));
        for rule in self.calls.extract_if(.., |rule| is_gone(rule.id)) {
            rule.removed.cancel();
        }
    }
}

/// A rule as the proxy holds it, with its connections resolved to numbers.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) id: RuleId,
    connections: RangeInclusive<u64>,
    direction: Direction,
    pub(super) action: Action,
}

impl Active {
    pub(super) fn new(id: RuleId, rule: &Rule, accepted: u64) -> Self {
        let connections = match rule.connections {
            Connections::All => 1..=u64::MAX,
            Connections::Nth(number) => number..=number,
            Connections::Next(count) => accepted + 1..=accepted.saturating_add(count),
        };
        Self { id, connections, direction: rule.direction, action: rule.action }
    }

    pub(super) fn refuses(&self, connection: u64) -> bool {
        self.action == Action::Refuse && self.connections.contains(&connection)
    }

    pub(super) fn meets(&self, connection: u64, direction: Direction) -> bool {
        self.direction == direction && self.connections.contains(&connection)
    }
}
