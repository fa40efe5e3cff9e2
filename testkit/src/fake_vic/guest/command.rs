//! Commands that join a VM that runs.

use std::sync::Arc;

use super::process::place;
use super::{exit_code, words};
use crate::engine::Phase;
use crate::fake_vic::containers::{Machine, Run, RunPhase, Task};
use crate::fake_vic::fault::LAUNCH;
use crate::fake_vic::interaction::Streams;
use crate::fake_vic::port_layer::PortLayer;

impl PortLayer {
    /// Launches the commands that were bound since the last time.
    pub(in crate::fake_vic) fn launch_commands(self: &Arc<Self>, machine: &Arc<Machine>) {
        let (boot, commands) = machine.change(|live| {
            if !live.powered_on {
                return (live.boot, Vec::new());
            }
            let is_new = |task: &&Task| task.active && !live.runs.contains_key(&task.id);
            let new: Vec<Task> = live.config.execs.iter().filter(is_new).cloned().collect();
            for task in &new {
                live.runs.insert(task.id.clone(), Run::new(task.run_block));
            }
            (live.boot, new)
        });
        for command in commands {
            self.spawn(Arc::clone(self).run_command(Arc::clone(machine), boot, command));
        }
    }

    async fn run_command(self: Arc<Self>, machine: Arc<Machine>, boot: u32, task: Task) {
        if !machine.unblocked(boot, &task.id).await {
            return;
        }
        let (container, streams) = match self.launch_command(&machine, &task).await {
            Ok(launched) => launched,
            Err(why) => {
                machine.ended(boot, &task.id, |detail| detail.started = why);
                return;
            }
        };
        let run = Run { phase: RunPhase::Running, container, streams: Some(Arc::clone(&streams)) };
        // Too late, it is killed by being dropped.
        if machine.launched(boot, &task.id, run) {
            let outcome = streams.process.wait().await;
            machine.ended(boot, &task.id, |detail| detail.exit_code = exit_code(outcome));
        }
    }

    async fn launch_command(&self, machine: &Machine, task: &Task) -> Result<(String, Arc<Streams>), String> {
        self.engine.faults().meet(LAUNCH, Phase::Before).await.map_err(words)?;
        let container = {
            let live = machine.live();
            let running = |run: &&Run| run.phase == RunPhase::Running;
            let place = place(&live.config, task).and_then(|id| live.runs.get(&id).filter(running).cloned());
            place.map(|run| run.container).ok_or_else(|| "no such container".to_owned())?
        };
        let process = self.engine.exec_stream(&container, self.command_launch(task)).await.map_err(words)?;
        Ok((container, Arc::new(Streams::new(process, task.attach))))
    }
}
