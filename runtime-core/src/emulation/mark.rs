//! What the wrapper says.

use super::failure::Failure;

/// The longest text of a mark between nonce and end.
pub(super) const MAX_MARK_BYTES: usize = 96;

/// Something that the wrapper says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mark {
    /// It has read a line.
    Read,
    /// All is applied, and what follows is the command's own.
    Ready(RemoteProcess),
    /// There will be no command.
    Failed(Failure),
}

/// One life of a process in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteProcess {
    /// Its number in the container.
    pub pid: u32,
    /// When it started, as `/proc/PID/stat` has it; 0 where that can't be read.
    pub start_time: u64,
}

impl Mark {
    /// From the text behind the nonce; `None` for what the wrapper never says.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut words = text.split(':');
        let mark = match (words.next()?, words.next(), words.next()) {
            ("+", None, None) => Self::Read,
            ("ready", Some(pid), Some(start_time)) => {
                let pid = pid.parse().ok().filter(|pid| *pid > 0)?;
                Self::Ready(RemoteProcess { pid, start_time: start_time.parse().ok()? })
            }
            ("fail", Some(code), Some(errno)) => Self::Failed(Failure::new(code, errno.parse().ok()?)),
            _ => return None,
        };
        words.next().is_none().then_some(mark)
    }
}
