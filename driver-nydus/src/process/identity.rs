//! Which process is meant: a number alone is soon another's.

use std::{fs, io, os::fd::OwnedFd};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};
use tokio::io::{Interest, unix::AsyncFd};

/// A process of this host for all time: no other has the same number and start in the same run of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    /// When it started, in clock ticks since the boot.
    started: u64,
    /// The run of the kernel.
    boot: String,
}

/// A process that is held, so that its number can't come to mean another.
#[derive(Debug)]
pub(crate) struct Held {
    pid: u32,
    descriptor: AsyncFd<OwnedFd>,
}

/// What `/proc/PID/stat` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// On processors, in clock ticks.
    pub(crate) cpu_ticks: u64,
    started: u64,
    /// Memory of its own, in pages.
    pub(crate) resident_pages: u64,
}

impl Identity {
    /// Of the process that has this number now. A process that is held or not yet reaped is meant: another may be taken for
    /// it otherwise.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, started: Stat::of(pid)?.started, boot: boot()? })
    }

    /// Of this process.
    pub(crate) fn own() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&self) -> io::Result<bool> {
        Ok(self.stat()?.is_some())
    }

    /// What is known of it; `None` once it has ended, if perhaps nobody has reaped it yet.
    pub(crate) fn stat(&self) -> io::Result<Option<Stat>> {
        let stat = match Stat::of(self.pid) {
            Ok(stat) => stat,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_it = stat.started == self.started && !stat.has_ended() && boot()? == self.boot;
        Ok(is_it.then_some(stat))
    }

    /// Holds it; `None` once it has ended. To be called within a runtime.
    pub(crate) fn hold(&self) -> io::Result<Option<Held>> {
        let Some(held) = Held::of(self.pid)? else { return Ok(None) };
        Ok(self.is_alive()?.then_some(held))
    }
}

impl Held {
    /// Whoever has this number now; `None` if nobody has. To be called within a runtime.
    pub(crate) fn of(pid: u32) -> io::Result<Option<Self>> {
        let Some(number) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let descriptor = match pidfd_open(number, PidfdFlags::NONBLOCK) {
            Ok(descriptor) => descriptor,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        #[allow(
            deprecated,
            reason = "its successor is unsafe for descriptors that change, which an owned one doesn't"
        )]
        let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
        Ok(Some(Self { pid, descriptor }))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has ended, if perhaps nobody has reaped it yet.
    #[cfg(test)]
    pub(crate) fn has_ended(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut ended = [PollFd::new(self.descriptor.get_ref(), PollFlags::IN)];
        poll(&mut ended, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) -> io::Result<()> {
        self.descriptor.readable().await.map(drop)
    }

    /// Sends a signal; to one that has ended is fine.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(self.descriptor.get_ref(), signal) {
            Err(error) if error != Errno::SRCH => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Stat {
    fn of(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc has no such form"))
    }

    /// The name, which is second, may hold anything.
    fn parse(text: &[u8]) -> Option<Self> {
        let after_name = text.iter().rposition(|byte| *byte == b')')? + 1;
        let fields: Vec<&str> =
            std::str::from_utf8(&text[after_name..]).ok()?.split_ascii_whitespace().collect();
        // The first one here is the third of the manual.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            state: fields.first()?.chars().next()?,
            minor_faults: number(10)?,
            major_faults: number(12)?,
            cpu_ticks: number(14)?.checked_add(number(15)?)?,
            started: number(22)?,
            resident_pages: number(24)?,
        })
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_described_whatever_its_name() {
        let text = b"42 (a) b (c) S 7 42 42 0 -1 4194560 11 12 13 14 15 16 17 18 20 0 1 0 12345 99 88 1";
        let expected = Stat {
            state: 'S',
            minor_faults: 11,
            major_faults: 13,
            cpu_ticks: 15 + 16,
            started: 12345,
            resident_pages: 88,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        for garbage in [&b"42 (a"[..], b"", b"42 (a) S 1", b"42 (a) \xff"] {
            assert_eq!(Stat::parse(garbage), None);
        }
    }

    #[tokio::test]
    async fn a_process_is_itself_until_it_ends_reaped_or_not() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        let held = identity.hold().unwrap().unwrap();
        assert!(identity.is_alive().unwrap() && !held.has_ended());
        let earlier = Identity { started: identity.started - 1, ..identity.clone() };
        let before_the_boot = Identity { boot: "another".into(), ..identity.clone() };
        for other in [earlier, before_the_boot] {
            assert!(!other.is_alive().unwrap());
            assert!(other.hold().unwrap().is_none(), "a number that was used again");
        }
        held.signal(Signal::KILL).unwrap();
        held.ended().await.unwrap();
        assert!(held.has_ended() && !identity.is_alive().unwrap(), "not reaped yet");
        child.wait().unwrap();
        assert!(identity.hold().unwrap().is_none());
        held.signal(Signal::KILL).unwrap();
    }
}
