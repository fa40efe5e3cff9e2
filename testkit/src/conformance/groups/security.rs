//! Users, capabilities, profiles, namespaces.

use runtime_core::{
    ErrorKind,
    spec::{ContainerSecurity, NamespaceMode, Namespaces, PodSpec, SeLinuxOptions, SecurityProfile},
};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::guest_exec,
};

cases! { Security;
    user_and_group_by_number: proves [ContainerUser], needs [PodRun, ContainerLogs, ContainerWait];
    user_by_name: proves [ContainerUsername], needs [PodRun, ContainerLogs, ContainerWait];
    an_unknown_user_name_is_refused: proves [], needs [ContainerUsername, PodRun];
    supplemental_groups: proves [ContainerGroups], needs [PodRun, ContainerLogs, ContainerWait, ContainerUser];
    the_root_can_not_be_written: proves [ContainerReadOnlyRootfs], needs [PodRun, ExecSync];
    the_root_can_be_written_otherwise: proves [ContainerRootfs], needs [PodRun, ExecSync];
    linux_capabilities_are_dropped_and_added: proves [ContainerLinuxCapabilities], needs [PodRun, ExecSync];
    ambient_capabilities: proves [ContainerAmbientCapabilities], needs [PodRun, ExecSync, ContainerUser];
    privileges_can_not_be_gained: proves [ContainerNoNewPrivs], needs [PodRun, ExecSync];
    a_privileged_container: proves [ContainerPrivileged, PodPrivileged], needs [PodRun, ExecSync];
    usual_paths_are_masked: proves [], needs [PodRun, ExecSync, ContainerPaths];
    paths_are_masked_by_choice: proves [ContainerPaths], needs [PodRun, ExecSync];
    system_calls_are_filtered: proves [ContainerSeccomp], needs [PodRun, ExecSync];
    an_apparmor_profile: proves [ContainerApparmor], needs [PodRun, ExecSync];
    an_selinux_label: proves [ContainerSelinux], needs [PodRun, ExecSync];
    processes_are_the_containers_own: proves [], needs [PodRun, ExecSync, ContainerNamespaces];
    processes_are_shared_in_the_pod: proves [ContainerNamespaces], needs [PodRun, ExecSync];
    the_hosts_network: proves [PodHostNamespaces], needs [PodRun, ExecSync];
    the_sandboxs_own_user: proves [PodSandboxUser], needs [PodRun, ExecSync];
}

fn with(env: &Env, command: &[&str], change: impl FnOnce(&mut ContainerSecurity)) -> PodSpec {
    let mut spec = env.pod_running(command.iter().copied());
    change(&mut spec.containers[0].security);
    spec
}

async fn user_and_group_by_number(env: &Env) -> Verdict {
    let text = env.output_of(&with(env, &["id"], |security| security.run_as_user = Some(1234))).await?;
    ensure!(text.contains("uid=1234"), "{text}");
    let spec = with(env, &["id"], |security| {
        security.run_as_user = Some(1234);
        security.run_as_group = Some(5678);
    });
    let text = env.output_of(&spec).await?;
    ensure!(text.contains("uid=1234 gid=5678"), "{text}");
    Ok(())
}

async fn user_by_name(env: &Env) -> Verdict {
    let text = env
        .output_of(&with(env, &["id"], |security| security.run_as_username = Some("app".to_owned())))
        .await?;
    ensure!(text.contains("uid=1000 gid=1000"), "{text}");
    Ok(())
}

async fn an_unknown_user_name_is_refused(env: &Env) -> Verdict {
    let spec = with(env, &["id"], |security| security.run_as_username = Some("nobody-here".to_owned()));
    let Err(error) = env.client().run_pod(&spec).await else {
        return Err(Failure::Failed("ran as a user that the image doesn't have".to_owned()));
    };
    ensure!(matches!(error.kind(), ErrorKind::Failed | ErrorKind::InvalidArgument), "{error:?}");
    env.ensure_nothing_left().await
}

async fn supplemental_groups(env: &Env) -> Verdict {
    let spec = with(env, &["id"], |security| {
        security.run_as_user = Some(1234);
        security.supplemental_groups = vec![4001, 4002];
    });
    let text = env.output_of(&spec).await?;
    let groups = text.rsplit_once("groups=").map(|(_, groups)| groups.trim().split(',').collect::<Vec<_>>());
    let groups = groups.ok_or_else(|| text.clone())?;
    ensure!(["4001", "4002"].iter().all(|group| groups.contains(group)), "{text}");
    Ok(())
}

