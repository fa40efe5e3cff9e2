//! Any spec of what Kubernetes can carry, with any options.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use k8s_openapi::{
    api::core::v1 as k8s,
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};
use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
    sample::select,
};
use runtime_core::{
    helpers::{arch::Architecture, pull_policy::PullPolicy},
    spec::{
        Bytes, ContainerSecurity, ContainerSpec, DnsConfig, EnvVar, ImageSpec, MilliCpu, Mount,
        MountPropagation, MountSource, NamespaceMode, PodSpec, PortMapping, Protocol, RegistryCredentials,
        ResourceAmounts, Resources, RestartPolicy, SeLinuxOptions, SecurityProfile, SupplementalGroupsPolicy,
        UserNamespace, Volume, VolumeSource,
    },
};

use crate::options::{K8sContainerOptions, K8sPodOptions, Toolbox, ToolboxSource};

pub(super) fn spec() -> impl Strategy<Value = PodSpec> {
    let names = (name(), option::of(name()), option::of(name()), 0..3u32, option::of(name()));
    let maps = (map(), map(), map(), option::of(dns()), vec(port(), 0..3));
    let security = (pod_security(), vec(any::<u32>(), 0..3), any::<bool>(), option::of(resources(false)));
    let lists = (vec(container(), 1..4), vec(container(), 0..3), btree_set(name(), 0..3), vec(size(), 3));
    let rest = (
        btree_map(name(), ("[a-z]{0,4}", "\\PC{0,8}"), 0..3),
        option::of(select(&Architecture::ALL)),
        select(vec![RestartPolicy::Never, RestartPolicy::OnFailure, RestartPolicy::Always]),
        pod_options(),
    );
    (names, maps, security, lists, rest).prop_map(|(names, maps, security, lists, rest)| {
        let mut spec = PodSpec::default();
        (spec.name, spec.namespace, spec.uid, spec.attempt, spec.hostname) = names;
        (spec.labels, spec.annotations, spec.sysctls, spec.dns, spec.ports) = maps;
        spec.security = security.0;
        spec.resources = security.3.filter(|resources| *resources != Resources::default());
        let (containers, init_containers, volumes, sizes) = lists;
        let tmpfs = |(name, size_limit)| Volume { name, source: VolumeSource::Tmpfs { size_limit } };
        spec.volumes = volumes.into_iter().zip(sizes).map(tmpfs).collect();
        let (credentials, architecture, restart_policy, (mut options, of_containers)) = rest;
        spec.pull_secrets = credentials
            .into_iter()
            .map(|(registry, (user, password))| RegistryCredentials::basic(registry, user, password))
            .collect();
        (spec.architecture, spec.restart_policy) = (architecture, restart_policy);
        // Kubernetes has the groups once for all.
        let own = |(index, mut container): (usize, ContainerSpec)| {
            container.name = format!("c{index}");
            container.security.supplemental_groups.clone_from(&security.1);
            container.security.supplemental_groups_policy =
                if security.2 { SupplementalGroupsPolicy::Strict } else { SupplementalGroupsPolicy::Merge };
            if container.security.namespaces.is_some() {
                container.security.namespaces = Some(spec.security.namespaces.clone());
            }
            for mount in &mut container.mounts {
                if let MountSource::Volume(name) = &mut mount.source {
                    match spec.volumes.first() {
                        Some(volume) => name.clone_from(&volume.name),
                        None => mount.source = MountSource::Host("/var".into()),
                    }
                }
            }
            container
        };
        let mut all: Vec<_> = containers.into_iter().chain(init_containers).enumerate().map(own).collect();
        let (count, of_container) = of_containers;
        let has_options = !all.is_empty() && of_container != K8sContainerOptions::default();
        if has_options {
            let chosen = count % all.len();
            if of_container.expand {
                all[chosen].args.push("$(POD_NAME)".to_owned());
                options.env_secret = false;
            }
            options.volumes.push(config_volume());
            options.containers.insert(all[chosen].name.clone(), of_container);
        }
        let init = all.split_off(all.len().min(1 + count % 2));
        (spec.containers, spec.init_containers) = (all, init);
        if options != K8sPodOptions::default() {
            spec.extensions.set(&options).unwrap();
        }
        spec
    })
}

