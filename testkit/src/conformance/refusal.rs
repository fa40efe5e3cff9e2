//! That what isn't declared is refused: generated, one case for each capability.
//!
//! For every capability there is a sample call that needs it. Through a client to which the capability is not declared,
//! and on the bare driver where the driver itself doesn't declare it, the sample must be `Unsupported`, naming the
//! capability, and leave nothing behind.

use std::time::Duration;

use async_trait::async_trait;
use runtime_core::{
    AttachOptions, Call, Capabilities, Capability, Client, ContainerFilter, Context, CreateOptions,
    ErrorKind, ExistingPolicy, ImageFilter, LogOptions, Result, RunOptions, StopOptions, TerminalSize,
    WaitFor,
    helpers::arch::Architecture,
    layer::{Layer, Next},
    spec::{
        Bytes, ContainerSpec, CpuQuota, Device, DnsConfig, ExecSpec, HugepageLimit, IdMapping,
        ImageMountSpec, MilliCpu, Mount, MountPropagation, MountSource, NamespaceMode, Namespaces, PodSpec,
        PortMapping, RegistryCredentials, Resources, RestartPolicy, SeLinuxOptions, SecurityProfile,
        SupplementalGroupsPolicy, SwapLimit, UserNamespace, Volume, VolumeSource, WindowsContainerOptions,
        WindowsPodOptions,
    },
};

use super::{
    Case, Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
    groups,
};

cases! { Contract;
    every_declared_capability_has_a_case: proves [], needs [];
}

/// A layer that takes a capability away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Without(pub(super) Capability);

#[async_trait]
impl Layer for Without {
    fn capabilities(&self, below: Capabilities) -> Capabilities {
        below.without([self.0])
    }

    async fn around(&self, cx: Context, _: &Call<'_>, next: Next<'_>) -> Result<()> {
        next.run(cx).await
    }
}

/// The capabilities that a call or a field asks for; the others describe how a driver is.
pub(super) fn capabilities() -> impl Iterator<Item = Capability> {
    Capability::ALL.iter().copied().filter(|capability| !is_description(*capability))
}

/// The name of a capability's refusal case.
pub(super) fn name(capability: Capability) -> String {
    format!("refuses_undeclared_{}", capability.name().replace('.', "_"))
}

fn is_description(capability: Capability) -> bool {
    matches!(
        capability,
        // A signal is refused by the session, and half an end by the stream of the port, which are there only where streams are.
        Capability::PodDurable
            | Capability::PodNetwork
            | Capability::PodPortHalfClose
            | Capability::PodStatsNetwork
            | Capability::ContainerRootfs
            | Capability::ContainerLogsStreams
            | Capability::ContainerStatsTime
            | Capability::ContainerStatsLayer
            | Capability::ImageMountPath
            | Capability::ExecSignal
    )
}

async fn every_declared_capability_has_a_case(env: &Env) -> Verdict {
    let proved: Vec<Capability> = groups::all().flat_map(|case: Case| case.proves).copied().collect();
    let declared = Capability::ALL.iter().filter(|capability| env.has(**capability));
    let unproved: Vec<_> = declared.filter(|capability| !proved.contains(capability)).collect();
    ensure!(unproved.is_empty(), "no case proves {unproved:?}");
    Ok(())
}

/// The refusal case of one capability.
pub(super) async fn check(env: &Env, capability: Capability) -> Verdict {
    let masked = env.client_without(capability);
    let error = kind_of(sample(env, &masked, capability).await, ErrorKind::Unsupported)?;
    names(env, &error, capability)?;
    if !env.has(capability) {
        let error = kind_of(sample(env, &env.bare_client(), capability).await, ErrorKind::Unsupported)?;
        ensure_eq!(error.driver(), Some(env.driver().info().name));
    }
    env.ensure_nothing_left().await
}

/// The error must name the capability, or what even the simplest call of its sort needs and isn't there either. Where all
/// calls of a sort are missing there is nobody to say more than that of this one.
fn names(env: &Env, error: &runtime_core::Error, capability: Capability) -> Verdict {
    let basic: &[Capability] = match capability {
        Capability::ExecStdin => &[Capability::ExecStream],
        Capability::ContainerExisting => &[Capability::ContainerCreate],
        Capability::ContainerForceKill => &[Capability::ContainerStop],
        Capability::ExecResize => &[Capability::ExecStream, Capability::ExecTty],
        Capability::ImageMountPrefetch => &[Capability::ImageMount],
        Capability::ImagePullCredentials | Capability::ImagePullNoProgressLimit => &[Capability::ImagePull],
        _ if matches!(capability.name().split_once('.'), Some(("image", _))) => &[],
        _ if capability.name().contains("mount") => &[Capability::ContainerMounts],
        _ => &[],
    };
    let named = error.context().iter().find(|(key, _)| *key == "capability").map(|(_, name)| name.as_str());
    let lacks_containers =
        !env.has(Capability::PodContainers) && named == Some(Capability::PodContainers.name());
    let lacks_facet = match capability.name().split_once('.') {
        Some(("container", _)) => env.driver().containers().is_none(),
        Some(("exec", _)) => env.driver().exec().is_none(),
        _ => false,
    };
    let expected = named == Some(capability.name())
        || lacks_facet && named.is_none()
        || lacks_containers
        || basic.iter().any(|basic| !env.has(*basic) && named == Some(basic.name()));
    ensure!(expected, "the error does not name {capability}: {error}");
    ensure!(error.driver().is_some(), "the error does not name the driver: {error}");
    Ok(())
}