async fn the_root_can_not_be_written(env: &Env) -> Verdict {
    let (_, container) = env.run(&with(env, &["pause"], |security| security.read_only_rootfs = true)).await?;
    let output = guest_exec(&container, ["write", "/file", "x"]).await?;
    ensure!(!output.exit.success(), "the root could be written");
    ensure!(output.stderr_text().contains("ead-only"), "{}", output.stderr_text());
    Ok(())
}

async fn the_root_can_be_written_otherwise(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    ensure!(
        guest_exec(&container, ["write", "/file", "x"]).await?.exit.success(),
        "the root can't be written"
    );
    // And nobody else sees it.
    let (_, other) = env.idle().await?;
    ensure!(
        !guest_exec(&other, ["cat", "/file"]).await?.exit.success(),
        "a file of another container is seen"
    );
    Ok(())
}

async fn capability_set(container: &runtime_core::ContainerHandle, field: &str) -> Result<u64, Failure> {
    let text = container
        .exec(&runtime_core::spec::ExecSpec::new(["/guest", "proc-status", field]))
        .await?
        .stdout_text();
    let hex = text.split_whitespace().last().unwrap_or_default().to_owned();
    Ok(u64::from_str_radix(&hex, 16)?)
}

const CAP_CHOWN: u64 = 1;
const CAP_NET_BIND_SERVICE: u64 = 1 << 10;
const CAP_NET_ADMIN: u64 = 1 << 12;
const CAP_SYS_ADMIN: u64 = 1 << 21;

async fn linux_capabilities_are_dropped_and_added(env: &Env) -> Verdict {
    let (_, usual) = env.idle().await?;
    let effective = capability_set(&usual, "CapEff").await?;
    ensure!(effective & CAP_CHOWN != 0 && effective & (CAP_NET_ADMIN | CAP_SYS_ADMIN) == 0, "{effective:x}");
    let (_, none) = env
        .run(&with(env, &["pause"], |security| {
            security.capabilities.drop = vec!["ALL".to_owned()];
        }))
        .await?;
    ensure_eq!(capability_set(&none, "CapEff").await?, 0);
    let (_, changed) = env
        .run(&with(env, &["pause"], |security| {
            security.capabilities.drop = vec!["CHOWN".to_owned()];
            security.capabilities.add = vec!["NET_ADMIN".to_owned()];
        }))
        .await?;
    let effective = capability_set(&changed, "CapEff").await?;
    ensure!(effective & CAP_CHOWN == 0 && effective & CAP_NET_ADMIN != 0, "{effective:x}");
    Ok(())
}

async fn ambient_capabilities(env: &Env) -> Verdict {
    let spec = with(env, &["pause"], |security| {
        security.run_as_user = Some(1000);
        security.capabilities.add_ambient = vec!["NET_BIND_SERVICE".to_owned()];
    });
    let (_, container) = env.run(&spec).await?;
    ensure!(capability_set(&container, "CapAmb").await? & CAP_NET_BIND_SERVICE != 0, "not ambient");
    Ok(())
}

async fn privileges_can_not_be_gained(env: &Env) -> Verdict {
    for wanted in [false, true] {
        let (_, container) =
            env.run(&with(env, &["pause"], |security| security.no_new_privs = wanted)).await?;
        ensure_eq!(capability_set(&container, "NoNewPrivs").await?, u64::from(wanted));
    }
    Ok(())
}

async fn a_privileged_container(env: &Env) -> Verdict {
    let mut spec = with(env, &["pause"], |security| security.privileged = true);
    spec.security.privileged = true;
    let (_, container) = env.run(&spec).await?;
    let effective = capability_set(&container, "CapEff").await?;
    ensure!(effective & CAP_SYS_ADMIN != 0 && effective & CAP_NET_ADMIN != 0, "{effective:x}");
    Ok(())
}

/// What is mounted at a path itself; the mount that the path is in if nothing is.
async fn mount_of(container: &runtime_core::ContainerHandle, path: &str) -> Result<String, Failure> {
    let output = guest_exec(container, ["mount-of", path]).await?;
    ensure!(output.exit.success(), "{}", output.stderr_text());
    Ok(output.stdout_text())
}

async fn usual_paths_are_masked(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    for path in ["/proc/keys", "/proc/sys"] {
        let mount = mount_of(&container, path).await?;
        ensure!(mount.starts_with(&format!("point={path} ")), "nothing covers {path}: {mount}");
    }
    Ok(())
}

