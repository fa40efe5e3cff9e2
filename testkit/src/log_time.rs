//! Times before the lines of logs, as servers written in Go tell them: always with nine digits of a second.

use jiff::Timestamp;

/// The time, and the blank behind it.
pub(crate) fn before_line(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.9fZ ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_left_out() {
        let time = Timestamp::new(1_700_000_000, 120_000_000).unwrap();
        assert_eq!(before_line(time), "2023-11-14T22:13:20.120000000Z ");
    }
}