fn pod_security() -> impl Strategy<Value = runtime_core::spec::PodSecurity> {
    use NamespaceMode::{Container, Node, Pod};
    let namespaces = (
        select(vec![Pod, Node]),
        select(vec![Pod, Container, Node]),
        select(vec![Pod, Node]),
        option::of(select(vec![Pod, Node])),
    );
    let profiles = (option::of(profile()), option::of(profile()), option::of(selinux()));
    (namespaces, profiles, any::<bool>(), any::<bool>()).prop_map(
        |(namespaces, profiles, privileged, strict)| {
            let mut security = runtime_core::spec::PodSecurity::default();
            security.namespaces.network = namespaces.0;
            security.namespaces.pid = namespaces.1;
            security.namespaces.ipc = namespaces.2;
            security.namespaces.user =
                namespaces.3.map(|mode| UserNamespace { mode, ..UserNamespace::default() });
            (security.seccomp, security.apparmor, security.selinux) = profiles;
            security.privileged = privileged;
            if strict {
                security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
            }
            security
        },
    )
}

fn container() -> impl Strategy<Value = ContainerSpec> {
    let policies = vec![PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never];
    let image = (name(), option::of(name()), option::of(select(policies)));
    let texts = (vec(text(), 0..3), vec(text(), 0..3), option::of("/[a-z]{0,8}"));
    let env = vec((name(), text()).prop_map(|(name, value)| EnvVar::new(name, value)), 0..3);
    let rest = (map(), map(), any::<(bool, bool, bool)>(), 0..3u32);
    (image, texts, env, vec(mount(), 0..4), rest, resources(true), security()).prop_map(
        |(image, texts, env, mounts, rest, resources, security)| {
            let mut reference = ImageSpec::new(image.0);
            reference.user_specified = image.1;
            let mut spec = ContainerSpec::new("", "");
            spec.image = reference;
            spec.pull_policy = image.2;
            (spec.command, spec.args, spec.working_dir) = texts;
            (spec.env, spec.mounts) = (env, mounts);
            for (index, mount) in spec.mounts.iter_mut().enumerate() {
                // One target can be taken once.
                mount.target.push_str(&index.to_string());
            }
            (spec.labels, spec.annotations) = (rest.0, rest.1);
            (spec.stdin, spec.stdin_once, spec.tty) = rest.2;
            (spec.attempt, spec.resources, spec.security) = (rest.3, resources, security);
            spec
        },
    )
}

fn security() -> impl Strategy<Value = ContainerSecurity> {
    let users = option::of((any::<u32>(), option::of(any::<u32>())));
    let profiles = (option::of(profile()), option::of(profile()), option::of(selinux()));
    let capabilities = (vec(name(), 0..2), vec(name(), 0..2));
    (users, profiles, capabilities, any::<[bool; 4]>()).prop_map(|(users, profiles, capabilities, flags)| {
        let mut security = ContainerSecurity::default();
        security.run_as_user = users.map(|(user, _)| user);
        security.run_as_group = users.and_then(|(_, group)| group);
        (security.seccomp, security.apparmor, security.selinux) = profiles;
        (security.capabilities.add, security.capabilities.drop) = capabilities;
        [security.privileged, security.read_only_rootfs, security.no_new_privs, _] = flags;
        security.namespaces = flags[3].then(Default::default);
        security
    })
}

fn mount() -> impl Strategy<Value = Mount> {
    let source = prop_oneof![
        "/[a-z]{0,4}".prop_map(|path| MountSource::Host(path.into())),
        Just(MountSource::Volume(String::new())),
        name().prop_map(|reference| MountSource::Image {
            reference,
            annotations: BTreeMap::new(),
            user_specified: None,
            runtime_handler: None,
        }),
    ];
    let modes =
        vec![MountPropagation::Private, MountPropagation::HostToContainer, MountPropagation::Bidirectional];
    (source, "/[a-z]{1,8}", any::<(bool, bool)>(), select(modes)).prop_map(
        |(source, target, (read_only, recursive), propagation)| {
            let mut mount = Mount::default();
            (mount.source, mount.target, mount.propagation) = (source, target, propagation);
            (mount.read_only, mount.recursive_read_only) = (read_only, read_only && recursive);
            mount
        },
    )
}

fn resources(of_container: bool) -> impl Strategy<Value = Resources> {
    let amounts = || {
        (option::of(0..1u64 << 40), option::of(0..1u64 << 62))
            .prop_map(|(cpu, memory)| ResourceAmounts { cpu: cpu.map(MilliCpu), memory: memory.map(Bytes) })
    };
    (amounts(), amounts(), option::of(0..1u64 << 40)).prop_map(move |(requests, limits, in_kernels_terms)| {
        let mut resources = Resources::default();
        (resources.requests, resources.limits) = (requests, limits);
        resources.linux.memory_limit = in_kernels_terms.filter(|_| of_container).map(Bytes);
        resources
    })
}

