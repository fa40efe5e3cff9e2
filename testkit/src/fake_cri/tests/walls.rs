//! Sandboxes and containers with walls, of the guest image. They need root.

use super::*;
use crate::image::{guest, standard};
use crate::registry::Registry;

/// A bench with the guest image; `None`, with a printed reason, where there are no walls or networks.
async fn walled() -> Option<(Bench, Registry, ImageSpec)> {
    let mut bench = Bench::with(FakeCriOptions::default(), None).await;
    if !bench.fake.engine().has_networks() {
        eprintln!("skipped: needs root and the program ip");
        bench.finish().await;
        return None;
    }
    let program = tokio::task::spawn_blocking(guest::binary).await.unwrap().unwrap();
    let registry = Registry::start(Default::default()).await.unwrap();
    for named in standard::all(&program).unwrap() {
        registry.push(named.name, standard::TAG, &named.image);
    }
    let image = ImageSpec { image: registry.reference("guest", "1"), ..Default::default() };
    let request = PullImageRequest { image: Some(image.clone()), auth: None, sandbox_config: None };
    bench.images.pull_image(request).await.unwrap();
    Some((bench, registry, image))
}

async fn run(bench: &mut Bench, sandbox: PodSandboxConfig) -> Result<String, Status> {
    let request = RunPodSandboxRequest { config: Some(sandbox), ..Default::default() };
    Ok(bench.runtime.run_pod_sandbox(request).await?.into_inner().pod_sandbox_id)
}

fn pause(name: &str, image: &ImageSpec) -> ContainerConfig {
    ContainerConfig {
        image: Some(image.clone()),
        command: Vec::new(),
        args: vec!["pause".into()],
        ..shell(name, "")
    }
}

fn secured(name: &str, image: &ImageSpec, security: LinuxContainerSecurityContext) -> ContainerConfig {
    let linux = LinuxContainerConfig { security_context: Some(security), ..Default::default() };
    ContainerConfig { linux: Some(linux), ..pause(name, image) }
}

