//! Which capability each field of a call's input needs.
//!
//! Every struct is taken apart field by field, without `..`: a new field does not compile until it is said here what it
//! needs, so no driver can drop it in silence.

use std::fmt::Display;

use crate::{
    AttachOptions, Call, Capability as C, CreateOptions, ExistingPolicy, LogOptions, PullOptions, RunOptions,
    StopOptions, WaitFor,
    spec::{
        ContainerSecurity, ContainerSpec, ExecSpec, ImageMountSpec, ImageSpec, LinuxCapabilities,
        LinuxResources, Mount, MountPropagation, MountSource, NamespaceMode, Namespaces, PodSecurity,
        PodSpec, Resources, RestartPolicy, SupplementalGroupsPolicy, VolumeSource,
    },
};

/// Is told of a capability and the path of the field that needs it.
type Visit<'v> = &'v mut dyn FnMut(C, &dyn Display);

/// What the input of a call needs, beside the operation itself.
pub(crate) fn of_call(call: &Call<'_>, visit: Visit<'_>) {
    match call {
        Call::PodRun { spec, options: RunOptions { wait_for, existing } } => {
            of_pod(spec, visit);
            need(visit, *wait_for == WaitFor::Ready, C::PodReadiness, &"waitFor");
            need(visit, *existing != ExistingPolicy::Fail, C::PodExisting, &"existing");
        }
        Call::PodStop { options: StopOptions { grace_period: _, force_kill }, .. } => {
            need(visit, *force_kill, C::PodForceKill, &"forceKill");
        }
        Call::ContainerStop { options: StopOptions { grace_period: _, force_kill }, .. } => {
            need(visit, *force_kill, C::ContainerForceKill, &"forceKill");
        }
        Call::ContainerCreate { spec, options: CreateOptions { existing }, .. } => {
            of_container(&"spec", spec, visit);
            need(visit, *existing != ExistingPolicy::Fail, C::ContainerExisting, &"existing");
        }
        Call::ContainerUpdate { resources, .. } => of_resources(&"resources", resources, visit),
        Call::ContainerLogs { options, .. } => of_logs(options, visit),
        Call::ExecSync { spec, .. } | Call::ExecStart { spec, .. } => of_exec(spec, visit),
        Call::ExecAttach { options: AttachOptions { stdin }, .. } => {
            need(visit, *stdin, C::ExecStdin, &"stdin");
        }
        Call::ImageMount { spec, .. } | Call::ImageRemount { spec, .. } => {
            let ImageMountSpec { id: _, source: _, prefetch, extensions: _ } = spec;
            need(visit, !prefetch.is_empty(), C::ImageMountPrefetch, &"prefetch");
        }
        Call::ImagePull { options: PullOptions { credentials, no_progress_limit }, .. } => {
            need(visit, credentials.is_some(), C::ImagePullCredentials, &"credentials");
            need(visit, no_progress_limit.is_some(), C::ImagePullNoProgressLimit, &"noProgressLimit");
        }
        _ => {}
    }
}

/// What a pod's spec needs.
pub(crate) fn of_pod(spec: &PodSpec, visit: Visit<'_>) {
    let PodSpec {
        name: _,
        namespace: _,
        uid: _,
        attempt: _,
        labels: _,
        annotations: _,
        hostname,
        log_directory,
        dns,
        ports,
        cgroup_parent,
        sysctls,
        security,
        overhead,
        resources,
        windows,
        init_containers,
        containers,
        volumes,
        pull_secrets,
        architecture,
        restart_policy,
        extensions: _,
    } = spec;
    let has_none = init_containers.is_empty() && containers.is_empty();
    need(visit, has_none, C::PodWithoutContainers, &"containers");
    need(visit, !has_none, C::PodContainers, &"containers");
    need(visit, !init_containers.is_empty(), C::PodInitContainers, &"initContainers");
    need(visit, hostname.is_some(), C::PodHostname, &"hostname");
    need(visit, log_directory.is_some(), C::PodLogDirectory, &"logDirectory");
    need(visit, dns.is_some(), C::PodDns, &"dns");
    need(visit, ports.iter().any(|port| port.host_port != 0), C::PodPorts, &"ports");
    need(visit, cgroup_parent.is_some(), C::PodCgroupParent, &"cgroupParent");
    need(visit, !sysctls.is_empty(), C::PodSysctls, &"sysctls");
    need(visit, overhead.is_some(), C::PodOverhead, &"overhead");
    need(visit, resources.is_some(), C::PodResources, &"resources");
    need(visit, windows.is_some(), C::PodWindows, &"windows");
    need(visit, !pull_secrets.is_empty(), C::PodPullSecrets, &"pullSecrets");
    need(visit, architecture.is_some(), C::PodArchitecture, &"architecture");
    need(visit, *restart_policy != RestartPolicy::Never, C::PodRestartPolicy, &"restartPolicy");
    for (index, volume) in volumes.iter().enumerate() {
        match volume.source {
            VolumeSource::Tmpfs { size_limit: _ } => {
                visit(C::PodTmpfsVolumes, &format_args!("volumes[{index}].source"));
            }
        }
    }
    of_pod_security(security, visit);
    for (path, container) in spec.all_containers() {
        of_container(&path, container, visit);
    }
}

