//! Any valid pod and container of CRI, with every field.

use std::collections::HashMap;
use std::net::IpAddr;

use k8s_cri::v1 as cri;
use proptest::{collection::vec, option, prelude::*};

pub(super) fn pod() -> impl Strategy<Value = cri::PodSandboxConfig> {
    let names = (text(), text(), text(), any::<u32>(), text(), text());
    let dns = option::of((texts(), texts(), texts()));
    (names, dns, vec(port(), 0..3), map(), map(), linux_pod(), option::of(windows_pod())).prop_map(
        |(names, dns, port_mappings, labels, annotations, linux, windows)| {
            let (name, uid, namespace, attempt, hostname, log_directory) = names;
            cri::PodSandboxConfig {
                metadata: Some(cri::PodSandboxMetadata { name, uid, namespace, attempt }),
                hostname,
                log_directory,
                dns_config: dns.map(|(servers, searches, options)| cri::DnsConfig {
                    servers,
                    searches,
                    options,
                }),
                port_mappings,
                labels,
                annotations,
                linux: Some(linux),
                windows,
            }
        },
    )
}

pub(super) fn container() -> impl Strategy<Value = cri::ContainerConfig> {
    let names = (text(), any::<u32>(), image(), texts(), texts(), text());
    let parts =
        (vec((text(), text()), 0..4), vec(mount(), 0..3), vec((text(), text(), text()), 0..3), texts());
    let rest = (map(), map(), text(), any::<bool>(), any::<bool>(), any::<bool>());
    (names, parts, rest, resources(), container_security(), option::of(windows_container())).prop_map(
        |(names, parts, rest, resources, security, windows)| {
            let (name, attempt, image, command, args, working_dir) = names;
            let (envs, mounts, devices, cdi_devices) = parts;
            let (labels, annotations, log_path, stdin, stdin_once, tty) = rest;
            let devices = devices.into_iter().map(|(container_path, host_path, permissions)| cri::Device {
                container_path,
                host_path,
                permissions,
            });
            cri::ContainerConfig {
                metadata: Some(cri::ContainerMetadata { name, attempt }),
                image: Some(image),
                command,
                args,
                working_dir,
                envs: envs.into_iter().map(|(key, value)| cri::KeyValue { key, value }).collect(),
                mounts,
                devices: devices.collect(),
                labels,
                annotations,
                log_path,
                stdin,
                stdin_once,
                tty,
                linux: Some(cri::LinuxContainerConfig {
                    resources: Some(resources),
                    security_context: Some(security),
                }),
                windows,
                cdi_devices: cdi_devices.into_iter().map(|name| cri::CdiDevice { name }).collect(),
            }
        },
    )
}

fn linux_pod() -> impl Strategy<Value = cri::LinuxPodSandboxConfig> {
    (text(), pod_security(), map(), option::of(resources()), option::of(resources())).prop_map(
        |(cgroup_parent, security, sysctls, overhead, resources)| cri::LinuxPodSandboxConfig {
            cgroup_parent,
            security_context: Some(security),
            sysctls,
            overhead,
            resources,
        },
    )
}

#[allow(deprecated)]
fn pod_security() -> impl Strategy<Value = cri::LinuxSandboxSecurityContext> {
    let users = (id(), id(), groups(), 0..2i32);
    let profiles = (option::of(profile()), option::of(profile()), text());
    (namespaces(), option::of(selinux()), users, any::<bool>(), any::<bool>(), profiles).prop_map(
        |(namespaces, selinux_options, users, readonly_rootfs, privileged, profiles)| {
            let (run_as_user, run_as_group, supplemental_groups, supplemental_groups_policy) = users;
            let (seccomp, apparmor, seccomp_profile_path) = profiles;
            cri::LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces),
                selinux_options,
                run_as_user,
                run_as_group,
                readonly_rootfs,
                supplemental_groups,
                supplemental_groups_policy,
                privileged,
                seccomp,
                apparmor,
                seccomp_profile_path,
            }
        },
    )
}

