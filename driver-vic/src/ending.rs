//! How a task ended whose streams somebody holds.

use runtime_core::{Context, ExitCause, ExitStatus, Result};

use crate::{
    driver::VicDriver,
    id::ContainerKey,
    translate::status::{State, code_of_launch},
};

/// How the end is found.
pub(crate) enum Ending {
    /// That of a command.
    Task { key: ContainerKey, task: String },
    /// That of a container one is attached to.
    Container(ContainerKey),
}

impl Ending {
    /// How a command ended, if it has. A container is not looked at: its streams are there when it runs.
    pub(crate) async fn look(&self, driver: &VicDriver, cx: &Context) -> Result<Option<ExitStatus>> {
        match self {
            Self::Task { key, task } => driver.look_at_task(cx, key, task).await,
            Self::Container(_) => Ok(None),
        }
    }
}

impl VicDriver {
    /// How a command ended, if it has. A handle's copy says what was so when it was taken, so each look takes a fresh one.
    ///
    /// # Errors
    /// `NotFound` when its pod is gone.
    pub(crate) async fn look_at_task(
        &self,
        cx: &Context,
        key: &ContainerKey,
        task: &str,
    ) -> Result<Option<ExitStatus>> {
        let client = self.client();
        let handle = match client.open(cx, key.pod.as_str()).await {
            Ok(handle) => handle,
            Err(refusal) if refusal.is_not_found() => {
                // There, but it could not be looked at.
                self.require(cx, &key.pod).await?;
                return Ok(None);
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let found = match client.inspect_task(cx, &handle, task).await {
            Ok(found) => found,
            Err(refusal) => {
                // A task that can't be found in a VM that is off has gone with it.
                let vm = self.require(cx, &key.pod).await?;
                if !State::of(&vm).is_on() {
                    return Ok(Some(ExitStatus::new(ExitCause::StreamLost)));
                }
                return Err(refusal.into());
            }
        };
        let why = &found.process_config.error_msg;
        Ok(match found.state.as_str() {
            "stopped" => Some(ExitStatus::new(ExitCause::Exited(found.exit_code))),
            "failed" => Some(ExitStatus::new(ExitCause::Exited(code_of_launch(why)))),
            _ => None,
        })
    }
}
