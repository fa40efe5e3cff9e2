//! Names, addresses, ports.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use runtime_core::spec::{DnsConfig, PortMapping};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::guest_exec,
};

cases! { Network;
    the_host_name_is_chosen: proves [PodHostname], needs [PodRun, ContainerLogs, ContainerWait];
    name_resolution_is_configured: proves [PodDns], needs [PodRun, ExecSync];
    kernel_parameters_are_set: proves [PodSysctls], needs [PodRun, ExecSync];
    a_pod_has_an_address: proves [PodNetwork], needs [PodRun, PodStatus, ContainerLogs];
    containers_of_a_pod_share_its_network: proves [PodNetwork], needs [PodRun, ContainerLogs, ExecSync];
    a_port_is_published: proves [PodPorts], needs [PodRun, ContainerLogs];
}

async fn the_host_name_is_chosen(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["hostname"]);
    spec.hostname = Some("chosen-name".to_owned());
    ensure_eq!(env.output_of(&spec).await?.trim(), "chosen-name");
    Ok(())
}

async fn name_resolution_is_configured(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.dns = Some(DnsConfig {
        servers: vec!["192.0.2.53".to_owned()],
        searches: vec!["example.test".to_owned(), "svc.example.test".to_owned()],
        options: vec!["ndots:5".to_owned()],
    });
    let (_, container) = env.run(&spec).await?;
    let text = guest_exec(&container, ["cat", "/etc/resolv.conf"]).await?.stdout_text();
    for line in ["nameserver 192.0.2.53", "search example.test svc.example.test", "options ndots:5"] {
        ensure!(text.lines().any(|told| told == line), "{line} is missing in:\n{text}");
    }
    Ok(())
}

async fn kernel_parameters_are_set(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "123".to_owned());
    let (_, container) = env.run(&spec).await?;
    let path = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    ensure_eq!(guest_exec(&container, ["cat", path]).await?.stdout_text().trim(), "123");
    Ok(())
}

async fn a_pod_has_an_address(env: &Env) -> Verdict {
    let (pod, container) = env.run(&env.pod_running(["tcp-serve", "7000"])).await?;
    wait_for_line(&container, "listening").await?;
    let addresses = pod.status().await?.addresses;
    let address = *addresses.first().ok_or("the pod has no address")?;
    ensure!(!address.is_loopback() && !address.is_unspecified(), "{address}");
    ensure_eq!(echo(SocketAddr::new(address, 7000)).await?, "hello");
    Ok(())
}

async fn containers_of_a_pod_share_its_network(env: &Env) -> Verdict {
    let spec = env.pod_running(["tcp-serve", "7000"]).with_container(env.container("second", ["pause"]));
    let (pod, server) = env.run(&spec).await?;
    wait_for_line(&server, "listening").await?;
    let second = pod.container("second").ok_or("no container second")?;
    let output = guest_exec(&second, ["tcp-send", "127.0.0.1", "7000", "through loopback"]).await?;
    ensure!(output.stdout_text().contains("through loopback"), "{}", output.stderr_text());
    // And another pod is not in it.
    let (_, other) = env.idle().await?;
    let output = guest_exec(&other, ["tcp-send", "127.0.0.1", "7000", "x"]).await?;
    ensure!(!output.exit.success(), "another pod reaches the port through its own loopback");
    Ok(())
}

async fn a_port_is_published(env: &Env) -> Verdict {
    // A port that was free a moment ago.
    let host_port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let mut spec = env.pod_running(["tcp-serve", "7000"]);
    spec.ports = vec![PortMapping { container_port: 7000, host_port, ..PortMapping::default() }];
    let (_, container) = env.run(&spec).await?;
    wait_for_line(&container, "listening").await?;
    // Loopback is translated only where the kernel routes it; the host's address always is.
    ensure_eq!(echo(SocketAddr::new(host_address()?, host_port)).await?, "hello");
    Ok(())
}

pub(super) async fn wait_for_line(container: &runtime_core::ContainerHandle, word: &str) -> Verdict {
    let mut following = container.logs(&runtime_core::LogOptions::follow()).await?;
    while let Some(line) = futures::StreamExt::next(&mut following).await {
        if line?.text().contains(word) {
            return Ok(());
        }
    }
    Err(Failure::Failed(format!("it ended without saying {word:?}")))
}

/// An address of this host by which a packet of its own leaves its loopback alone; nothing is sent to find it.
fn host_address() -> Result<std::net::IpAddr, Failure> {
    let socket = std::net::UdpSocket::bind(("0.0.0.0", 0))?;
    socket.connect(("192.0.2.1", 9))?;
    Ok(socket.local_addr()?.ip())
}

async fn echo(address: SocketAddr) -> Result<String, Failure> {
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"hello")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        std::io::Result::Ok(answer)
    });
    Ok(answer.await??)
}
