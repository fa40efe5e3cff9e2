//! Handles of containers that are there: get one, look at its state, ask for another state or another name.

use serde_json::{Value, json};

use super::State;
use crate::fake_vic::call::{Call, missing};
use crate::fake_vic::handles::{Handle, Target};
use crate::fake_vic::port_layer::PortLayer;
use crate::fake_vic::reply::{Refusal, Reply};

impl PortLayer {
    /// A new handle. The state of the container is found out anew with it.
    pub(in crate::fake_vic) fn get(&self, call: &Call) -> Result<Reply, Refusal> {
        let id = call.first();
        let missing = || Refusal::new(404, format!("container {id} not found"));
        let machine = self.machines.find(id).ok_or_else(missing)?;
        machine.change(|live| {
            if matches!(live.state, State::Starting | State::Running) && live.powered_on {
                live.state = live.config.state(true);
            }
        });
        Ok(Reply::handle(&self.open_handle(Handle::of(&machine))?))
    }

    /// The state of the handle's copy.
    pub(in crate::fake_vic) fn get_state(&self, call: &Call) -> Result<Reply, Refusal> {
        let key = call.first();
        let panics = self.options.bugs.state_of_a_new_handle;
        self.with_handle(key, Refusal::Empty(404), |handle| {
            if handle.machine.is_none() && panics {
                return Err(Refusal::Panic);
            }
            let state = handle.config.state(handle.powered_on).name();
            Ok(Reply::Json(200, json!({"handle": key, "state": state})))
        })
    }

    pub(in crate::fake_vic) fn change_state(&self, call: &Call) -> Result<Reply, Refusal> {
        let wanted = call.raw_body().and_then(Value::as_str).filter(|state| !state.is_empty());
        // The handler would take CREATED, too, but never gets to see it.
        let target = match wanted.ok_or_else(|| missing("state", "body"))? {
            "RUNNING" => Target::Running,
            "STOPPED" => Target::Stopped,
            _ => return Err(Refusal::framework(606, "state in body should be one of [RUNNING STOPPED]")),
        };
        let key = call.first();
        self.with_handle(key, Refusal::Empty(404), |handle| {
            handle.target = Some(target);
            Ok(Reply::handle(key))
        })
    }

    pub(in crate::fake_vic) fn rename(&self, call: &Call) -> Result<Reply, Refusal> {
        let (key, name) = (call.first(), call.required_text("name")?);
        self.with_handle(key, Refusal::Empty(404), |handle| {
            if handle.config.name == name {
                let id = &handle.config.id;
                return Err(Refusal::new(500, format!("renaming a container with the same name: {id}")));
            }
            name.clone_into(&mut handle.config.name);
            handle.changed = true;
            Ok(Reply::handle(key))
        })
    }
}
