//! Why something ended.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The end of a container or command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExitStatus {
    /// Why it ended.
    pub cause: ExitCause,
    /// When, if the system says so.
    pub finished_at: Option<Timestamp>,
}

/// Why a container or command ended. What is not known is said so: a lost stream is never success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ExitCause {
    /// It ended with this code. Systems that report signals as a shell does (CRI) can't tell a process that was killed
    /// by signal N from one that ended with 128 + N: both are here.
    Exited(i32),
    /// A signal ended it.
    Signaled(i32),
    /// It was killed because it went over its memory limit.
    OomKilled,
    /// Its time was up.
    DeadlineExceeded,
    /// The caller ended it.
    Cancelled,
    /// The connection over which its end would have been told was lost.
    StreamLost,
    /// It was removed before its end could be read.
    Removed,
    /// The system doesn't say.
    Unknown,
}

impl ExitStatus {
    /// An end of this cause at an unknown time.
    #[must_use]
    pub fn new(cause: ExitCause) -> Self {
        Self { cause, finished_at: None }
    }

    /// Sets when it ended.
    #[must_use]
    pub fn at(mut self, finished_at: Option<Timestamp>) -> Self {
        self.finished_at = finished_at;
        self
    }

    /// Whether it ended by itself with code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.cause == ExitCause::Exited(0)
    }

    /// The code as a shell would report it: 128 + N for signal N, 137 for a kill over memory; `None` where nothing is
    /// known.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        match self.cause {
            ExitCause::Exited(code) => Some(code),
            ExitCause::Signaled(signal) => Some(128 + signal),
            ExitCause::OomKilled => Some(137),
            _ => None,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            ExitCause::Exited(code) => write!(f, "exited with code {code}"),
            ExitCause::Signaled(signal) => write!(f, "ended by signal {signal}"),
            ExitCause::OomKilled => f.write_str("killed over its memory limit"),
            ExitCause::DeadlineExceeded => f.write_str("killed at its deadline"),
            ExitCause::Cancelled => f.write_str("cancelled"),
            ExitCause::StreamLost => f.write_str("connection lost before its end was known"),
            ExitCause::Removed => f.write_str("removed before its end was known"),
            ExitCause::Unknown => f.write_str("ended for an unknown reason"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_zero_is_success() {
        use ExitCause::*;
        assert!(ExitStatus::new(Exited(0)).success());
        for cause in
            [Exited(1), Signaled(15), OomKilled, DeadlineExceeded, Cancelled, StreamLost, Removed, Unknown]
        {
            assert!(!ExitStatus::new(cause.clone()).success(), "{cause:?}");
        }
        assert_eq!(ExitStatus::new(Signaled(9)).code(), Some(137));
        assert_eq!(ExitStatus::new(StreamLost).code(), None);
    }
}