fn pod_options() -> impl Strategy<Value = (K8sPodOptions, (usize, K8sContainerOptions))> {
    let toolbox = (name(), select(vec![ToolboxSource::InitContainer, ToolboxSource::ImageVolume]))
        .prop_map(|(image, via)| Toolbox { via, ..Toolbox::new(image, "/toolbox") });
    let life = (option::of(1..1000u32), option::of(31..1000u32), option::of(0..1_000_000u64));
    let words = (option::of(name()), option::of(name()), vec(name(), 0..2), map());
    let tolerations = vec(name(), 0..2);
    let flags = (any::<bool>(), any::<bool>(), option::of(any::<i64>()), option::of(toolbox));
    let of_container = (any::<usize>(), option::of(container_options()));
    (life, words, tolerations, flags, of_container).prop_map(
        |(life, words, tolerations, flags, of_container)| {
            let mut options = K8sPodOptions { active_deadline_seconds: life.0, ..K8sPodOptions::default() };
            options.termination_grace_period_seconds = life.1;
            options.unschedulable_limit = life.2.map(Duration::from_millis);
            (options.service_account_name, options.priority_class_name) = (words.0, words.1);
            (options.image_pull_secrets, options.node_selector) = (words.2, words.3);
            options.tolerations = tolerations
                .into_iter()
                .map(|key| k8s::Toleration {
                    key: Some(key),
                    operator: Some("Exists".into()),
                    ..Default::default()
                })
                .collect();
            options.env_secret = flags.0;
            options.automount_service_account_token = flags.1.then_some(true);
            options.security.fs_group = flags.2;
            options.toolbox = flags.3;
            (options, (of_container.0, of_container.1.unwrap_or_default()))
        },
    )
}

fn container_options() -> impl Strategy<Value = K8sContainerOptions> {
    (any::<[bool; 5]>(), 1..1000i32).prop_map(|(flags, number)| {
        let mut options = K8sContainerOptions { expand: flags[0], ..K8sContainerOptions::default() };
        if flags[1] {
            let field = k8s::ObjectFieldSelector { field_path: "metadata.name".into(), ..Default::default() };
            options.env.push(k8s::EnvVar {
                name: "POD_NAME".into(),
                value: None,
                value_from: Some(k8s::EnvVarSource { field_ref: Some(field), ..Default::default() }),
            });
        }
        if flags[2] {
            let get = k8s::HTTPGetAction { port: IntOrString::Int(number), ..Default::default() };
            options.readiness_probe = Some(k8s::Probe { http_get: Some(get), ..Default::default() });
        }
        if flags[3] {
            options.ports.push(k8s::ContainerPort {
                container_port: number,
                name: Some("http".into()),
                ..Default::default()
            });
            options.limits.insert("nvidia.com/gpu".into(), Quantity(number.to_string()));
        }
        if flags[4] {
            options.volume_mounts.push(k8s::VolumeMount {
                name: config_volume().name,
                mount_path: "/etc/app".into(),
                sub_path: Some("app".into()),
                ..Default::default()
            });
        }
        options
    })
}

fn config_volume() -> k8s::Volume {
    let source = k8s::ConfigMapVolumeSource { name: "config".into(), ..Default::default() };
    k8s::Volume { name: "zz-config".into(), config_map: Some(source), ..Default::default() }
}

fn dns() -> impl Strategy<Value = DnsConfig> {
    let option =
        prop_oneof![name(), (name(), "[a-z0-9:]{0,4}").prop_map(|(name, value)| format!("{name}:{value}"))];
    let server = any::<IpAddr>().prop_map(|address| address.to_string());
    (vec(server, 0..3), vec(name(), 0..3), vec(option, 0..3))
        .prop_map(|(servers, searches, options)| DnsConfig { servers, searches, options })
}

fn port() -> impl Strategy<Value = PortMapping> {
    let protocols = select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    (1..u16::MAX, any::<u16>(), option::of(any::<IpAddr>()), protocols).prop_map(
        |(container_port, host_port, host_ip, protocol)| PortMapping {
            container_port,
            host_port,
            host_ip,
            protocol,
        },
    )
}

fn profile() -> impl Strategy<Value = SecurityProfile> {
    prop_oneof![
        Just(SecurityProfile::RuntimeDefault),
        Just(SecurityProfile::Unconfined),
        name().prop_map(SecurityProfile::Localhost),
    ]
}

fn selinux() -> impl Strategy<Value = SeLinuxOptions> {
    (word(), word(), word(), word()).prop_map(|(user, role, kind, level)| SeLinuxOptions {
        user,
        role,
        kind,
        level,
    })
}

fn size() -> impl Strategy<Value = Option<Bytes>> {
    option::of((1..1u64 << 62).prop_map(Bytes))
}

/// Any text without NUL, often with what Kubernetes would expand.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,8}", "[$()A]{0,8}"]
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]([a-z0-9]{0,8}[a-z])?"
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{0,4}"
}

fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(name(), "[a-zA-Z0-9]{0,8}", 0..3)
}