#[allow(deprecated)]
fn container_security() -> impl Strategy<Value = cri::LinuxContainerSecurityContext> {
    let users = (id(), id(), text(), groups(), 0..2i32);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let profiles = (option::of(profile()), option::of(profile()), text(), text());
    let paths = (texts(), texts());
    (capabilities(), namespaces(), option::of(selinux()), users, flags, profiles, paths).prop_map(
        |(capabilities, namespaces, selinux_options, users, flags, profiles, paths)| {
            let (run_as_user, run_as_group, run_as_username, supplemental_groups, policy) = users;
            let (privileged, readonly_rootfs, no_new_privs) = flags;
            let (seccomp, apparmor, apparmor_profile, seccomp_profile_path) = profiles;
            let (masked_paths, readonly_paths) = paths;
            cri::LinuxContainerSecurityContext {
                capabilities,
                privileged,
                namespace_options: Some(namespaces),
                selinux_options,
                run_as_user,
                run_as_group,
                run_as_username,
                readonly_rootfs,
                supplemental_groups,
                supplemental_groups_policy: policy,
                no_new_privs,
                masked_paths,
                readonly_paths,
                seccomp,
                apparmor,
                apparmor_profile,
                seccomp_profile_path,
            }
        },
    )
}

/// A message with nothing in it says the same as none, which is what is sent then.
fn capabilities() -> impl Strategy<Value = Option<cri::Capability>> {
    (texts(), texts(), texts()).prop_map(|(add, drop, ambient)| {
        let capability = cri::Capability {
            add_capabilities: add,
            drop_capabilities: drop,
            add_ambient_capabilities: ambient,
        };
        (capability != cri::Capability::default()).then_some(capability)
    })
}

fn namespaces() -> impl Strategy<Value = cri::NamespaceOption> {
    let user = (0..4i32, vec(id_mapping(), 0..2), vec(id_mapping(), 0..2))
        .prop_map(|(mode, uids, gids)| cri::UserNamespace { mode, uids, gids });
    (0..4i32, 0..4i32, 0..4i32, text(), option::of(user)).prop_map(
        |(network, pid, ipc, target_id, userns_options)| cri::NamespaceOption {
            network,
            pid,
            ipc,
            target_id,
            userns_options,
        },
    )
}

fn profile() -> impl Strategy<Value = cri::SecurityProfile> {
    (0..3i32, text()).prop_map(|(profile_type, name)| cri::SecurityProfile {
        profile_type,
        localhost_ref: if profile_type == 2 { name } else { String::new() },
    })
}

fn selinux() -> impl Strategy<Value = cri::SeLinuxOption> {
    (text(), text(), text(), text()).prop_map(|(user, role, kind, level)| cri::SeLinuxOption {
        user,
        role,
        r#type: kind,
        level,
    })
}

fn resources() -> impl Strategy<Value = cri::LinuxContainerResources> {
    let amounts = (amount(), limit(), amount(), amount(), -1000..1001i64, limit());
    let pages = vec((text(), 0..=i64::MAX.unsigned_abs()), 0..3);
    (amounts, text(), text(), pages, map()).prop_map(|(amounts, cpuset_cpus, cpuset_mems, pages, unified)| {
        let (cpu_period, cpu_quota, cpu_shares, memory, oom_score_adj, swap) = amounts;
        cri::LinuxContainerResources {
            cpu_period,
            cpu_quota,
            cpu_shares,
            memory_limit_in_bytes: memory,
            oom_score_adj,
            cpuset_cpus,
            cpuset_mems,
            hugepage_limits: pages
                .into_iter()
                .map(|(page_size, limit)| cri::HugepageLimit { page_size, limit })
                .collect(),
            unified,
            memory_swap_limit_in_bytes: swap,
        }
    })
}

