//! What can go wrong with the fake, on request.

use std::str::FromStr;

/// A fault: in how the program runs, or in how it answers.
///
/// As text it is a name, and for those that answer wrongly also `NAME@TEXT`: only requests whose method and target, as in
/// `POST /api/v1/mount?mountpoint=/a`, hold the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `exit-at-once`: ends with 1 before there is a socket.
    ExitAtOnce,
    /// `no-api`: runs, but never listens for the API.
    NoApi,
    /// `never-ready`: is in the state INIT for ever.
    NeverReady,
    /// `late`: is in the state INIT for a while, see [`Fault::LATE`].
    Late,
    /// `ignore-sigterm`: goes on when it is told to end, also by the API.
    IgnoreSigterm,
    /// `flood-log`: writes megabytes of lines, and one line of a megabyte, before it is ready.
    FloodLog,
    /// How requests are answered.
    Answering {
        /// What is done instead.
        wrong: Wrong,
        /// What method and target of the request must hold.
        when: String,
    },
}

/// A wrong answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// `hang`: there is never one, to this request or a later one.
    Hang,
    /// `slow`: it comes late, see [`Fault::SLOW`].
    Slow,
    /// `garbage`: it is no HTTP.
    Garbage,
    /// `not-json`: 500 with a body that is no JSON.
    NotJson,
    /// `half-body`: it ends in the middle of its body.
    HalfBody,
    /// `huge-body`: its body has 100 MiB.
    HugeBody,
    /// `close`: the connection is closed instead.
    Close,
    /// `exit`: the daemon ends with 1, without an answer.
    Exit,
}

/// There is no such fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no fault is called {0:?}")]
pub struct UnknownFault(String);

impl Fault {
    /// How long [`Self::Late`] takes.
    pub const LATE: std::time::Duration = std::time::Duration::from_millis(300);
    /// How much later [`Wrong::Slow`] answers.
    pub const SLOW: std::time::Duration = std::time::Duration::from_millis(300);

    /// Answers requests wrongly whose method and target hold a text.
    #[must_use]
    pub fn answering(wrong: Wrong, when: &str) -> Self {
        Self::Answering { wrong, when: when.to_owned() }
    }

    /// What happens to a request, if this is about it.
    pub(super) fn to(&self, request: &str) -> Option<Wrong> {
        match self {
            Self::Answering { wrong, when } => request.contains(when.as_str()).then_some(*wrong),
            _ => None,
        }
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let (name, when) = text.split_once('@').unwrap_or((text, ""));
        let wrong = match name {
            "exit-at-once" => return Ok(Self::ExitAtOnce),
            "no-api" => return Ok(Self::NoApi),
            "never-ready" => return Ok(Self::NeverReady),
            "late" => return Ok(Self::Late),
            "ignore-sigterm" => return Ok(Self::IgnoreSigterm),
            "flood-log" => return Ok(Self::FloodLog),
            "hang" => Wrong::Hang,
            "slow" => Wrong::Slow,
            "garbage" => Wrong::Garbage,
            "not-json" => Wrong::NotJson,
            "half-body" => Wrong::HalfBody,
            "huge-body" => Wrong::HugeBody,
            "close" => Wrong::Close,
            "exit" => Wrong::Exit,
            _ => return Err(UnknownFault(text.to_owned())),
        };
        Ok(Self::answering(wrong, when))
    }
}