/// Makes a call that needs a capability. All of them are about objects that don't exist, so a driver that does not refuse
/// answers something else, or makes a pod that the case then finds.
async fn sample(env: &Env, client: &Client, capability: Capability) -> Result<()> {
    use Capability as C;
    let unknown = "wharf-conformance-unknown";
    let container = client.container(unknown);
    let pod = client.pod(unknown);
    let image = env.image("guest");
    let mount = ImageMountSpec::new("image", "/wharf-conformance-unknown");
    match capability {
        C::PodStop => pod.stop(&Default::default()).await,
        C::PodRemove => pod.remove().await,
        C::PodStatus => pod.status().await.map(drop),
        C::PodList => client.list_pods(&env.filter()).await.map(drop),
        C::ContainerCreate => pod.create_container(&env.container("main", ["pause"])).await.map(drop),
        C::ContainerStart => container.start().await,
        C::ContainerStop => container.stop(&Default::default()).await,
        C::ContainerRemove => container.remove().await,
        C::ContainerStatus => container.status().await.map(drop),
        C::ContainerList => client.list_containers(&ContainerFilter::default()).await.map(drop),
        C::ContainerWait => container.wait().await.map(drop),
        C::ContainerLogs => container.logs(&LogOptions::default()).await.map(drop),
        C::ContainerLogsFollow => container.logs(&LogOptions::follow()).await.map(drop),
        C::ContainerLogsSince => {
            container.logs(&LogOptions::default().with_since(jiff::Timestamp::UNIX_EPOCH)).await.map(drop)
        }
        C::ContainerLogsPrevious => container.logs(&LogOptions::default().of_previous()).await.map(drop),
        C::PodReadiness => {
            let options = RunOptions::default().with_wait_for(WaitFor::Ready);
            client.run_pod_with(&sample_pod(env, capability), &options).await.map(drop)
        }
        C::ContainerLogsTail => container.logs(&LogOptions::default().with_tail(1)).await.map(drop),
        C::PodExisting => {
            let options = RunOptions::default().with_existing(ExistingPolicy::Adopt);
            client.run_pod_with(&sample_pod(env, capability), &options).await.map(drop)
        }
        C::PodForceKill => pod.stop(&StopOptions::now().with_force_kill()).await,
        C::PodEvents => client.events().await.map(drop),
        C::PodStats => {
            pod.stats().await.map(drop)?;
            client.list_pod_stats(&env.filter()).await.map(drop)
        }
        C::PodPortForward => pod.port_forward(80).await.map(drop),
        C::ContainerExisting => {
            let options = CreateOptions::default().with_existing(ExistingPolicy::Replace);
            pod.create_container_with(&env.container("main", ["pause"]), &options).await.map(drop)
        }
        C::ContainerForceKill => container.stop(&StopOptions::now().with_force_kill()).await,
        C::ContainerReopenLog => container.reopen_log().await,
        C::ContainerUpdate => container.update(&Resources::default()).await,
        C::ContainerStats => container.stats().await.map(drop),
        C::ContainerCopy => container.copy_out_archive("/etc").await.map(drop),
        C::ExecSync | C::ExecTimeout | C::ExecEnv | C::ExecCwd | C::ExecUser | C::ExecTty => {
            container.exec(&exec(capability)).await.map(drop)
        }
        C::ExecStream => container.start_exec(&exec(capability)).await.map(drop),
        C::ExecStdin => container.start_exec(&exec(capability).with_stdin()).await.map(drop),
        C::ExecResize => container
            .start_exec(&exec(capability).with_terminal_size(TerminalSize::new(80, 24)))
            .await
            .map(drop),
        C::ExecAttach => container.attach(&AttachOptions::default()).await.map(drop),
        C::ImagePullNoProgressLimit => {
            let options =
                runtime_core::PullOptions::default().with_no_progress_limit(Duration::from_secs(60));
            client.images().pull(&image, &options).await.map(drop)
        }
        C::ImagePull => client.images().pull(&image, &Default::default()).await.map(drop),
        C::ImagePullCredentials => {
            let credentials = RegistryCredentials::basic(env.registry().address(), "user", "password");
            let options = runtime_core::PullOptions::default().with_credentials(credentials);
            client.images().pull(&image, &options).await.map(drop)
        }
        C::ImageStatus => client.images().status(&image).await.map(drop),
        C::ImageList => client.images().list(&ImageFilter::default()).await.map(drop),
        C::ImageRemove => client.images().remove("127.0.0.1:1/wharf-conformance-unknown:1").await,
        C::ImageFilesystem => client.images().filesystem().await.map(drop),
        C::ImageMount => client.images().mount(pod.id(), &mount).await.map(drop),
        C::ImageMountPrefetch => {
            client.images().mount(pod.id(), &mount.with_prefetch(["/etc"])).await.map(drop)
        }
        C::ImageRemount => client.images().remount(pod.id(), &mount).await.map(drop),
        C::ImageUnmount => client.images().unmount(pod.id(), &mount.id).await,
        C::ImageMounts => client.images().mounts(pod.id()).await.map(drop),
        field_of_a_pod => {
            let mut spec = sample_pod(env, field_of_a_pod);
            ask_for(&mut spec, field_of_a_pod);
            client.run_pod_with(&spec, &RunOptions::default()).await.map(drop)
        }
    }
}

