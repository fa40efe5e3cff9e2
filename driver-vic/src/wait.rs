//! Waiting for the end of a container.

use std::time::Duration;

use runtime_core::{Context, ExitCause, ExitStatus, Result};
use tokio::time::Instant;

use crate::{driver::VicDriver, id::ContainerKey, patience::Pauses, translate::status};

/// How long the server waits at a time. Longer than that a silent connection may be cut on the way.
const ROUND_SECONDS: u32 = 60;

/// A wait that ends sooner did not wait.
const SHORT: Duration = Duration::from_secs(1);

impl VicDriver {
    pub(crate) async fn until_ended(&self, cx: &Context, key: &ContainerKey) -> Result<ExitStatus> {
        let mut vm = self.vm_of(cx, key).await?;
        let mut pauses = Pauses::new();
        loop {
            let place = vm.container(&key.name).map(|(index, _)| index);
            if let Some(exit) = status::exit(&vm, place.unwrap_or_default()) {
                return Ok(exit);
            }
            let began = Instant::now();
            // However it ends, a look tells more: that the time is up is a failure like others, and so is a server that is away.
            let waited = self.client().wait(cx, key.pod.as_str(), ROUND_SECONDS).await;
            cx.check()?;
            if waited.is_err() && began.elapsed() < SHORT {
                pauses.pause(cx).await?;
            } else {
                pauses = Pauses::new();
            }
            match self.vm(cx, &key.pod).await {
                Ok(Some(now)) => vm = now,
                Ok(None) => return Ok(ExitStatus::new(ExitCause::Removed)),
                Err(error) if error.is_transient() => pauses.pause(cx).await?,
                Err(error) => return Err(error),
            }
        }
    }
}