async fn paths_are_masked_by_choice(env: &Env) -> Verdict {
    let spec = with(env, &["pause"], |security| {
        security.masked_paths = Some(vec!["/etc/passwd".to_owned()]);
        security.readonly_paths = Some(vec!["/work".to_owned()]);
    });
    let (_, container) = env.run(&spec).await?;
    ensure_eq!(guest_exec(&container, ["cat", "/etc/passwd"]).await?.stdout_text(), "");
    ensure!(!guest_exec(&container, ["write", "/work/x", "y"]).await?.exit.success(), "/work can be written");
    let mount = mount_of(&container, "/proc/keys").await?;
    ensure!(mount.starts_with("point=/proc "), "/proc/keys is still masked: {mount}");
    Ok(())
}

async fn system_calls_are_filtered(env: &Env) -> Verdict {
    const FILTER: u64 = 2;
    for (profile, mode) in [(SecurityProfile::RuntimeDefault, FILTER), (SecurityProfile::Unconfined, 0)] {
        let (_, container) =
            env.run(&with(env, &["pause"], |security| security.seccomp = Some(profile))).await?;
        ensure_eq!(capability_set(&container, "Seccomp").await?, mode);
    }
    Ok(())
}

async fn an_apparmor_profile(env: &Env) -> Verdict {
    let spec = with(env, &["pause"], |security| security.apparmor = Some(SecurityProfile::RuntimeDefault));
    let (_, container) = env.run(&spec).await?;
    let text = guest_exec(&container, ["cat", "/proc/self/attr/current"]).await?.stdout_text();
    ensure!(text.contains("enforce"), "{text}");
    Ok(())
}

async fn an_selinux_label(env: &Env) -> Verdict {
    let level = "s0:c100,c200";
    let spec = with(env, &["pause"], |security| {
        security.selinux = Some(SeLinuxOptions { level: level.to_owned(), ..SeLinuxOptions::default() });
    });
    let (_, container) = env.run(&spec).await?;
    let text = guest_exec(&container, ["cat", "/proc/self/attr/current"]).await?.stdout_text();
    ensure!(text.contains(level), "{text}");
    Ok(())
}

fn two_containers(env: &Env, pid: NamespaceMode) -> PodSpec {
    let mut spec = env.pod_running(["pause"]).with_container(env.container("second", ["sleep", "1000"]));
    spec.security.namespaces = Namespaces { pid, ..Namespaces::default() };
    spec
}

async fn first_processes(env: &Env, spec: &PodSpec) -> Result<String, Failure> {
    let (pod, _) = env.run(spec).await?;
    let second = pod.container("second").ok_or("no container second")?;
    Ok(guest_exec(&second, ["cat", "/proc/1/cmdline"]).await?.stdout_text().replace('\0', " "))
}

async fn processes_are_the_containers_own(env: &Env) -> Verdict {
    let first = first_processes(env, &two_containers(env, NamespaceMode::Container)).await?;
    ensure!(first.contains("sleep 1000"), "process 1 is {first:?}");
    Ok(())
}

async fn processes_are_shared_in_the_pod(env: &Env) -> Verdict {
    let first = first_processes(env, &two_containers(env, NamespaceMode::Pod)).await?;
    ensure!(!first.contains("sleep 1000"), "process 1 is {first:?}");
    Ok(())
}

async fn the_hosts_network(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.security.namespaces.network = NamespaceMode::Node;
    let (pod, container) = env.run(&spec).await?;
    let inside = guest_exec(&container, ["readlink", "/proc/self/ns/net"]).await?.stdout_text();
    ensure_eq!(inside.trim(), std::fs::read_link("/proc/self/ns/net")?.to_string_lossy());
    let addresses = pod.status().await?.addresses;
    ensure!(addresses.is_empty(), "{addresses:?}");
    Ok(())
}

async fn the_sandboxs_own_user(env: &Env) -> Verdict {
    let mut spec = two_containers(env, NamespaceMode::Pod);
    spec.security.run_as_user = Some(1000);
    spec.security.run_as_group = Some(1000);
    let (pod, _) = env.run(&spec).await?;
    let second = pod.container("second").ok_or("no container second")?;
    let status = guest_exec(&second, ["cat", "/proc/1/status"]).await?.stdout_text();
    let uid = status.lines().find(|line| line.starts_with("Uid:")).unwrap_or_default();
    ensure!(uid.contains("1000"), "the sandbox's process runs as {uid:?}");
    Ok(())
}
