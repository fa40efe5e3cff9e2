//! Connections to ports of pods.

use futures::future::join_all;
use runtime_core::{Capability, ErrorKind, PodHandle, StopOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::network::wait_for_line;
use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Network;
    a_port_is_forwarded: proves [PodPortForward], needs [PodRun, ContainerLogs];
    connections_to_a_port_are_apart: proves [], needs [PodPortForward, PodRun, ContainerLogs];
    much_goes_both_ways_through_a_port: proves [], needs [PodPortForward, PodRun, ContainerLogs];
    one_direction_of_a_port_ends_alone: proves [PodPortHalfClose], needs [PodPortForward, PodRun, ContainerLogs];
    a_port_without_listener_is_told: proves [], needs [PodPortForward, PodRun];
    ports_of_pods_that_do_not_run_are_refused: proves [], needs [PodPortForward, PodRun, PodStop];
}

/// A pod that echoes at a port.
async fn echo(env: &Env) -> Result<(PodHandle, u16), Failure> {
    // In the host's network every pod needs a port of its own.
    let port = if env.has(Capability::PodNetwork) { 7000 } else { free_port()? };
    let (pod, container) = env.run(&env.pod_running(["tcp-serve", &port.to_string()])).await?;
    wait_for_line(&container, "listening").await?;
    Ok((pod, port))
}

/// A port that was free a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

async fn a_port_is_forwarded(env: &Env) -> Verdict {
    let (pod, port) = echo(env).await?;
    let mut stream = pod.port_forward(port).await?;
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = [0; 3];
        stream.read_exact(&mut answer).await?;
        ensure_eq!(&answer, word.as_bytes());
    }
    Ok(())
}

async fn connections_to_a_port_are_apart(env: &Env) -> Verdict {
    let (pod, port) = echo(env).await?;
    let mut streams =
        join_all((0..8).map(|_| pod.port_forward(port))).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (number, stream) in (0..).zip(&mut streams) {
        stream.write_all(&[number]).await?;
        stream.flush().await?;
    }
    // The end of one is not the end of others.
    streams.remove(3);
    for (number, stream) in [0, 1, 2, 4, 5, 6, 7].into_iter().zip(&mut streams) {
        ensure_eq!(stream.read_u8().await?, number);
    }
    Ok(())
}

async fn much_goes_both_ways_through_a_port(env: &Env) -> Verdict {
    let (pod, port) = echo(env).await?;
    let talk = |seed: u8| {
        let pod = &pod;
        async move {
            let sent: Vec<u8> = (0..=250).map(|byte: u8| byte ^ seed).cycle().take(8 << 20).collect();
            let (mut read, mut write) = tokio::io::split(pod.port_forward(port).await?);
            let mut received = vec![0; sent.len()];
            let write = async {
                write.write_all(&sent).await?;
                write.flush().await
            };
            let (written, read) = tokio::join!(write, read.read_exact(&mut received));
            written?;
            read?;
            ensure!(sent == received, "something else came back");
            Ok(())
        }
    };
    join_all([1, 2].map(talk)).await.into_iter().collect()
}

async fn one_direction_of_a_port_ends_alone(env: &Env) -> Verdict {
    let (pod, port) = echo(env).await?;
    let mut stream = pod.port_forward(port).await?;
    stream.write_all(b"last words").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure_eq!(answer, "last words");
    Ok(())
}

async fn a_port_without_listener_is_told(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    match pod.port_forward(7999).await {
        Err(error) => ensure_eq!(error.kind(), ErrorKind::Unavailable),
        Ok(mut stream) => {
            let read = stream.read(&mut [0; 16]).await;
            ensure!(read.is_err(), "nobody listens, and yet there is {read:?}");
        }
    }
    Ok(())
}

async fn ports_of_pods_that_do_not_run_are_refused(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    pod.stop(&StopOptions::now()).await?;
    kind_of(pod.port_forward(7000).await, ErrorKind::InvalidState)?;
    kind_of(env.client().pod("0".repeat(64)).port_forward(7000).await, ErrorKind::NotFound)?;
    let half = &pod.id().as_str()[..pod.id().as_str().len() / 2];
    kind_of(env.client().pod(half).port_forward(7000).await, ErrorKind::NotFound)?;
    Ok(())
}