async fn printed(bench: &mut Bench, id: &str, command: &[&str]) -> String {
    let command: Vec<_> = std::iter::once("/guest").chain(command.iter().copied()).collect();
    let answer = bench.exec(id, &command, 10).await.unwrap();
    assert_eq!(answer.exit_code, 0, "{command:?}: {}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap().trim().to_owned()
}

async fn start(bench: &mut Bench, sandbox: &str, config: ContainerConfig) -> String {
    let id = bench.create(sandbox, config).await;
    bench.start(&id).await.unwrap();
    id
}

#[tokio::test]
async fn privileges_are_runcs() {
    let Some((mut bench, _registry, image)) = walled().await else { return };
    let mut config = bench.sandbox_config("a");
    config.linux = Some(LinuxPodSandboxConfig {
        security_context: Some(LinuxSandboxSecurityContext { privileged: true, ..Default::default() }),
        ..Default::default()
    });
    let sandbox = run(&mut bench, config).await.unwrap();
    let none = LinuxContainerSecurityContext::default;
    let capabilities = |add: &[&str], drop: &[&str]| LinuxContainerSecurityContext {
        capabilities: Some(Capability {
            add_capabilities: add.iter().map(ToString::to_string).collect(),
            drop_capabilities: drop.iter().map(ToString::to_string).collect(),
            ..Default::default()
        }),
        ..none()
    };
    let seccomp = |kind: security_profile::ProfileType| LinuxContainerSecurityContext {
        seccomp: Some(SecurityProfile { profile_type: kind.into(), ..Default::default() }),
        ..none()
    };
    for (at, (security, field, want)) in [
        (none(), "CapEff", "00000000a80425fb"),
        (none(), "NoNewPrivs", "0"),
        (none(), "Seccomp", "0"),
        (capabilities(&[], &["ALL"]), "CapEff", "0000000000000000"),
        (capabilities(&["net_admin"], &["CAP_CHOWN"]), "CapEff", "00000000a80435fa"),
        (capabilities(&["NO_SUCH", "CHOWN"], &["ALL"]), "CapBnd", "0000000000000001"),
        (LinuxContainerSecurityContext { no_new_privs: true, ..none() }, "NoNewPrivs", "1"),
        (seccomp(security_profile::ProfileType::RuntimeDefault), "Seccomp", "2"),
        (seccomp(security_profile::ProfileType::Unconfined), "Seccomp", "0"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = start(&mut bench, &sandbox, secured(&format!("c{at}"), &image, security.clone())).await;
        assert_eq!(printed(&mut bench, &id, &["proc-status", field]).await, want, "{field} {security:?}");
    }
    let privileged = LinuxContainerSecurityContext { privileged: true, ..none() };
    let id = start(&mut bench, &sandbox, secured("privileged", &image, privileged)).await;
    let effective = printed(&mut bench, &id, &["proc-status", "CapEff"]).await;
    assert!(u64::from_str_radix(&effective, 16).unwrap() & (1 << 21) != 0, "{effective}");
    assert!(printed(&mut bench, &id, &["stat", "/dev/kmsg"]).await.contains("char"));
    bench.finish().await;
}

#[tokio::test]
async fn a_sandbox_has_its_own_network_and_processes() {
    let Some((mut bench, _registry, image)) = walled().await else { return };
    let mut config = bench.sandbox_config("a");
    config.dns_config = Some(DnsConfig {
        servers: vec!["192.0.2.53".into()],
        searches: vec!["a.test".into(), "b.test".into()],
        options: vec!["ndots:5".into()],
    });
    config.linux = Some(LinuxPodSandboxConfig {
        sysctls: [("net.ipv4.ip_unprivileged_port_start".to_owned(), "123".to_owned())].into(),
        security_context: Some(LinuxSandboxSecurityContext {
            run_as_user: Some(Int64Value { value: 1000 }),
            ..Default::default()
        }),
        ..Default::default()
    });
    let sandbox = run(&mut bench, config).await.unwrap();
    let request = PodSandboxStatusRequest { pod_sandbox_id: sandbox.clone(), verbose: false };
    let told = bench.runtime.pod_sandbox_status(request).await.unwrap().into_inner().status.unwrap();
    let ip: std::net::Ipv4Addr = told.network.unwrap().ip.parse().unwrap();
    assert!(!ip.is_loopback() && ip.is_private(), "{ip}");

    let device = Device {
        container_path: "/dev/mine".into(),
        host_path: "/dev/null".into(),
        permissions: "rwm".into(),
    };
    let resources = LinuxContainerResources {
        memory_limit_in_bytes: 64 << 20,
        memory_swap_limit_in_bytes: 96 << 20,
        oom_score_adj: 900,
        ..Default::default()
    };
    let linux = LinuxContainerConfig { resources: Some(resources), ..Default::default() };
    let shared = ContainerConfig { devices: vec![device], linux: Some(linux), ..pause("c", &image) };
    let id = start(&mut bench, &sandbox, shared).await;
    for (command, want) in [
        (&["cat", "/etc/resolv.conf"][..], "search a.test b.test\nnameserver 192.0.2.53\noptions ndots:5"),
        (&["cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"], "123"),
        (&["cat", "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"], "100663296"),
        (&["cat", "/proc/1/cmdline"], "sleep\0infinity"),
        (&["cat", "/proc/self/oom_score_adj"], "0"),
    ] {
        assert_eq!(printed(&mut bench, &id, command).await.trim_end_matches('\0'), want, "{command:?}");
    }
    assert!(printed(&mut bench, &id, &["stat", "/dev/mine"]).await.contains("char"));
    let pid = match bench.fake.engine().container(&id).unwrap().state {
        crate::engine::ContainerState::Running { pid, .. } => pid,
        state => panic!("{state:?}"),
    };
    assert_eq!(std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap(), "900\n");
    let sandbox_status = printed(&mut bench, &id, &["cat", "/proc/1/status"]).await;
    assert!(sandbox_status.contains("Uid:\t1000"), "{sandbox_status}");

    let with_pids = |mode: NamespaceMode, target: &str| LinuxContainerSecurityContext {
        namespace_options: Some(NamespaceOption {
            pid: mode.into(),
            target_id: target.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let own = secured("own", &image, with_pids(NamespaceMode::Container, ""));
    let own = start(&mut bench, &sandbox, own).await;
    assert!(printed(&mut bench, &own, &["cat", "/proc/1/cmdline"]).await.contains("pause"));
    let target = secured("target", &image, with_pids(NamespaceMode::Target, &own[..20]));
    let target = start(&mut bench, &sandbox, target).await;
    assert!(printed(&mut bench, &target, &["cat", "/proc/1/cmdline"]).await.contains("pause"));
    let host = secured("host", &image, with_pids(NamespaceMode::Node, ""));
    let host = start(&mut bench, &sandbox, host).await;
    let me = std::process::id().to_string();
    assert!(!printed(&mut bench, &host, &["cat", &format!("/proc/{me}/cmdline")]).await.is_empty());
    bench.finish().await;
}

#[tokio::test]
async fn a_sandbox_on_the_hosts_network() {
    let Some((mut bench, _registry, image)) = walled().await else { return };
    let mut config = bench.sandbox_config("a");
    config.linux = Some(LinuxPodSandboxConfig {
        security_context: Some(LinuxSandboxSecurityContext {
            namespace_options: Some(NamespaceOption {
                network: NamespaceMode::Node.into(),
                pid: NamespaceMode::Node.into(),
                ipc: NamespaceMode::Node.into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    });
    let sandbox = run(&mut bench, config.clone()).await.unwrap();
    let id = start(&mut bench, &sandbox, pause("c", &image)).await;
    for namespace in ["net", "ipc", "pid"] {
        let path = format!("/proc/self/ns/{namespace}");
        let host = std::fs::read_link(&path).unwrap();
        assert_eq!(printed(&mut bench, &id, &["readlink", &path]).await, host.to_string_lossy());
    }
    config.linux.as_mut().unwrap().sysctls = [("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into();
    config.metadata.as_mut().unwrap().attempt = 1;
    assert_refused(run(&mut bench, config).await, Code::Unimplemented, "linux.sysctls");
    bench.finish().await;
}
