//! Connections to ports of pods: one WebSocket each, so that the end of one never cuts another.

use remotecommand::{VERSION_4, port};
use runtime_core::{Context, PortStream, Result};

use super::{path, upgrade};
use crate::{driver::K8sDriver, id::PodKey};

/// Connects to a port of a pod. That nobody listens there shows when it is read, with the kubelet's words.
///
/// # Errors
/// `NotFound`, `InvalidState` when the pod does not run.
pub(crate) async fn forward(driver: &K8sDriver, cx: &Context, key: &PodKey, port: u16) -> Result<PortStream> {
    driver.running_pod(cx, key).await?;
    let path = path::port_forward(key, port);
    match upgrade::open(driver.client(), cx, &path, &[VERSION_4]).await {
        Ok((socket, _)) => Ok(PortStream::new(port::open(socket))),
        Err(refusal) => Err(driver.why_pod_refused(cx, key, refusal).await),
    }
}
