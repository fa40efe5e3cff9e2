//! What goes on in a VM: tasks are launched, end and are signalled, and with the last of them the power goes off. Whatever the
//! guest tells is written into the VM's configuration, and so counts up its version.

mod command;
mod power;
mod process;
mod session;

use jiff::Timestamp;

use super::containers::{Detail, LAUNCHED, Live, Machine, NO_EXIT_CODE, Run, RunPhase, State};
use crate::engine::{EngineError, Outcome};

/// Seconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_second()
}

/// The words of a guest for what could not be launched: those of the operating system, without more.
fn words(error: EngineError) -> String {
    match error {
        EngineError::NoSuchCommand { .. } => "no such file or directory".to_owned(),
        EngineError::NotExecutable { reason, .. } => reason,
        EngineError::Injected { message, .. } => message,
        other => other.to_string(),
    }
}

/// A signal leaves no exit code.
fn exit_code(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Code(code) => code,
        Outcome::Signal(_) => NO_EXIT_CODE,
    }
}

impl Machine {
    /// The guest has launched a task; `false` if its time is over.
    fn launched(&self, boot: u32, id: &str, run: Run) -> bool {
        self.change(|live| {
            if !live.is_boot(boot) {
                return false;
            }
            live.version += 1;
            if let Some(task) = live.config.task_mut(id) {
                // The next time it is not held back any more.
                task.run_block = false;
                task.detail.started = LAUNCHED.to_owned();
                task.detail.start_time = now();
            }
            live.runs.insert(id.to_owned(), run);
            // A commit waits for the first task only.
            let counts = id == live.config.id || live.config.state(true) == State::Running;
            if live.state == State::Starting && counts {
                live.state = State::Running;
            }
            true
        })
    }

    /// A task has ended, or could not be launched. `None` if its time is over; otherwise whether it was the last that the VM
    /// ran by itself.
    fn ended(&self, boot: u32, id: &str, tell: impl FnOnce(&mut Detail)) -> Option<bool> {
        self.change(|live| {
            if !live.is_boot(boot) {
                return None;
            }
            live.version += 1;
            if let Some(task) = live.config.task_mut(id) {
                tell(&mut task.detail);
                task.detail.stop_time = now();
            }
            if let Some(run) = live.runs.get_mut(id) {
                run.phase = RunPhase::Ended;
            }
            Some(live.is_idle())
        })
    }

    /// Waits until somebody has attached to a task that is held back; `false` if its time is over.
    async fn unblocked(&self, boot: u32, id: &str) -> bool {
        let decided = self.until(|live| {
            let blocked = live.runs.get(id).is_some_and(|run| run.phase == RunPhase::Blocked);
            let is_now = live.is_boot(boot);
            (!is_now || !blocked).then_some(is_now)
        });
        decided.await.unwrap_or(false)
    }
}

impl Live {
    /// Whether every task that was to be launched has ended.
    fn is_idle(&self) -> bool {
        let mut active = self.config.sessions.iter().filter(|task| task.active);
        active.all(|task| self.runs.get(&task.id).is_some_and(|run| run.phase == RunPhase::Ended))
    }
}
