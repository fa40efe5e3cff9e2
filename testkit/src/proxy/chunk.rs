//! What the rules add up to for the next chunk of one direction.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rule::{Action, Active, Direction, RuleId};

/// The most that one read takes.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// One direction of one connection: how far it is, and where each rule met it.
#[derive(Debug)]
pub(super) struct Course {
    connection: u64,
    direction: Direction,
    seed: u64,
    passed: u64,
    met: BTreeMap<RuleId, u64>,
}

/// What to do next, by the rules of this moment.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The first stop and how many bytes it is away.
    pub(super) stop: Option<(u64, Stop)>,
    pub(super) delay: Duration,
    pub(super) bytes_per_second: Option<u64>,
    garble: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    Cut,
    Reset,
    Hang,
}

impl Course {
    pub(super) fn new(connection: u64, direction: Direction, seed: u64) -> Self {
        Self { connection, direction, seed, passed: 0, met: BTreeMap::new() }
    }

    pub(super) fn plan(&mut self, rules: &[Active]) -> Plan {
        self.met.retain(|id, _| rules.iter().any(|rule| rule.id == *id));
        let mut plan = Plan::default();
        for rule in rules.iter().filter(|rule| rule.meets(self.connection, self.direction)) {
            let met = *self.met.entry(rule.id).or_insert(self.passed);
            let mut stop = |after: u64, stop| {
                let away = met.saturating_add(after).saturating_sub(self.passed);
                plan.stop = Some(plan.stop.map_or((away, stop), |other| other.min((away, stop))));
            };
            match rule.action {
                Action::CutAfter(bytes) => stop(bytes, Stop::Cut),
                Action::ResetAfter(bytes) => stop(bytes, Stop::Reset),
                Action::HangAfter(bytes) => stop(bytes, Stop::Hang),
                Action::Delay(delay) => plan.delay = plan.delay.saturating_add(delay),
                Action::BytesPerSecond(rate) => {
                    let lowest = plan.bytes_per_second.map_or(rate.get(), |other| other.min(rate.get()));
                    plan.bytes_per_second = Some(lowest);
                }
                Action::Garble { from, one_in } => {
                    plan.garble.push((met.saturating_add(from), u64::from(one_in.get())));
                }
                Action::Refuse => {}
            }
        }
        plan
    }

    /// Changes the bytes that the plan says, and counts them as passed.
    pub(super) fn pass(&mut self, chunk: &mut [u8], plan: &Plan) {
        for (from, one_in) in &plan.garble {
            for (offset, byte) in (self.passed..).zip(chunk.iter_mut()).filter(|(offset, _)| offset >= from) {
                // By offset and not by chunk, so that a seed gives the same bytes however they are cut up.
                let random = mix(self.seed ^ mix(self.connection ^ mix(offset << 1 | self.direction as u64)));
                if random.is_multiple_of(*one_in) {
                    *byte ^= (random >> 32) as u8 | 1;
                }
            }
        }
        self.passed += chunk.len() as u64;
    }
}

impl Plan {
    /// How much may be read at once.
    pub(super) fn chunk_bytes(&self) -> usize {
        let until_stop = self.stop.map_or(u64::MAX, |(away, _)| away);
        // Twenty chunks a second are smooth enough to look like a slow line.
        let smooth = self.bytes_per_second.map_or(u64::MAX, |rate| (rate / 20).max(1));
        usize::try_from(until_stop.min(smooth)).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES)
    }

    /// How long to wait after a chunk of this size to keep the rate.
    pub(super) fn pause(&self, bytes: usize) -> Duration {
        self.bytes_per_second
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate as f64))
    }
}

/// SplitMix64's finalizer: a well-spread number from any other.
pub(super) fn mix(number: u64) -> u64 {
    let mut number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
