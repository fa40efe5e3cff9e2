//! The power of a VM: on, off, and what is asked of the guest before it is cut.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::MutexGuard;

use super::now;
use crate::engine::Phase;
use crate::fake_vic::containers::{Detail, Live, Machine, NO_EXIT_CODE, Run, RunPhase, State, Task};
use crate::fake_vic::fault::{ADDRESS, GUEST_SIGNAL, POWER_ON};
use crate::fake_vic::port_layer::PortLayer;
use crate::fake_vic::reply::Refusal;

impl PortLayer {
    /// Turns the power on, for the time that the answer counts; the guest launches what is bound. What an earlier run has
    /// written to its disks is not there any more.
    pub(in crate::fake_vic) async fn power_on(
        self: &Arc<Self>,
        machine: &Arc<Machine>,
        _turn: &MutexGuard<'_, ()>,
    ) -> Result<u32, Refusal> {
        if let Err(refusal) = self.meet(POWER_ON, Phase::Before).await {
            machine.change(|live| live.state = State::Stopped);
            return Err(refusal);
        }
        self.remove_containers(machine).await;
        let (boot, sessions) = machine.change(|live| {
            live.powered_on = true;
            live.boot += 1;
            live.version += 1;
            live.state = State::Starting;
            live.runs.clear();
            live.config.execs.clear();
            for task in &mut live.config.sessions {
                task.detail = Detail { exit_code: NO_EXIT_CODE, ..Detail::default() };
            }
            let active = |task: &&Task| task.active;
            let sessions: Vec<Task> = live.config.sessions.iter().filter(active).cloned().collect();
            for task in &sessions {
                live.runs.insert(task.id.clone(), Run::new(task.run_block));
            }
            (live.boot, sessions)
        });
        self.events.send("PoweredOn", &machine.id);
        for task in sessions {
            self.spawn(Arc::clone(self).run_session(Arc::clone(machine), boot, task));
        }
        self.spawn(Arc::clone(self).tell_address(Arc::clone(machine), boot));
        Ok(boot)
    }

    /// Turns the power off without asking anybody in the VM.
    pub(in crate::fake_vic) async fn cut_power(&self, machine: &Machine) {
        machine.change(|live| {
            if live.powered_on {
                live.turn_off();
            }
        });
        self.remove_containers(machine).await;
    }

    /// Asks the guest to signal its first task. An error says that there is none.
    pub(in crate::fake_vic) async fn signal_guest(
        &self,
        machine: &Machine,
        number: i32,
    ) -> Result<(), String> {
        if self.meet(GUEST_SIGNAL, Phase::Before).await.is_err() {
            return Ok(());
        }
        let running = {
            let live = machine.live();
            let run = live.runs.get(&machine.id).filter(|run| run.phase == RunPhase::Running);
            run.map(|run| run.container.clone())
        };
        let container = running.ok_or_else(|| format!("no process of {} runs", machine.id))?;
        self.engine.signal_container(&container, number).await.map_err(|error| error.to_string())
    }

    /// The VM is off by its own doing: the server takes its addresses back and writes that down.
    pub(in crate::fake_vic) fn guest_is_off(&self, machine: &Machine) {
        machine.change(|live| {
            self.scopes.unbind(&mut live.config);
            live.stopped();
        });
        self.events.send("PoweredOff", &machine.id);
    }

    /// With the last of its tasks a VM turns itself off. Whoever is stopping it does the rest.
    pub(super) fn idle(&self, machine: &Machine, boot: u32, last: Option<bool>) {
        if last != Some(true) {
            return;
        }
        let is_stopping = machine.change(|live| {
            if !live.is_boot(boot) {
                return true;
            }
            live.turn_off();
            let is_stopping = live.state == State::Stopping;
            if !is_stopping {
                self.scopes.unbind(&mut live.config);
                live.stopped();
            }
            is_stopping
        });
        if !is_stopping {
            self.events.send("PoweredOff", &machine.id);
        }
    }

    /// The guest has its address some time after it was powered on, and tells.
    async fn tell_address(self: Arc<Self>, machine: Arc<Machine>, boot: u32) {
        // Whatever the fault says, it only takes its time.
        let _ = self.meet(ADDRESS, Phase::Before).await;
        machine.change(|live| {
            if live.is_boot(boot) {
                live.version += 1;
                for network in &mut live.config.networks {
                    network.assigned = network.bound;
                }
            }
        });
    }

    async fn remove_containers(&self, machine: &Machine) {
        let all = self.engine.containers_of(&machine.pod);
        let removals = all.iter().map(|container| self.engine.remove_container(container, true));
        for removed in join_all(removals).await {
            if let Err(error) = removed {
                tracing::warn!(%error, "a task was left behind");
            }
        }
    }
}

impl Live {
    fn turn_off(&mut self) {
        self.powered_on = false;
        self.boot += 1;
        self.version += 1;
    }

    /// It is stopped, whoever has done it.
    pub(in crate::fake_vic) fn stopped(&mut self) {
        self.state = State::Stopped;
        self.version += 1;
        for task in &mut self.config.sessions {
            if task.detail.start_time != 0 && task.detail.stop_time == 0 {
                task.detail.stop_time = now();
            }
        }
    }
}
