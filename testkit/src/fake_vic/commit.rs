//! `PUT /containers/{handle}`: what a handle says becomes so, unless somebody was faster.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runtime_core::helpers::signal::Signal;
use tokio::time::timeout;

use super::call::Call;
use super::containers::{Config, LAUNCHED, Live, Machine, State};
use super::fault::{CONFLICT, POWER_OFF};
use super::handles::{Handle, Target};
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply};
use crate::engine::{EngineError, Isolation, Phase, PodLaunch, PodNetwork, PodSpace};

impl PortLayer {
    /// Success closes the handle. After a failure it is as good as before.
    pub(super) async fn commit(self: &Arc<Self>, call: &Call) -> Result<Reply, Refusal> {
        let wait = call.int32("wait_time")?.and_then(|seconds| u64::try_from(seconds).ok());
        let wait = wait.filter(|seconds| *seconds > 0).map_or(self.options.stop_wait, Duration::from_secs);
        let key = call.first();
        let handle = self.with_handle(key, Refusal::no_container(), |handle| Ok(handle.clone()))?;
        self.carry_out(handle, wait).await?;
        self.handles.close(key);
        Ok(Reply::Empty(200))
    }

    async fn carry_out(self: &Arc<Self>, mut handle: Handle, wait: Duration) -> Result<(), Refusal> {
        let machine = match handle.machine.take() {
            Some(machine) => {
                self.stop_first(&machine, &mut handle, wait).await?;
                self.reconfigure(&machine, &handle)?;
                machine
            }
            None => self.make(&handle.config).await?,
        };
        self.launch_commands(&machine);
        if handle.target == Some(Target::Running) { self.start(&machine).await } else { Ok(()) }
    }

    /// Makes the VM. It is off.
    async fn make(&self, config: &Config) -> Result<Arc<Machine>, Refusal> {
        let mut disks = BTreeSet::new();
        if let Some(image) = config.images.iter().find(|image| !disks.insert(&image.delta)) {
            let why = format!("File [datastore1] {}/{}.vmdk already exists", config.id, image.delta);
            return Err(Refusal::new(
                503,
                format!("Cannot complete the operation because the file or folder already exists: {why}"),
            ));
        }
        let walls = self.engine.isolation() == Isolation::Chroot;
        let network = self.engine.has_networks().then(PodNetwork::default);
        let launch = PodLaunch {
            name: config.id.clone(),
            uid: config.id.clone(),
            space: PodSpace { network, ipc: walls, ..PodSpace::default() },
            ..PodLaunch::default()
        };
        let pod = self.engine.create_pod(launch).await.map_err(|error| match error {
            EngineError::NameTaken { .. } => already_there(),
            error => Refusal::new(503, error.to_string()),
        })?;
        let machine = Machine::new(config.clone(), self.new_reference(), pod.id, self.news.clone());
        let machine = Arc::new(machine);
        if !self.machines.insert(&machine) {
            return Err(already_there());
        }
        self.events.send("Created", &machine.id);
        Ok(machine)
    }

    /// A VM is stopped before it is changed; who stopped it has seen all that happened meanwhile.
    async fn stop_first(
        &self,
        machine: &Arc<Machine>,
        handle: &mut Handle,
        wait: Duration,
    ) -> Result<(), Refusal> {
        if handle.target != Some(Target::Stopped) || !machine.live().powered_on {
            return Ok(());
        }
        let _turn = machine.turn.lock().await;
        if !machine.live().powered_on {
            return Ok(());
        }
        let before = machine.change(|live| std::mem::replace(&mut live.state, State::Stopping));
        if let Err(refusal) = self.shut_down(machine, wait).await {
            machine.change(|live| live.state = before);
            return Err(refusal);
        }
        machine.change(|live| {
            live.stopped();
            handle.version = live.version;
            handle.config.take_details(&live.config);
        });
        self.events.send("Stopped", &machine.id);
        Ok(())
    }

    /// Asks the first task to end, kills it, cuts the power; the tasks that have not been asked have as long.
    async fn shut_down(&self, machine: &Arc<Machine>, wait: Duration) -> Result<(), Refusal> {
        let asked = stop_signal(&machine.live().config);
        for signal in [asked, Signal::KILL] {
            if self.signal_guest(machine, signal.number()).await.is_err() {
                break;
            }
            let off = machine.until(|live| (!live.powered_on).then_some(()));
            if timeout(wait, off).await.is_ok() {
                return Ok(());
            }
        }
        self.meet(POWER_OFF, Phase::Before).await?;
        self.cut_power(machine).await;
        Ok(())
    }

    /// Puts the handle's copy in the place of the configuration that it was made of.
    fn reconfigure(&self, machine: &Arc<Machine>, handle: &Handle) -> Result<(), Refusal> {
        machine.change(|live| {
            if live.removed {
                let reference = &machine.reference;
                return Err(Refusal::new(
                    503,
                    format!(
                        "The object '{reference}' has already been deleted or has not been completely created"
                    ),
                ));
            }
            if !handle.changed && handle.target.is_none() {
                return Ok(());
            }
            if live.version != handle.version {
                return Err(Refusal::new(409, CONFLICT));
            }
            live.version += 1;
            live.config = handle.config.clone();
            if handle.target == Some(Target::Stopped) && live.state == State::Created {
                note_stop(live);
            }
            Ok(())
        })?;
        if handle.changed {
            self.events.send("Reconfigured", &machine.id);
        }
        Ok(())
    }

    /// Powers it on, and waits for what becomes of its first task.
    async fn start(self: &Arc<Self>, machine: &Arc<Machine>) -> Result<(), Refusal> {
        let boot = {
            let turn = machine.turn.lock().await;
            if machine.live().powered_on {
                return Ok(());
            }
            self.power_on(machine, &turn).await?
        };
        let told = machine.until(|live| {
            let started = live.config.primary().map_or("", |task| &task.detail.started);
            match started {
                "" if live.boot == boot => None,
                "" => Some(Err("the VM was powered off before its task was launched".to_owned())),
                LAUNCHED => Some(Ok(())),
                why => Some(Err(why.to_owned())),
            }
        });
        match timeout(self.options.launch_wait, told).await {
            Ok(Some(Ok(()))) => Ok(()),
            Ok(Some(Err(why))) => Err(Refusal::new(503, why)),
            Ok(None) | Err(_) => {
                let why = "unable to wait for process launch status: context deadline exceeded";
                Err(Refusal::new(503, why))
            }
        }
    }
}

fn already_there() -> Refusal {
    Refusal::new(503, "a container already exists in the cache with this ID")
}

/// What never ran counts as stopped from now on, for those who look at handles.
fn note_stop(live: &mut Live) {
    let now = jiff::Timestamp::now().as_second();
    for task in &mut live.config.sessions {
        task.detail.stop_time = now;
    }
}

/// What the first task is asked to end by.
fn stop_signal(config: &Config) -> Signal {
    let given = config.primary().map_or("", |task| task.stop_signal.as_str());
    given.parse().unwrap_or(Signal::TERM)
}
