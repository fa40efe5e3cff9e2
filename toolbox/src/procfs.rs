//! What `/proc` says of a process.

use std::fs;

/// A line of `/proc/PID/stat`.
pub(crate) struct Stat {
    /// The group that it is in.
    pub(crate) group: i32,
    /// When it started, in clock ticks since the system did. With the pid it names one life.
    pub(crate) start_time: u64,
}

impl Stat {
    /// That of a process; `None` when there is none, or no `/proc`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // The program's name comes in parentheses, and may contain any character. The field after it has number 3.
        let mut fields = line.rsplit_once(") ")?.1.split(' ');
        let group = fields.nth(5 - 3)?.parse().ok()?;
        let start_time = fields.nth(22 - 6)?.parse().ok()?;
        Some(Self { group, start_time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let numbers = (3..=52).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
        for name in ["sh", "a) b (c", ") 1 2 3 "] {
            let stat = Stat::parse(&format!("17 ({name}) {numbers}\n")).unwrap();
            assert_eq!((stat.group, stat.start_time), (5, 22), "{name}");
        }
        assert!(Stat::parse("17 (sh) S 1").is_none());
    }

    #[test]
    fn this_process_has_one() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Stat::of(own).unwrap().start_time > 0);
        assert!(Stat::of(i32::MAX).is_none());
    }
}
