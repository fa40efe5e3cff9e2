//! How cases end what they have started.

use runtime_core::{Capability, ContainerHandle, PodHandle, StopOptions};

use super::{Env, Failure};

/// Ends a container in order: alone, or with its pod where the driver can end no single one.
///
/// # Errors
/// The driver's.
pub(super) async fn stop(
    env: &Env,
    (pod, container): (&PodHandle, &ContainerHandle),
    options: &StopOptions,
) -> Result<(), Failure> {
    match env.has(Capability::ContainerStop) {
        true => container.stop(options).await?,
        false => pod.stop(options).await?,
    }
    Ok(())
}
