//! Where in a log a reader is, so that it can go on there over a new connection.
//!
//! Kubernetes can only be asked for the lines since some second. They come in the order of the log, so those that the reader
//! had come first: it has to pass over them up to the last one. Times can't say alone which those are: several lines can have
//! the same one, and as two streams are written into one log, times go back now and then by a little.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// How many changes of the time are remembered, to count lines of the same time among them.
const MAX_RUNS: usize = 64;

/// By how much times can go back.
const DISORDER: SignedDuration = SignedDuration::from_secs(1);

/// The lines that a reader had.
#[derive(Debug, Default)]
pub(super) struct Position {
    latest: Option<Timestamp>,
    /// The last lines: a time, and how many of it followed each other.
    runs: VecDeque<(Timestamp, u64)>,
}

/// What a reader passes over that goes on.
#[derive(Debug, Default)]
pub(super) struct Had(Option<Until>);

#[derive(Debug)]
struct Until {
    latest: Timestamp,
    last: Timestamp,
    /// How many lines of the last one's time there are up to it.
    left: u64,
}

impl Position {
    /// The reader has another line.
    pub(super) fn note(&mut self, time: Timestamp) {
        self.latest = self.latest.max(Some(time));
        match self.runs.back_mut() {
            Some((last, count)) if *last == time => *count += 1,
            _ => self.runs.push_back((time, 1)),
        }
        if self.runs.len() > MAX_RUNS {
            self.runs.pop_front();
        }
    }

    /// Since when to ask for lines, a whole second, and what to pass over then. `None` when the reader had no lines.
    pub(super) fn resume(&self) -> Option<(Timestamp, Had)> {
        let (latest, (last, _)) = (self.latest?, *self.runs.back()?);
        let from = last.min(latest.checked_sub(DISORDER).unwrap_or(Timestamp::MIN));
        let left = self.runs.iter().filter(|(time, _)| *time == last).map(|(_, count)| count).sum();
        Some((whole_second(from), Had(Some(Until { latest, last, left }))))
    }
}

impl Had {
    /// Whether the reader had this line, which is the next one that came.
    pub(super) fn line(&mut self, time: Timestamp) -> bool {
        let Some(until) = &mut self.0 else { return false };
        if time > until.latest {
            // The last one is in the log no more.
            self.0 = None;
            return false;
        }
        if time == until.last {
            until.left -= 1;
            if until.left == 0 {
                self.0 = None;
            }
        }
        true
    }
}

/// The second in which a time is.
pub(super) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_nanosecond().div_euclid(1_000_000_000).try_into().unwrap_or(i64::MIN))
        .unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000_000 + millis).unwrap()
    }

    /// What a server sends, and of it what the reader takes.
    fn resumed(log: &[i64], position: &Position) -> Vec<i64> {
        let Some((since, mut had)) = position.resume() else { return log.to_vec() };
        assert_eq!(since, whole_second(since));
        log.iter().copied().filter(|&line| at(line) >= since && !had.line(at(line))).collect()
    }

    #[test]
    fn lines_of_the_same_time_are_counted() {
        let mut position = Position::default();
        [1, 5, 5].iter().for_each(|&line| position.note(at(line)));
        assert_eq!(resumed(&[1, 5, 5, 5, 5, 6], &position), [5, 5, 6]);
        [5, 4, 5].iter().for_each(|&line| position.note(at(line)));
        assert_eq!(resumed(&[1, 5, 5, 5, 4, 5, 5, 6], &position), [5, 6]);
    }

    #[test]
    fn a_log_that_was_rotated_meanwhile_loses_nothing_more() {
        let mut position = Position::default();
        [1, 5, 5].iter().for_each(|&line| position.note(at(line)));
        assert_eq!(resumed(&[7, 8, 8], &position), [7, 8, 8]);
        assert_eq!(resumed(&[5, 7, 8], &position), [7, 8]);
        assert!(resumed(&[], &position).is_empty());
    }

    #[test]
    fn seconds_are_rounded_down() {
        for (nanos, second) in [(0, 0), (999_999_999, 0), (1_000_000_000, 1), (-1, -1), (-1_000_000_001, -2)]
        {
            let time = Timestamp::from_nanosecond(nanos).unwrap();
            assert_eq!(whole_second(time), Timestamp::from_second(second).unwrap(), "{nanos}");
        }
    }

    proptest! {
        /// However a log is written, and wherever its reader is cut off: nothing is missed or had twice.
        #[test]
        fn nothing_is_missed_or_repeated(
            steps in prop::collection::vec(-300_i64..400, 0..60),
            cut in any::<prop::sample::Index>(),
            coarse in prop::sample::select(vec![1_i64, 100, 1000]),
        ) {
            let mut latest = 0;
            let log: Vec<i64> = steps.iter().map(|step| {
                let time = (latest + step).max(0) / coarse * coarse;
                latest = latest.max(time);
                time
            }).collect();
            let cut = cut.index(log.len() + 1);
            let mut position = Position::default();
            log[..cut].iter().for_each(|&line| position.note(at(line)));
            prop_assert_eq!(resumed(&log, &position), log[cut..].to_vec());
        }
    }
}
