//! `kill`: a signal to one life of a process, never to one that has its number now.

use std::ffi::OsString;

use rustix::{
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal, test_kill_process,
    },
};

use crate::{
    command::{Command, USAGE},
    procfs::Stat,
};

pub(crate) const COMMAND: Command =
    Command { name: "kill", arguments: "SIGNAL PID STARTTIME process|group", run };

const NO_SIGNAL: i32 = 0;

/// There is no such process (any more).
const GONE: u8 = 3;
/// It may not be signalled from here.
const DENIED: u8 = 4;
/// It is one of the signals without a name, from 32 on.
const NAMELESS: u8 = 5;
/// Anything else went wrong.
const FAILED: u8 = 1;

/// Sends the signal with this number to the process of this pid and start time (that of `/proc/PID/stat`), or to all of its
/// group if it leads one. A start time of 0 is any. The signal 0 only looks whether the process is there.
fn run(words: &[OsString]) -> u8 {
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let Some([signal, pid, start_time, whom]) = words.as_deref() else { return USAGE };
    let parsed = (signal.parse().ok(), pid.parse().ok().and_then(Pid::from_raw), start_time.parse().ok());
    let (Some(signal), Some(pid), Some(start_time)) = parsed else { return USAGE };
    let signal = match signal {
        NO_SIGNAL => None,
        number => match Signal::from_named_raw(number) {
            None => return NAMELESS,
            named => named,
        },
    };
    let with_group = match *whom {
        "process" => false,
        "group" => true,
        _ => return USAGE,
    };
    match send(signal, pid, start_time, with_group) {
        Ok(()) => 0,
        Err(Errno::SRCH) => GONE,
        Err(Errno::PERM) => DENIED,
        Err(error) => {
            eprintln!("toolbox: {error}");
            FAILED
        }
    }
}

fn send(signal: Option<Signal>, pid: Pid, start_time: u64, with_group: bool) -> Result<(), Errno> {
    // Taken before the start time is looked at: from then on the number can't become another's unseen.
    let process = pidfd_open(pid, PidfdFlags::empty());
    let stat = Stat::of(pid.as_raw_nonzero().get());
    if start_time != 0 && stat.as_ref().is_none_or(|stat| stat.start_time != start_time) {
        return Err(Errno::SRCH);
    }
    let Some(signal) = signal else { return if stat.is_some() { Ok(()) } else { Err(Errno::SRCH) } };
    if with_group && stat.is_some_and(|stat| stat.group == pid.as_raw_nonzero().get()) {
        return kill_process_group(pid, signal);
    }
    match process {
        Ok(process) => pidfd_send_signal(process, signal),
        // Kernels before 5.3.
        Err(Errno::NOSYS) => test_kill_process(pid).and_then(|()| rustix::process::kill_process(pid, signal)),
        Err(error) => Err(error),
    }
}
