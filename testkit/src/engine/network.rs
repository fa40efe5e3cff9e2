//! The network of a pod: a pair of virtual interfaces between it and the host, and ports of the host that lead there.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};

use super::spawn::on_thread;
use super::{EngineError, PublishedPort, Traffic};

/// Where the pods' addresses are from: 16384 networks of four addresses.
const FIRST_ADDRESS: u32 = u32::from_be_bytes([10, 219, 0, 0]);
const NETWORKS: u32 = 1 << 14;
const PROGRAM: &str = "ip";
/// The pod's own interface.
const INTERFACE: &str = "eth0";

/// Whether networks can be made here at all: the system's program for them is there.
pub(crate) fn available() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(PROGRAM).is_file())
}

/// Two virtual interfaces, one in the pod, one on the host. They are gone when the pod's network is.
#[derive(Debug)]
pub(crate) struct Veth {
    /// The pod's own.
    pub(crate) address: Ipv4Addr,
    gateway: Ipv4Addr,
    host_name: String,
}

impl Veth {
    /// Makes one between the calling thread's network, which is new, and that of the engine's process.
    pub(crate) fn make() -> Result<Self, EngineError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let host = std::process::id();
        // Engines in other processes count too: the name on the host tells which networks are taken.
        let start = host.wrapping_mul(61);
        for _ in 0..NETWORKS {
            let number = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % NETWORKS;
            let [gateway, address] = [1, 2].map(|at| Ipv4Addr::from(FIRST_ADDRESS + 4 * number + at));
            let host_name = format!("wharfp{number}");
            let made = ip(&format!(
                "link add {INTERFACE} type veth peer name {host_name} netns {host}\n\
                 link set lo up\naddr add {address}/30 dev {INTERFACE}\nlink set {INTERFACE} up\n\
                 route add default via {gateway}\n"
            ));
            match made {
                Ok(()) => {}
                Err(words) if words.contains("exists") => continue,
                Err(words) => return Err(failed(words)),
            }
            return Ok(Self { address, gateway, host_name });
        }
        Err(failed("every address is taken".to_owned()))
    }

    /// Sets up the host's end. Not on the thread that has left the host's network.
    pub(crate) async fn connect(&self) -> Result<(), EngineError> {
        let Self { gateway, host_name, .. } = self;
        let batch = format!("addr add {gateway}/30 dev {host_name}\nlink set {host_name} up\n");
        on_thread("network", move || ip(&batch).map_err(failed)).await
    }

    /// What went through. The host's end counts it the other way round.
    pub(crate) fn traffic(&self) -> Option<Traffic> {
        let directory = format!("/sys/class/net/{}/statistics", self.host_name);
        let count = |name: &str| fs::read_to_string(format!("{directory}/{name}")).ok()?.trim().parse().ok();
        Some(Traffic {
            interface: INTERFACE.to_owned(),
            received_bytes: count("tx_bytes")?,
            sent_bytes: count("rx_bytes")?,
            receive_errors: count("tx_errors")?,
            send_errors: count("rx_errors")?,
        })
    }

    /// Takes it away now; the kernel would do it some time after the network's end.
    pub(crate) async fn remove(self) {
        let removed =
            on_thread("network", move || ip(&format!("link del {}\n", self.host_name)).map_err(failed));
        if let Err(error) = removed.await {
            tracing::debug!(%error, "the interface is gone already");
        }
    }
}

/// A port of the host that leads to a pod, until it is dropped.
#[derive(Debug)]
pub(crate) struct Publication(AbortHandle);

impl Publication {
    pub(crate) fn start(
        port: &PublishedPort,
        address: Ipv4Addr,
        runtime: &Handle,
    ) -> Result<Self, EngineError> {
        let from = SocketAddr::new(port.host_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), port.host_port);
        let to = SocketAddr::new(IpAddr::V4(address), port.port);
        let _entered = runtime.enter();
        let listener = std::net::TcpListener::bind(from).and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        let listener = listener.map_err(|error| EngineError::io(format!("publish port {from}"), error))?;
        Ok(Self(runtime.spawn(forward(listener, to)).abort_handle()))
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves connections until it is dropped, and they end with it.
async fn forward(listener: TcpListener, to: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((mut client, _)) = listener.accept() => {
                connections.spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(to).await {
                        // Whoever ends it, ends it for both.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            else => return,
        }
    }
}

/// Runs commands of the system's program where the calling thread is; the error is what it said.
fn ip(batch: &str) -> Result<(), String> {
    let run = || {
        let mut child = Command::new(PROGRAM)
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(batch.as_bytes())?;
        }
        child.wait_with_output()
    };
    match run() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn failed(words: String) -> EngineError {
    EngineError::io("make a network", std::io::Error::other(words))
}
