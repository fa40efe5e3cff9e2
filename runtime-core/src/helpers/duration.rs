//! Durations as Go writes them: `1h30m`, `300ms`, `1.5s`.
//!
//! With serde: `#[serde(with = "runtime_core::helpers::duration")]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};
use thiserror::Error;

/// Largest first, as they are written; each with its nanoseconds. `us` has three spellings.
const UNITS: [(&str, u64); 8] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

/// Reads a duration: numbers with a unit each, in any order, or a bare `0`. Fractions of a nanosecond are cut.
///
/// # Errors
/// The form is wrong, the duration is negative, or more than Go's 2^63 - 1 nanoseconds (292 years).
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed { text: text.to_owned() };
    if text.starts_with('-') {
        return Err(DurationError::Negative { text: text.to_owned() });
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(malformed());
    }
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let (whole, after) = split(rest, |byte| byte.is_ascii_digit());
        let (fraction, after) =
            after.strip_prefix('.').map_or(("", after), |f| split(f, |b| b.is_ascii_digit()));
        let (unit, after) = split(after, |byte| !byte.is_ascii_digit() && byte != b'.');
        let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?.1;
        if whole.is_empty() && fraction.is_empty() {
            return Err(malformed());
        }
        let part = nanoseconds(whole, fraction, unit).and_then(|part| nanos.checked_add(part));
        nanos = part.filter(|&sum| sum <= i64::MAX as u64).ok_or(DurationError::Overflow)?;
        rest = after;
    }
    Ok(Duration::from_nanos(nanos))
}

/// Writes a duration as Go does: `1h30m0s`, `1.5s`, `300ms`, `0s`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let nanos = duration.subsec_nanos();
    match (duration.as_secs(), nanos) {
        (0, 0) => "0s".to_owned(),
        (0, ..1_000) => format!("{nanos}ns"),
        (0, ..1_000_000) => decimal(nanos / 1_000, nanos % 1_000, 3, "µs"),
        (0, _) => decimal(nanos / 1_000_000, nanos % 1_000_000, 6, "ms"),
        (seconds, _) => {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let prefix = match (hours, minutes) {
                (0, 0) => String::new(),
                (0, minutes) => format!("{minutes}m"),
                (hours, minutes) => format!("{hours}h{minutes}m"),
            };
            // The remainder of a division by 60 fits.
            prefix + &decimal((seconds % 60) as u32, nanos, 9, "s")
        }
    }
}

/// Writes a duration as text; for serde's `with`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// Reads a duration from text; for serde's `with`.
///
/// # Errors
/// Those of [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Why a duration is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It has not the form of one.
    #[error("malformed duration {text:?}, expected a form like 1h30m, 1.5s or 300ms")]
    Malformed {
        /// The text as it came.
        text: String,
    },
    /// It is below zero.
    #[error("the duration {text:?} is negative")]
    Negative {
        /// The text as it came.
        text: String,
    },
    /// It is longer than 2^63 - 1 nanoseconds.
    #[error("the duration is too long, the longest is about 292 years")]
    Overflow,
}

fn split(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().take_while(|&byte| belongs(byte)).count())
}

fn nanoseconds(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = match whole.trim_start_matches('0') {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    // From the last digit to the first; what is cut on the way does not change the whole nanoseconds.
    let part = fraction.bytes().rev().fold(0, |part, digit| (u64::from(digit - b'0') * unit + part) / 10);
    whole.checked_mul(unit)?.checked_add(part)
}

fn decimal(whole: u32, fraction: u32, digits: usize, unit: &str) -> String {
    if fraction == 0 {
        return format!("{whole}{unit}");
    }
    let fraction = format!("{fraction:0digits$}");
    format!("{whole}.{}{unit}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn go_table() {
        for (text, nanos, shown) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("+5s", 5_000_000_000, "5s"),
            ("5.0s", 5_000_000_000, "5s"),
            ("5.s", 5_000_000_000, "5s"),
            (".5s", 500_000_000, "500ms"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("300ms", 300_000_000, "300ms"),
            ("1h30m", 5_400_000_000_000, "1h30m0s"),
            ("90m", 5_400_000_000_000, "1h30m0s"),
            ("3h30m", 12_600_000_000_000, "3h30m0s"),
            ("10.5s4m", 250_500_000_000, "4m10.5s"),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006, "1h2m3.004005006s"),
            ("12µs", 12_000, "12µs"),
            ("12μs", 12_000, "12µs"),
            ("12us", 12_000, "12µs"),
            ("2.2ms", 2_200_000, "2.2ms"),
            ("1.1us", 1_100, "1.1µs"),
            ("5ns", 5, "5ns"),
            ("0.3333333333333333333h", 1_199_999_999_999, "19m59.999999999s"),
            ("0.9223372036854775807h", 3_320_413_933_267, "55m20.413933267s"),
            ("9223372036854775807ns", i64::MAX as u64, "2562047h47m16.854775807s"),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
            assert_eq!(format(Duration::from_nanos(nanos)), shown);
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "", "3", "s", ".", ".s", "+.s", "1.2", "1d", "1h30", "1 s", " 1s", "1s ", "+", "++1s", "1..5s",
            "٣s", "1µ",
        ] {
            assert_eq!(parse(text), Err(DurationError::Malformed { text: text.to_owned() }), "{text}");
        }
        for text in ["-1s", "-0", "-"] {
            assert_eq!(parse(text), Err(DurationError::Negative { text: text.to_owned() }));
        }
        for text in [
            "9223372036854775808ns",
            "3000000h",
            "99999999999999999999999h",
            "2562047h48m",
            "9223372036854775.808us",
        ] {
            assert_eq!(parse(text), Err(DurationError::Overflow), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(nanos in 0..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn short_ones_too(nanos in 0..10_000_000_000u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn any_duration_can_be_written(seconds: u64, nanos in 0..1_000_000_000u32) {
            prop_assert!(format(Duration::new(seconds, nanos)).ends_with('s'));
        }

        #[test]
        fn nothing_panics(text in "[0-9.hmsnuµ+-]{0,40}") {
            let _ = parse(&text);
        }
    }
}