fn of_pod_security(security: &PodSecurity, visit: Visit<'_>) {
    let PodSecurity {
        namespaces,
        selinux,
        run_as_user,
        run_as_group,
        read_only_rootfs,
        supplemental_groups,
        supplemental_groups_policy,
        privileged,
        seccomp,
        apparmor,
        seccomp_profile_path,
    } = security;
    of_namespaces(&"security.namespaces", namespaces, visit);
    need(visit, selinux.is_some(), C::ContainerSelinux, &"security.selinux");
    need(visit, *privileged, C::PodPrivileged, &"security.privileged");
    need(visit, run_as_user.is_some(), C::PodSandboxUser, &"security.runAsUser");
    need(visit, run_as_group.is_some(), C::PodSandboxUser, &"security.runAsGroup");
    need(visit, *read_only_rootfs, C::PodSandboxUser, &"security.readOnlyRootfs");
    need(visit, !supplemental_groups.is_empty(), C::PodSandboxUser, &"security.supplementalGroups");
    let strict = *supplemental_groups_policy == SupplementalGroupsPolicy::Strict;
    need(visit, strict, C::ContainerGroupsPolicy, &"security.supplementalGroupsPolicy");
    need(visit, seccomp.is_some(), C::ContainerSeccomp, &"security.seccomp");
    need(visit, apparmor.is_some(), C::ContainerApparmor, &"security.apparmor");
    need(visit, seccomp_profile_path.is_some(), C::ContainerSeccomp, &"security.seccompProfilePath");
}

fn of_namespaces(path: &dyn Display, namespaces: &Namespaces, visit: Visit<'_>) {
    let Namespaces { network, pid, ipc, target, user } = namespaces;
    for (name, mode) in [("network", network), ("pid", pid), ("ipc", ipc)] {
        need(visit, *mode == NamespaceMode::Node, C::PodHostNamespaces, &format_args!("{path}.{name}"));
        need(visit, *mode == NamespaceMode::Target, C::ContainerNamespaces, &format_args!("{path}.{name}"));
    }
    // Processes of their own are the default; sharing them within the pod is a wish.
    need(visit, *pid == NamespaceMode::Pod, C::ContainerNamespaces, &format_args!("{path}.pid"));
    need(visit, target.is_some(), C::ContainerNamespaces, &format_args!("{path}.target"));
    need(visit, user.is_some(), C::PodUserNamespace, &format_args!("{path}.user"));
}

fn of_container(path: &dyn Display, spec: &ContainerSpec, visit: Visit<'_>) {
    let ContainerSpec {
        name: _,
        attempt: _,
        image: ImageSpec { reference: _, annotations: image_annotations, user_specified: _, runtime_handler },
        pull_policy: _,
        command: _,
        args: _,
        working_dir,
        env,
        mounts,
        devices,
        cdi_devices,
        labels: _,
        annotations: _,
        log_path,
        stdin,
        stdin_once,
        tty,
        resources,
        security,
        stop_signal,
        windows,
    } = spec;
    need(
        visit,
        !image_annotations.is_empty(),
        C::ContainerImageOptions,
        &format_args!("{path}.image.annotations"),
    );
    need(
        visit,
        runtime_handler.is_some(),
        C::ContainerImageOptions,
        &format_args!("{path}.image.runtimeHandler"),
    );
    need(visit, working_dir.is_some(), C::ContainerWorkingDir, &format_args!("{path}.workingDir"));
    need(visit, !env.is_empty(), C::ContainerEnv, &format_args!("{path}.env"));
    need(visit, !devices.is_empty(), C::ContainerDevices, &format_args!("{path}.devices"));
    need(visit, !cdi_devices.is_empty(), C::ContainerCdiDevices, &format_args!("{path}.cdiDevices"));
    need(visit, log_path.is_some(), C::ContainerLogPath, &format_args!("{path}.logPath"));
    need(visit, *stdin, C::ContainerStdin, &format_args!("{path}.stdin"));
    need(visit, *stdin_once, C::ContainerStdin, &format_args!("{path}.stdinOnce"));
    need(visit, *tty, C::ContainerTty, &format_args!("{path}.tty"));
    need(visit, stop_signal.is_some(), C::ContainerStopSignal, &format_args!("{path}.stopSignal"));
    need(visit, windows.is_some(), C::ContainerWindows, &format_args!("{path}.windows"));
    for (index, mount) in mounts.iter().enumerate() {
        of_mount(&format_args!("{path}.mounts[{index}]"), mount, visit);
    }
    of_resources(&format_args!("{path}.resources"), resources, visit);
    of_security(&format_args!("{path}.security"), security, visit);
}

