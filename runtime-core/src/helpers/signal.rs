//! Signals by name and number, as Linux has them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};
use thiserror::Error;

/// A signal of Linux, by its number from 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(u8);

/// The names, by number from 1. The numbers are those of x86 and arm.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The real-time signals that programs may use: below are those of the C library's own threads.
const RT_MIN: i32 = 34;
const RT_MAX: i32 = 64;

/// What is not a signal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a signal: expected a name such as SIGTERM or a number from 1 to 64")]
pub struct UnknownSignal(String);

impl Signal {
    /// Hang up.
    pub const HUP: Self = Self(1);
    /// Interrupt, as Ctrl-C sends it.
    pub const INT: Self = Self(2);
    /// Kill: can't be caught.
    pub const KILL: Self = Self(9);
    /// The first signal for programs' own use.
    pub const USR1: Self = Self(10);
    /// The polite request to end.
    pub const TERM: Self = Self(15);

    /// The number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// The signal of this number.
    ///
    /// # Errors
    /// When it is not from 1 to 64.
    pub fn from_number(number: i32) -> Result<Self, UnknownSignal> {
        match u8::try_from(number) {
            Ok(small @ 1..=64) => Ok(Self(small)),
            _ => Err(UnknownSignal(number.to_string())),
        }
    }
}

impl FromStr for Signal {
    type Err = UnknownSignal;

    /// Reads `SIGTERM`, `TERM`, `term`, `15`, or a real-time signal such as `SIGRTMIN+3` or `SIGRTMAX-1`.
    fn from_str(text: &str) -> Result<Self, UnknownSignal> {
        let unknown = || UnknownSignal(text.to_owned());
        if let Ok(number) = text.parse() {
            return Self::from_number(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(number) = real_time(name) {
            return Self::from_number(number);
        }
        let index = NAMES.iter().position(|known| *known == name).ok_or_else(unknown)?;
        u8::try_from(index + 1).map(Self).map_err(|_| unknown())
    }
}

/// The number of `RTMIN`, `RTMIN+N`, `RTMAX-N` or `RTMAX`.
fn real_time(name: &str) -> Option<i32> {
    let distance = |text: &str, sign| match text.strip_prefix(sign) {
        None => text.is_empty().then_some(0),
        Some(digits) => digits.parse::<u8>().ok().map(i32::from),
    };
    let number = match name.strip_prefix("RTMIN") {
        Some(above) => RT_MIN + distance(above, '+')?,
        None => RT_MAX - distance(name.strip_prefix("RTMAX")?, '-')?,
    };
    (RT_MIN..=RT_MAX).contains(&number).then_some(number)
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0) - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Signal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signal {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_understood() {
        for text in ["SIGTERM", "TERM", "term", "sigterm", "15"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        for (text, number) in
            [("SIGRTMIN", 34), ("SIGRTMIN+3", 37), ("rtmin+30", 64), ("SIGRTMAX-1", 63), ("RTMAX", 64)]
        {
            assert_eq!(text.parse(), Signal::from_number(number), "{text}");
        }
        for text in ["", "SIG", "0", "-1", "65", "99999999999", "SIGNOPE", "SIGSIGTERM", "SIGRTMIN+31"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
        for text in ["SIGRTMIN-1", "SIGRTMIN3", "SIGRTMIN+", "SIGRTMIN+-1", "SIGRTMAX+1", "SIGRTMAX-31"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_number_prints_what_it_parses() {
        for number in 1..=64 {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(signal.to_string().parse(), Ok(signal));
            assert_eq!(signal.number(), number);
        }
        assert_eq!(Signal::KILL.to_string(), "SIGKILL");
        assert_eq!("SIGSYS".parse::<Signal>().unwrap().number(), 31);
    }
}
