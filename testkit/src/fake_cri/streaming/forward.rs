//! One connection to a port of a sandbox.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::engine::EngineError;
use crate::fake_cri::fake::Fake;
use crate::streaming::client::{Incoming, Outgoing};

const READ_BYTES: usize = 32 * 1024;
/// How long the other direction may go on when one has ended.
const LINGER: Duration = Duration::from_secs(1);

/// Carries bytes both ways until both have ended, or one has and a second has passed. Neither end is passed on: a server
/// doesn't see that its client has finished. The error is what the client is told.
pub(super) async fn forward(
    fake: &Fake,
    wanted: &str,
    port: u16,
    from_client: Incoming,
    to_client: &mut Outgoing,
) -> Result<(), String> {
    let failed = |why: String| format!("error forwarding port {port} to pod {wanted}, uid : {why}");
    let (pod, _) = fake
        .sandbox(wanted, &format!("failed to find sandbox {wanted:?} in store"))
        .map_err(|status| failed(status.message().to_owned()))?;
    let namespace = format!("/var/run/netns/cni-{}", pod.id);
    let mut stream = fake.engine.connect(&pod.id, port).await.map_err(|error| {
        failed(match error {
            EngineError::Unreachable { ipv4, ipv6, .. } => format!(
                "failed to execute portforward in network namespace {namespace:?}: failed to connect to localhost:{port} \
                 inside namespace {:?}, IPv4: dial tcp4 127.0.0.1:{port}: {} IPv6 dial tcp6 [::1]:{port}: {} ",
                pod.id,
                reason(&ipv4),
                reason(&ipv6)
            ),
            EngineError::InvalidState { .. } => {
                format!("network namespace for sandbox {:?} is closed", pod.id)
            }
            error => error.to_string(),
        })
    })?;
    // Borrowed, so that the end of one direction doesn't close it for the server.
    let (read, mut write) = stream.split();
    let (up, down) = (up(from_client, &mut write), down(read, to_client));
    tokio::pin!(up, down);
    // Where it broke off has no words of its own.
    tokio::select! {
        () = &mut up => drop(timeout(LINGER, down).await),
        () = &mut down => drop(timeout(LINGER, up).await),
    }
    Ok(())
}

/// As Go has it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        _ => format!("connect: {error}"),
    }
}

async fn up(mut from: Incoming, to: &mut (impl AsyncWriteExt + Unpin)) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

async fn down(mut from: impl AsyncReadExt + Unpin, to: &mut Outgoing) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.send(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
