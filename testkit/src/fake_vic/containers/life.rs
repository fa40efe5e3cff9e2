//! What is done to containers without a handle: remove, signal, wait for the end.

use std::sync::Arc;
use std::time::Duration;

use super::{Machine, State};
use crate::engine::Phase;
use crate::fake_vic::call::Call;
use crate::fake_vic::fault::POWER_OFF;
use crate::fake_vic::port_layer::PortLayer;
use crate::fake_vic::reply::{Refusal, Reply};

/// How long a wait lasts that doesn't say how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(180);
/// How long a guest has that was asked to kill its task before the power is cut.
const KILL_WAIT: Duration = Duration::from_secs(10);
const SIGKILL: i64 = 9;

impl PortLayer {
    /// Removes a container that doesn't run. `force` and `v` are described and ignored. Its addresses stay taken.
    pub(in crate::fake_vic) async fn remove(&self, call: &Call) -> Result<Reply, Refusal> {
        let id = call.first();
        let machine = self.machines.find(id).ok_or(Refusal::Empty(404))?;
        if machine.live().state == State::Running {
            return Err(Refusal::new(409, format!("Container {} is powered on", machine.id)));
        }
        // What is starting or stopping passes the look at its state, and vSphere, which does one thing at a time, refuses.
        let _turn = machine.turn.try_lock().map_err(|_| Refusal::Empty(500))?;
        let refused = machine.change(|live| {
            if live.removed {
                return Some(Refusal::Empty(404));
            }
            if live.powered_on {
                let running = format!("Container {} is powered on", machine.id);
                let is_running = live.state == State::Running;
                return Some(if is_running { Refusal::new(409, running) } else { Refusal::Empty(500) });
            }
            live.state = State::Removing;
            None
        });
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        self.forget(&machine).await;
        self.events.send("Removed", &machine.id);
        Ok(Reply::Empty(200))
    }

    pub(in crate::fake_vic) async fn signal(self: &Arc<Self>, call: &Call) -> Result<Reply, Refusal> {
        let signal = Call::required(call.int64("signal")?, "signal")?;
        let machine = self.known(call.first())?;
        if !machine.live().powered_on {
            if signal == SIGKILL {
                return Ok(Reply::Empty(200));
            }
            let why = format!(
                "The attempted operation cannot be performed in the current state (Powered off): {}",
                machine.id
            );
            return Err(Refusal::new(500, why));
        }
        let number = i32::try_from(signal).map_err(|_| Refusal::new(500, "no such signal"))?;
        let sent = self.signal_guest(&machine, number).await;
        if signal != SIGKILL {
            return sent.map(|()| Reply::Empty(200)).map_err(|why| Refusal::new(500, why));
        }
        let off = machine.until(|live| (!live.powered_on).then_some(()));
        if sent.is_err() || tokio::time::timeout(KILL_WAIT, off).await.is_err() {
            let _turn = machine.turn.lock().await;
            self.meet(POWER_OFF, Phase::Before).await?;
            self.cut_power(&machine).await;
            self.guest_is_off(&machine);
        }
        Ok(Reply::Empty(200))
    }

    pub(in crate::fake_vic) async fn wait(&self, call: &Call) -> Result<Reply, Refusal> {
        let seconds = Call::required(call.int64("timeout")?, "timeout")?;
        let patience = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        let patience = patience.map_or(DEFAULT_WAIT, Duration::from_secs);
        let machine = self.known(call.first())?;
        let stopped = machine.until(|live| (live.removed || live.state == State::Stopped).then_some(()));
        if tokio::time::timeout(patience, stopped).await.is_err() {
            return Err(Refusal::new(500, format!("wait for {}: context deadline exceeded", machine.id)));
        }
        Ok(Reply::Json(200, self.describe(&machine)?))
    }

    fn known(&self, id: &str) -> Result<Arc<Machine>, Refusal> {
        let missing = || Refusal::new(404, format!("container {id} not found"));
        self.machines.find(id).ok_or_else(missing)
    }
}
