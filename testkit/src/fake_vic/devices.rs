//! The serial ports of a VM, for interaction and for the log: joined while it is configured, bound to be used.

use serde::Deserialize;
use serde_json::Value;

use super::call::{self, Call};
use super::containers::{Config, Device};
use super::handles::Handle;
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply};
use super::tasks::Named;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Bare {
    handle: Value,
}

/// Which of the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Interaction,
    Logging,
}

impl Port {
    fn of(self, config: &mut Config) -> &mut Device {
        match self {
            Self::Interaction => &mut config.interaction,
            Self::Logging => &mut config.logging,
        }
    }
}

impl PortLayer {
    pub(super) fn join(&self, call: &Call, port: Port) -> Result<Reply, Refusal> {
        let key = bare(call)?;
        self.with_handle(&key, Refusal::bad_handle(), |handle| {
            let device = port.of(&mut handle.config);
            if *device == Device::None {
                *device = Device::Joined;
                handle.changed = true;
            }
            Ok(Reply::handle_object(&key))
        })
    }

    pub(super) fn bind_logging(&self, call: &Call, to: Device) -> Result<Reply, Refusal> {
        let key = bare(call)?;
        self.with_handle(&key, Refusal::bad_handle(), |handle| {
            self.set_device(handle, Port::Logging, to)?;
            Ok(Reply::handle_object(&key))
        })
    }

    /// Bound before it is launched, a task waits for somebody to attach.
    pub(super) fn bind_interaction(&self, call: &Call, to: Device) -> Result<Reply, Refusal> {
        let (key, id) = Named::read(call)?;
        self.with_handle(&key, Refusal::bad_handle(), |handle| {
            if handle.config.task(&id).is_none() {
                return Err(Refusal::new(500, format!("Cannot find task {id}")));
            }
            self.set_device(handle, Port::Interaction, to)?;
            let waits = to == Device::Bound;
            if let Some(task) = handle.config.task_mut(&id).filter(|task| task.detail.started.is_empty()) {
                task.run_block = waits;
            }
            Ok(Reply::handle_object(&key))
        })
    }

    fn set_device(&self, handle: &mut Handle, port: Port, to: Device) -> Result<(), Refusal> {
        if handle.machine.is_none() && self.options.bugs.bind_on_a_new_handle {
            return Err(Refusal::Panic);
        }
        let device = port.of(&mut handle.config);
        if *device == Device::None {
            return Err(Refusal::new(500, "unable to find the serial port"));
        }
        *device = to;
        handle.changed = true;
        Ok(())
    }
}

fn bare(call: &Call) -> Result<String, Refusal> {
    let bare: Bare = call.body("config")?;
    call::handle(&bare.handle).map(str::to_owned)
}