fn of_mount(path: &dyn Display, mount: &Mount, visit: Visit<'_>) {
    let Mount {
        target: _,
        source,
        read_only,
        recursive_read_only,
        selinux_relabel,
        propagation,
        uid_mappings,
        gid_mappings,
    } = mount;
    let capability = match source {
        MountSource::Host(_) => C::ContainerMounts,
        // A volume needs what its source needs, which the pod's `volumes` say.
        MountSource::Volume(_) => C::PodTmpfsVolumes,
        MountSource::Image { .. } => C::ContainerImageMounts,
    };
    visit(capability, &format_args!("{path}.source"));
    need(visit, *read_only, C::ContainerReadOnlyMounts, &format_args!("{path}.readOnly"));
    let recursive = C::ContainerRecursiveReadOnlyMounts;
    need(visit, *recursive_read_only, recursive, &format_args!("{path}.recursiveReadOnly"));
    need(visit, *selinux_relabel, C::ContainerMountRelabel, &format_args!("{path}.selinuxRelabel"));
    let propagated = *propagation != MountPropagation::Private;
    need(visit, propagated, C::ContainerMountPropagation, &format_args!("{path}.propagation"));
    need(visit, !uid_mappings.is_empty(), C::ContainerMountIdMapping, &format_args!("{path}.uidMappings"));
    need(visit, !gid_mappings.is_empty(), C::ContainerMountIdMapping, &format_args!("{path}.gidMappings"));
}

fn of_resources(path: &dyn Display, resources: &Resources, visit: Visit<'_>) {
    let Resources { requests, limits, linux } = resources;
    need(visit, requests.cpu.is_some(), C::ContainerCpu, &format_args!("{path}.requests.cpu"));
    need(visit, limits.cpu.is_some(), C::ContainerCpu, &format_args!("{path}.limits.cpu"));
    need(visit, limits.memory.is_some(), C::ContainerMemoryLimit, &format_args!("{path}.limits.memory"));
    let LinuxResources {
        cpu_period,
        cpu_quota,
        cpu_shares,
        memory_limit,
        memory_swap_limit,
        oom_score_adj,
        cpuset_cpus,
        cpuset_mems,
        hugepage_limits,
        unified,
    } = linux;
    need(visit, cpu_period.is_some(), C::ContainerCpuCgroup, &format_args!("{path}.linux.cpuPeriod"));
    need(visit, cpu_quota.is_some(), C::ContainerCpuCgroup, &format_args!("{path}.linux.cpuQuota"));
    need(visit, cpu_shares.is_some(), C::ContainerCpuCgroup, &format_args!("{path}.linux.cpuShares"));
    need(visit, memory_limit.is_some(), C::ContainerMemoryLimit, &format_args!("{path}.linux.memoryLimit"));
    need(
        visit,
        memory_swap_limit.is_some(),
        C::ContainerSwapLimit,
        &format_args!("{path}.linux.memorySwapLimit"),
    );
    need(visit, oom_score_adj.is_some(), C::ContainerOomScore, &format_args!("{path}.linux.oomScoreAdj"));
    need(visit, cpuset_cpus.is_some(), C::ContainerCpuset, &format_args!("{path}.linux.cpusetCpus"));
    need(visit, cpuset_mems.is_some(), C::ContainerCpuset, &format_args!("{path}.linux.cpusetMems"));
    need(
        visit,
        !hugepage_limits.is_empty(),
        C::ContainerHugepages,
        &format_args!("{path}.linux.hugepageLimits"),
    );
    need(visit, !unified.is_empty(), C::ContainerCgroupUnified, &format_args!("{path}.linux.unified"));
}