/// A pod that asks for nothing special: with a container, where that is not special itself.
fn sample_pod(env: &Env, capability: Capability) -> PodSpec {
    let is_of_containers = matches!(capability, Capability::PodContainers | Capability::PodInitContainers)
        || capability.name().starts_with("container.");
    if is_of_containers || env.has(Capability::PodContainers) {
        env.pod_running(["pause"])
    } else {
        env.pod()
    }
}

fn exec(capability: Capability) -> ExecSpec {
    let mut spec = ExecSpec::new(["/guest", "echo"]);
    match capability {
        Capability::ExecTimeout => spec.timeout = Some(Duration::from_secs(5)),
        Capability::ExecEnv => spec = spec.with_env("A", "b"),
        Capability::ExecCwd => spec = spec.with_cwd("/"),
        Capability::ExecUser => spec = spec.with_user("1000"),
        Capability::ExecTty => spec.tty = true,
        _ => {}
    }
    spec
}

/// Sets a field of a pod that needs a capability, to a value that is valid by itself.
fn ask_for(pod: &mut PodSpec, capability: Capability) {
    use Capability as C;
    let mapping = vec![IdMapping { host_id: 100_000, container_id: 0, length: 65_536 }];
    let mut none = ContainerSpec::default();
    let container = pod.containers.first_mut().unwrap_or(&mut none);
    match capability {
        C::PodWithoutContainers => pod.containers.clear(),
        C::PodInitContainers => {
            let mut init = pod.containers[0].clone();
            init.name = "init".to_owned();
            pod.init_containers = vec![init];
        }
        C::PodHostname => pod.hostname = Some("chosen".to_owned()),
        C::PodLogDirectory => {
            pod.log_directory = Some(std::env::temp_dir().join("wharf-conformance-refused"))
        }
        C::PodDns => {
            pod.dns = Some(DnsConfig { servers: vec!["192.0.2.1".to_owned()], ..DnsConfig::default() })
        }
        C::PodPorts => {
            pod.ports = vec![PortMapping { container_port: 80, host_port: 18_080, ..PortMapping::default() }];
        }
        C::PodCgroupParent => pod.cgroup_parent = Some("/wharf-conformance".to_owned()),
        C::PodSysctls => {
            _ = pod.sysctls.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned())
        }
        C::PodOverhead => pod.overhead = Some(Resources::default().with_memory_limit(Bytes::mib(1))),
        C::PodResources => pod.resources = Some(Resources::default().with_memory_limit(Bytes::mib(64))),
        C::PodTmpfsVolumes => {
            pod.volumes =
                vec![Volume { name: "scratch".to_owned(), source: VolumeSource::Tmpfs { size_limit: None } }];
        }
        C::PodPullSecrets => {
            pod.pull_secrets = vec![RegistryCredentials::basic("127.0.0.1:1", "user", "password")];
        }
        C::PodArchitecture => pod.architecture = Some(Architecture::Amd64),
        C::PodRestartPolicy => pod.restart_policy = RestartPolicy::Always,
        C::PodHostNamespaces => pod.security.namespaces.network = NamespaceMode::Node,
        C::PodUserNamespace => {
            let user = UserNamespace { mode: NamespaceMode::Pod, uids: mapping.clone(), gids: mapping };
            pod.security.namespaces.user = Some(user);
        }
        C::PodSandboxUser => pod.security.run_as_user = Some(1000),
        C::PodPrivileged => pod.security.privileged = true,
        C::PodWindows => pod.windows = Some(WindowsPodOptions::default()),
        C::ContainerImageOptions => _ = container.image.annotations.insert("a".to_owned(), "b".to_owned()),
        C::ContainerLogPath => container.log_path = Some("chosen.log".to_owned()),
        C::ContainerWorkingDir => container.working_dir = Some("/tmp".to_owned()),
        C::ContainerEnv => container.env = vec![runtime_core::spec::EnvVar::new("A", "b")],
        C::ContainerStdin => container.stdin = true,
        C::ContainerTty => container.tty = true,
        C::ContainerStopSignal => container.stop_signal = Some("SIGINT".to_owned()),
        C::ContainerMounts => container.mounts = vec![Mount::host("/tmp", "/data")],
        C::ContainerReadOnlyMounts => container.mounts = vec![Mount::host("/tmp", "/data").read_only()],
        C::ContainerRecursiveReadOnlyMounts => {
            container.mounts = vec![Mount::host("/tmp", "/data").read_only()];
            container.mounts[0].recursive_read_only = true;
        }
        C::ContainerMountPropagation => {
            container.mounts = vec![Mount::host("/tmp", "/data")];
            container.mounts[0].propagation = MountPropagation::HostToContainer;
        }
        C::ContainerMountRelabel => {
            container.mounts = vec![Mount::host("/tmp", "/data")];
            container.mounts[0].selinux_relabel = true;
        }
        C::ContainerMountIdMapping => {
            container.mounts = vec![Mount::host("/tmp", "/data")];
            container.mounts[0].uid_mappings = mapping;
        }
        C::ContainerImageMounts => {
            container.mounts = vec![Mount::host("/tmp", "/data")];
            container.mounts[0].source = MountSource::Image {
                reference: container.image.reference.clone(),
                annotations: Default::default(),
                user_specified: None,
                runtime_handler: None,
            };
        }
        C::ContainerDevices => {
            let null = "/dev/null".to_owned();
            container.devices =
                vec![Device { container_path: null.clone(), host_path: null, permissions: "rw".to_owned() }];
        }
        C::ContainerCdiDevices => container.cdi_devices = vec!["vendor.test/class=one".to_owned()],
        C::ContainerMemoryLimit => container.resources.limits.memory = Some(Bytes::mib(64)),
        C::ContainerSwapLimit => container.resources.linux.memory_swap_limit = Some(SwapLimit::Unlimited),
        C::ContainerCpu => container.resources.limits.cpu = Some(MilliCpu(500)),
        C::ContainerCpuCgroup => container.resources.linux.cpu_quota = Some(CpuQuota::Micros(50_000)),
        C::ContainerCpuset => container.resources.linux.cpuset_cpus = Some("0".to_owned()),
        C::ContainerOomScore => container.resources.linux.oom_score_adj = Some(900),
        C::ContainerHugepages => {
            container.resources.linux.hugepage_limits =
                vec![HugepageLimit { page_size: "2MB".to_owned(), limit: Bytes::mib(2) }];
        }
        C::ContainerCgroupUnified => {
            _ = container.resources.linux.unified.insert("memory.high".to_owned(), "67108864".to_owned());
        }
        C::ContainerLinuxCapabilities => container.security.capabilities.drop = vec!["ALL".to_owned()],
        C::ContainerAmbientCapabilities => {
            container.security.capabilities.add_ambient = vec!["NET_BIND_SERVICE".to_owned()];
        }
        C::ContainerPrivileged => container.security.privileged = true,
        C::ContainerNamespaces => container.security.namespaces = Some(Namespaces::default()),
        C::ContainerSelinux => container.security.selinux = Some(SeLinuxOptions::default()),
        C::ContainerUser => container.security.run_as_user = Some(1000),
        C::ContainerUsername => container.security.run_as_username = Some("app".to_owned()),
        C::ContainerGroups => container.security.supplemental_groups = vec![2000],
        C::ContainerGroupsPolicy => {
            container.security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
        }
        C::ContainerReadOnlyRootfs => container.security.read_only_rootfs = true,
        C::ContainerNoNewPrivs => container.security.no_new_privs = true,
        C::ContainerPaths => container.security.masked_paths = Some(Vec::new()),
        C::ContainerSeccomp => container.security.seccomp = Some(SecurityProfile::Unconfined),
        C::ContainerApparmor => container.security.apparmor = Some(SecurityProfile::Unconfined),
        C::ContainerWindows => container.windows = Some(WindowsContainerOptions::default()),
        _ => {}
    }
}
