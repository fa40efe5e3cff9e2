//! A task that the VM runs by itself.

use std::sync::Arc;

use super::{exit_code, words};
use crate::engine::Phase;
use crate::fake_vic::containers::{Machine, Run, RunPhase, Task};
use crate::fake_vic::fault::LAUNCH;
use crate::fake_vic::port_layer::PortLayer;

impl PortLayer {
    /// Launches a task and stays with it to its end.
    pub(super) async fn run_session(self: Arc<Self>, machine: Arc<Machine>, boot: u32, task: Task) {
        let is_first = task.id == machine.id;
        if !machine.unblocked(boot, &task.id).await {
            return;
        }
        let container = match self.launch(&machine, boot, &task).await {
            Ok(container) => container,
            Err(why) => {
                let last = machine.ended(boot, &task.id, |detail| detail.started = why);
                if is_first && last.is_some() {
                    self.events.send("Failed", &machine.id);
                }
                return self.idle(&machine, boot, last);
            }
        };
        let run = Run { phase: RunPhase::Running, container: container.clone(), streams: None };
        if !machine.launched(boot, &task.id, run) {
            self.discard(&container).await;
            return;
        }
        if is_first {
            self.events.send("Started", &machine.id);
        }
        // Gone is ended as well.
        if let Ok(exit) = self.engine.wait_container(&container).await {
            let last = machine.ended(boot, &task.id, |detail| detail.exit_code = exit_code(exit.outcome));
            self.idle(&machine, boot, last);
        }
    }

    async fn launch(&self, machine: &Machine, boot: u32, task: &Task) -> Result<String, String> {
        self.engine.faults().meet(LAUNCH, Phase::Before).await.map_err(words)?;
        let launch = self.session_launch(&machine.live().config, task, boot)?;
        let container = self.engine.create_container(&machine.pod, launch).await.map_err(words)?;
        let started = self.engine.start_container(&container.id).await;
        started.map(|container| container.id).map_err(words)
    }

    /// What was launched too late.
    async fn discard(&self, container: &str) {
        if let Err(error) = self.engine.remove_container(container, true).await {
            tracing::warn!(%error, "a task was left behind");
        }
    }
}