fn of_security(path: &dyn Display, security: &ContainerSecurity, visit: Visit<'_>) {
    let ContainerSecurity {
        capabilities: LinuxCapabilities { add, drop, add_ambient },
        privileged,
        namespaces,
        selinux,
        run_as_user,
        run_as_group,
        run_as_username,
        read_only_rootfs,
        supplemental_groups,
        supplemental_groups_policy,
        no_new_privs,
        masked_paths,
        readonly_paths,
        seccomp,
        apparmor,
        apparmor_profile,
        seccomp_profile_path,
    } = security;
    let linux = C::ContainerLinuxCapabilities;
    need(visit, !add.is_empty(), linux, &format_args!("{path}.capabilities.add"));
    need(visit, !drop.is_empty(), linux, &format_args!("{path}.capabilities.drop"));
    let ambient = C::ContainerAmbientCapabilities;
    need(visit, !add_ambient.is_empty(), ambient, &format_args!("{path}.capabilities.addAmbient"));
    need(visit, *privileged, C::ContainerPrivileged, &format_args!("{path}.privileged"));
    if let Some(namespaces) = namespaces {
        visit(C::ContainerNamespaces, &format_args!("{path}.namespaces"));
        of_namespaces(&format_args!("{path}.namespaces"), namespaces, visit);
    }
    need(visit, selinux.is_some(), C::ContainerSelinux, &format_args!("{path}.selinux"));
    need(visit, run_as_user.is_some(), C::ContainerUser, &format_args!("{path}.runAsUser"));
    need(visit, run_as_group.is_some(), C::ContainerUser, &format_args!("{path}.runAsGroup"));
    need(visit, run_as_username.is_some(), C::ContainerUsername, &format_args!("{path}.runAsUsername"));
    need(visit, *read_only_rootfs, C::ContainerReadOnlyRootfs, &format_args!("{path}.readOnlyRootfs"));
    need(
        visit,
        !supplemental_groups.is_empty(),
        C::ContainerGroups,
        &format_args!("{path}.supplementalGroups"),
    );
    let strict = *supplemental_groups_policy == SupplementalGroupsPolicy::Strict;
    need(visit, strict, C::ContainerGroupsPolicy, &format_args!("{path}.supplementalGroupsPolicy"));
    need(visit, *no_new_privs, C::ContainerNoNewPrivs, &format_args!("{path}.noNewPrivs"));
    need(visit, masked_paths.is_some(), C::ContainerPaths, &format_args!("{path}.maskedPaths"));
    need(visit, readonly_paths.is_some(), C::ContainerPaths, &format_args!("{path}.readonlyPaths"));
    need(visit, seccomp.is_some(), C::ContainerSeccomp, &format_args!("{path}.seccomp"));
    need(visit, apparmor.is_some(), C::ContainerApparmor, &format_args!("{path}.apparmor"));
    need(visit, apparmor_profile.is_some(), C::ContainerApparmor, &format_args!("{path}.apparmorProfile"));
    let seccomp = C::ContainerSeccomp;
    need(visit, seccomp_profile_path.is_some(), seccomp, &format_args!("{path}.seccompProfilePath"));
}

fn of_logs(options: &LogOptions, visit: Visit<'_>) {
    let LogOptions { follow, since, tail, previous } = options;
    need(visit, *follow, C::ContainerLogsFollow, &"follow");
    need(visit, since.is_some(), C::ContainerLogsSince, &"since");
    need(visit, tail.is_some(), C::ContainerLogsTail, &"tail");
    need(visit, *previous, C::ContainerLogsPrevious, &"previous");
}

fn of_exec(spec: &ExecSpec, visit: Visit<'_>) {
    let ExecSpec { command: _, env, cwd, user, stdin, tty, terminal_size, timeout } = spec;
    need(visit, !env.is_empty(), C::ExecEnv, &"env");
    need(visit, cwd.is_some(), C::ExecCwd, &"cwd");
    need(visit, user.is_some(), C::ExecUser, &"user");
    need(visit, *stdin, C::ExecStdin, &"stdin");
    need(visit, *tty, C::ExecTty, &"tty");
    need(visit, terminal_size.is_some(), C::ExecResize, &"terminalSize");
    need(visit, timeout.is_some(), C::ExecTimeout, &"timeout");
}

fn need(visit: Visit<'_>, set: bool, capability: C, field: &dyn Display) {
    if set {
        visit(capability, field);
    }
}
