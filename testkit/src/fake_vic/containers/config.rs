//! What a container VM is configured to be. It is stored with the VM; a handle has a copy of it.

use std::collections::BTreeMap;

use super::State;

/// The configuration of a container VM, with what the guest has written into it.
#[derive(Clone, Default)]
pub(in crate::fake_vic) struct Config {
    /// 64 hexadecimal digits.
    pub(in crate::fake_vic) id: String,
    pub(in crate::fake_vic) name: String,
    pub(in crate::fake_vic) hostname: String,
    pub(in crate::fake_vic) cpus: i64,
    pub(in crate::fake_vic) memory_mib: i64,
    pub(in crate::fake_vic) annotations: BTreeMap<String, String>,
    /// Nanoseconds since 1970.
    pub(in crate::fake_vic) create_time: i64,
    /// What runs as long as the VM does, in the order in which it was joined.
    pub(in crate::fake_vic) sessions: Vec<Task>,
    /// Commands that joined while the VM was on.
    pub(in crate::fake_vic) execs: Vec<Task>,
    pub(in crate::fake_vic) images: Vec<JoinedImage>,
    pub(in crate::fake_vic) networks: Vec<Membership>,
    pub(in crate::fake_vic) interaction: Device,
    pub(in crate::fake_vic) logging: Device,
}

/// A process: of the VM's own, or a command in it.
#[derive(Clone, Default)]
pub(in crate::fake_vic) struct Task {
    pub(in crate::fake_vic) id: String,
    /// The layer whose files it sees.
    pub(in crate::fake_vic) namespace: String,
    pub(in crate::fake_vic) argv: Vec<String>,
    pub(in crate::fake_vic) cwd: String,
    /// `NAME=value` each.
    pub(in crate::fake_vic) env: Vec<String>,
    /// `user` or `user:group`.
    pub(in crate::fake_vic) user: String,
    pub(in crate::fake_vic) attach: bool,
    pub(in crate::fake_vic) open_stdin: bool,
    pub(in crate::fake_vic) tty: bool,
    pub(in crate::fake_vic) stop_signal: String,
    /// It is bound: the guest launches it.
    pub(in crate::fake_vic) active: bool,
    /// The guest launches it only when somebody has attached.
    pub(in crate::fake_vic) run_block: bool,
    pub(in crate::fake_vic) detail: Detail,
}

/// What the guest tells of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::fake_vic) struct Detail {
    /// Empty before it was launched, `true` after; otherwise why it could not be.
    pub(in crate::fake_vic) started: String,
    pub(in crate::fake_vic) exit_code: i32,
    /// Seconds since 1970; 0 for never.
    pub(in crate::fake_vic) start_time: i64,
    /// Seconds since 1970; 0 for never.
    pub(in crate::fake_vic) stop_time: i64,
}

/// What the guest writes of a task that runs.
pub(in crate::fake_vic) const LAUNCHED: &str = "true";
/// What stands for the exit code before there is one, and when a signal has ended the task or the power was cut.
pub(in crate::fake_vic) const NO_EXIT_CODE: i32 = -1;

/// An image whose files the VM has, with a disk for what is written over them.
#[derive(Debug, Clone, Default)]
pub(in crate::fake_vic) struct JoinedImage {
    pub(in crate::fake_vic) delta: String,
    pub(in crate::fake_vic) layer: String,
    pub(in crate::fake_vic) image: String,
    pub(in crate::fake_vic) repo: String,
    /// The engine's image with these files; `None` for one that was written layer by layer.
    pub(in crate::fake_vic) files: Option<String>,
}

/// The VM is connected to a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::fake_vic) struct Membership {
    /// The scope's real name.
    pub(in crate::fake_vic) scope: String,
    pub(in crate::fake_vic) aliases: Vec<String>,
    /// `hostPort:port/protocol` each.
    pub(in crate::fake_vic) ports: Vec<String>,
    /// The address that was asked for; empty for any.
    pub(in crate::fake_vic) wanted: String,
    /// What it is bound to.
    pub(in crate::fake_vic) bound: Option<Address>,
    /// The address that the guest says it has.
    pub(in crate::fake_vic) assigned: Option<Address>,
}

/// An address of a scope's, with what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fake_vic) struct Address {
    pub(in crate::fake_vic) ip: std::net::Ipv4Addr,
    pub(in crate::fake_vic) gateway: std::net::Ipv4Addr,
    pub(in crate::fake_vic) prefix_length: u8,
}

/// A serial port of the VM.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::fake_vic) enum Device {
    /// There is none.
    #[default]
    None,
    /// It is there, and nobody is connected.
    Joined,
    /// It is there and connected.
    Bound,
}

impl Config {
    /// The one task that the port layer tells of: it has the VM's id.
    pub(in crate::fake_vic) fn primary(&self) -> Option<&Task> {
        self.sessions.iter().find(|session| session.id == self.id)
    }

    pub(in crate::fake_vic) fn task(&self, id: &str) -> Option<&Task> {
        self.sessions.iter().chain(&self.execs).find(|task| task.id == id)
    }

    pub(in crate::fake_vic) fn task_mut(&mut self, id: &str) -> Option<&mut Task> {
        self.sessions.iter_mut().chain(&mut self.execs).find(|task| task.id == id)
    }

    /// The state that follows from what the guest has written.
    pub(in crate::fake_vic) fn state(&self, powered_on: bool) -> State {
        let launched = |task: &Task| task.detail.started == LAUNCHED;
        let has_run = |task: &Task| task.detail.start_time != 0 || task.detail.stop_time != 0;
        match powered_on {
            true if self.sessions.iter().all(launched) => State::Running,
            true => State::Starting,
            false if self.sessions.iter().any(has_run) => State::Stopped,
            false => State::Created,
        }
    }

    /// Takes over what the guest has written elsewhere meanwhile.
    pub(in crate::fake_vic) fn take_details(&mut self, from: &Self) {
        for task in self.sessions.iter_mut().chain(&mut self.execs) {
            if let Some(other) = from.task(&task.id) {
                task.detail.clone_from(&other.detail);
            }
        }
    }
}

impl Detail {
    /// What tasks are inspected for.
    pub(in crate::fake_vic) fn state(&self) -> &'static str {
        match self.started.as_str() {
            "" => "created",
            LAUNCHED if self.stop_time == 0 => "running",
            LAUNCHED => "stopped",
            _ => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, started: &str, stop_time: i64) -> Task {
        let start_time = i64::from(started == LAUNCHED);
        let detail = Detail { started: started.into(), stop_time, start_time, ..Detail::default() };
        Task { id: id.into(), detail, ..Task::default() }
    }

    #[test]
    fn every_session_has_to_be_launched() {
        let mut config = Config { sessions: vec![task("a", "", 0), task("b", "", 0)], ..Config::default() };
        assert_eq!(config.state(false), State::Created);
        assert_eq!(config.state(true), State::Starting);
        config.sessions[0] = task("a", LAUNCHED, 0);
        assert_eq!(config.state(true), State::Starting);
        config.sessions[1] = task("b", LAUNCHED, 0);
        assert_eq!(config.state(true), State::Running);
        assert_eq!(config.state(false), State::Stopped);
    }

    #[test]
    fn tasks_have_states_of_their_own() {
        for (started, stop_time, state) in [
            ("", 0, "created"),
            (LAUNCHED, 0, "running"),
            (LAUNCHED, 5, "stopped"),
            ("no such file or directory", 5, "failed"),
        ] {
            assert_eq!(task("a", started, stop_time).detail.state(), state);
        }
    }
}