fn mount() -> impl Strategy<Value = cri::Mount> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), 0..3i32);
    let mappings = (vec(id_mapping(), 0..2), vec(id_mapping(), 0..2));
    (text(), text(), flags, mappings, option::of(image())).prop_map(
        |(target, host, flags, mappings, image)| {
            cri::Mount {
                container_path: target,
                // Either the one or the other is mounted.
                host_path: if image.is_none() { host } else { String::new() },
                readonly: flags.0,
                selinux_relabel: flags.1,
                propagation: flags.3,
                uid_mappings: mappings.0,
                gid_mappings: mappings.1,
                recursive_read_only: flags.2,
                image,
            }
        },
    )
}

fn image() -> impl Strategy<Value = cri::ImageSpec> {
    (text(), map(), text(), text()).prop_map(|(image, annotations, user_specified_image, runtime_handler)| {
        cri::ImageSpec { image, annotations, user_specified_image, runtime_handler }
    })
}

fn port() -> impl Strategy<Value = cri::PortMapping> {
    (0..3i32, any::<u16>(), any::<u16>(), option::of(any::<IpAddr>())).prop_map(
        |(protocol, inside, host, ip)| cri::PortMapping {
            protocol,
            container_port: inside.into(),
            host_port: host.into(),
            host_ip: ip.map(|ip| ip.to_string()).unwrap_or_default(),
        },
    )
}

fn windows_pod() -> impl Strategy<Value = cri::WindowsPodSandboxConfig> {
    (text(), text(), any::<bool>(), option::of(0..4i32)).prop_map(
        |(run_as_username, credential_spec, host_process, network)| cri::WindowsPodSandboxConfig {
            security_context: Some(cri::WindowsSandboxSecurityContext {
                run_as_username,
                credential_spec,
                host_process,
                namespace_options: network.map(|network| cri::WindowsNamespaceOption { network }),
            }),
        },
    )
}

fn windows_container() -> impl Strategy<Value = cri::WindowsContainerConfig> {
    let amounts = (amount(), amount(), amount(), amount(), amount());
    let cpus = vec((any::<u64>(), any::<u32>()), 0..3);
    (amounts, cpus, text(), text(), any::<bool>()).prop_map(
        |(amounts, cpus, run_as_username, credential_spec, host_process)| cri::WindowsContainerConfig {
            resources: Some(cri::WindowsContainerResources {
                cpu_shares: amounts.0,
                cpu_count: amounts.1,
                cpu_maximum: amounts.2,
                memory_limit_in_bytes: amounts.3,
                rootfs_size_in_bytes: amounts.4,
                affinity_cpus: cpus
                    .into_iter()
                    .map(|(cpu_mask, cpu_group)| cri::WindowsCpuGroupAffinity { cpu_mask, cpu_group })
                    .collect(),
            }),
            security_context: Some(cri::WindowsContainerSecurityContext {
                run_as_username,
                credential_spec,
                host_process,
            }),
        },
    )
}

fn id_mapping() -> impl Strategy<Value = cri::IdMapping> {
    any::<(u32, u32, u32)>().prop_map(|(host_id, container_id, length)| cri::IdMapping {
        host_id,
        container_id,
        length,
    })
}

fn id() -> impl Strategy<Value = Option<cri::Int64Value>> {
    option::of(any::<u32>().prop_map(|id| cri::Int64Value { value: id.into() }))
}

fn groups() -> impl Strategy<Value = Vec<i64>> {
    vec(any::<u32>().prop_map(i64::from), 0..3)
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 0..=i64::MAX]
}

/// An amount of which -1 is none.
fn limit() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(-1), 0..=i64::MAX]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "\\PC{1,8}"]
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec("\\PC{0,8}", 0..3)
}

fn map() -> impl Strategy<Value = HashMap<String, String>> {
    proptest::collection::hash_map("\\PC{1,8}", "\\PC{0,8}", 0..3)
}
