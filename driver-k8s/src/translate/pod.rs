//! From the spec of a pod to what is created for it.

use std::fmt;

use k8s_openapi::{api::core::v1 as k8s, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use runtime_core::{
    Error, Result,
    compose::Mark,
    helpers::{arch::Architecture, duration},
    spec::{ContainerSpec, PodSpec},
};

use super::{
    container::{self, Making},
    enums,
    kept::{KEPT, Kept},
    names, network, refuse,
    resources::{self, Others},
    said, secret,
    security::{self, HostFields},
    toolbox,
    volumes::{self, Mounted},
};
use crate::options::{K8sPodOptions, is_default};

/// How long the annotations of an object may be together, keys and values.
const MAX_ANNOTATION_BYTES: usize = 256 << 10;

/// What is created for a pod. `Debug` shows names alone.
pub(crate) struct Objects {
    pub(crate) pod: k8s::Pod,
    /// Credentials and, if the options say so, values of variables. It comes first, and gets the pod as its owner.
    pub(crate) secret: Option<k8s::Secret>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |metadata: &ObjectMeta| metadata.name.clone().unwrap_or_default();
        f.debug_struct("Objects")
            .field("pod", &name(&self.pod.metadata))
            .field("secret", &self.secret.as_ref().map(|secret| name(&secret.metadata)))
            .finish()
    }
}

/// What to create for a spec in a namespace. `mark` is written on both objects; `arch_label` is the label of nodes that their
/// architecture is in.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` names the field that Kubernetes can't carry.
pub(crate) fn objects(
    spec: &PodSpec,
    namespace: &str,
    mark: Option<&Mark>,
    arch_label: &str,
) -> Result<Objects> {
    let options: K8sPodOptions = spec.extensions.get()?;
    options.check(spec)?;
    let mut kept = Kept::from_spec(spec);
    kept.strict_groups = !is_default(&spec.security.supplemental_groups_policy);
    kept.architecture = spec.architecture.filter(|arch| Architecture::from_go(arch.go()) != Ok(*arch));
    kept.toolbox.clone_from(&options.toolbox);
    kept.unschedulable_limit = options.unschedulable_limit.map(duration::format);
    kept.env_secret = options.env_secret;

    let life = mark.map_or("", |mark| mark.id());
    let data = secret::data(spec, options.env_secret)?;
    let secret = (!data.is_empty()).then(|| k8s::Secret {
        metadata: ObjectMeta {
            name: Some(names::secret(&spec.name, life)),
            namespace: Some(namespace.to_owned()),
            labels: said(mark.map(Mark::label).into_iter().collect()),
            ..Default::default()
        },
        type_: Some(secret::type_of(&data).to_owned()),
        data: Some(data),
        ..Default::default()
    });
    kept.secret = secret.as_ref().and_then(|secret| secret.metadata.name.clone());

    let mut annotations = spec.annotations.clone();
    annotations.insert(KEPT.to_owned(), kept.to_json()?);
    annotations.extend(mark.into_iter().flat_map(Mark::annotations));
    let bytes: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_ANNOTATION_BYTES {
        let message =
            format!("{bytes} bytes with those that are added; there is room for {MAX_ANNOTATION_BYTES}");
        return Err(Error::invalid("annotations", message));
    }
    let mut labels = spec.labels.clone();
    labels.extend(mark.map(Mark::label));
    let metadata = ObjectMeta {
        name: Some(spec.name.clone()),
        namespace: Some(namespace.to_owned()),
        labels: said(labels),
        annotations: said(annotations),
        finalizers: said(options.finalizers.clone()),
        owner_references: said(options.owner_references.clone()),
        ..Default::default()
    };
    let pod = k8s::Pod { metadata, spec: Some(pod_to_k8s(spec, options, &kept, arch_label)?), status: None };
    Ok(Objects { pod, secret })
}

fn pod_to_k8s(spec: &PodSpec, options: K8sPodOptions, kept: &Kept, arch_label: &str) -> Result<k8s::PodSpec> {
    refuse(&[
        ("logDirectory", spec.log_directory.is_some()),
        ("cgroupParent", spec.cgroup_parent.is_some()),
        ("overhead", spec.overhead.is_some()),
        ("windows", spec.windows.is_some()),
    ])?;
    if spec.containers.is_empty() {
        return Err(Error::invalid("containers", "a Kubernetes pod has at least one"));
    }
    let env_secret = kept.secret.as_deref().filter(|_| options.env_secret);
    let making = Making { pod: spec, mounted: Mounted::of(spec, &options.volumes)?, env_secret };
    let make = |list: &'static str, all: &[ContainerSpec]| {
        let make = |(index, container): (usize, &ContainerSpec)| {
            // Ports are the pod's. The main container shows them.
            let ports = if list == "containers" && index == 0 { spec.ports.as_slice() } else { &[] };
            let none = Default::default();
            let of_container = options.containers.get(&container.name).unwrap_or(&none);
            container::to_k8s(container, of_container, &making, ports)
                .map_err(|error| error.in_field(&format!("{list}[{index}]")))
        };
        all.iter().enumerate().map(make).collect::<Result<Vec<_>>>()
    };
    let (init_containers, containers) =
        (make("initContainers", &spec.init_containers)?, make("containers", &spec.containers)?);
    let own_volumes =
        spec.volumes.iter().enumerate().map(|(index, volume)| volumes::to_volume(index, volume));
    let mut volumes = own_volumes.collect::<Result<Vec<_>>>()?;
    volumes.extend(making.mounted.volumes());
    volumes.extend(options.volumes);
    let mut node_selector = options.node_selector;
    if let Some(architecture) = spec.architecture {
        let other = node_selector.insert(arch_label.to_owned(), architecture.go().to_owned());
        if other.is_some_and(|other| other != architecture.go()) {
            let field = format!("extensions.k8s.nodeSelector[{arch_label:?}]");
            return Err(Error::invalid(field, "is not the architecture of the spec"));
        }
    }
    let others = Others { requests: options.requests, limits: options.limits, claims: Vec::new() };
    let of_pod = spec.resources.clone().unwrap_or_default();
    let own_secret = kept.secret.as_ref().filter(|_| !spec.pull_secrets.is_empty());
    let pull_secrets = options.image_pull_secrets.iter().chain(own_secret);
    let HostFields { host_network, host_pid, host_ipc, host_users, share_process_namespace } =
        security::namespaces_to_k8s(&spec.security.namespaces)?;
    let (dns_policy, dns_config) = network::to_k8s(spec.dns.as_ref(), options.dns_policy.as_ref());
    let mut pod = k8s::PodSpec {
        active_deadline_seconds: options.active_deadline_seconds.map(i64::from),
        affinity: options.affinity,
        automount_service_account_token: Some(options.automount_service_account_token.unwrap_or(false)),
        containers,
        dns_config,
        dns_policy,
        enable_service_links: options.enable_service_links,
        ephemeral_containers: None,
        host_aliases: said(options.host_aliases),
        host_ipc,
        host_network,
        host_pid,
        host_users,
        hostname: spec.hostname.clone(),
        image_pull_secrets: said(
            pull_secrets.map(|name| k8s::LocalObjectReference { name: name.clone() }).collect(),
        ),
        init_containers: said(init_containers),
        node_name: options.node_name,
        node_selector: said(node_selector),
        os: options.os,
        overhead: said(options.overhead),
        preemption_policy: options.preemption_policy,
        priority: options.priority,
        priority_class_name: options.priority_class_name,
        readiness_gates: said(options.readiness_gates),
        resource_claims: said(options.resource_claims),
        resources: resources::to_k8s(&of_pod, others).map_err(|error| error.in_field("resources"))?,
        restart_policy: Some(enums::to_restart_policy(spec.restart_policy)),
        runtime_class_name: options.runtime_class_name,
        scheduler_name: options.scheduler_name,
        scheduling_gates: said(options.scheduling_gates),
        security_context: security::pod_to_k8s(spec, &options.security)?,
        service_account: None,
        service_account_name: options.service_account_name,
        set_hostname_as_fqdn: options.set_hostname_as_fqdn,
        share_process_namespace,
        subdomain: options.subdomain,
        termination_grace_period_seconds: options.termination_grace_period_seconds.map(i64::from),
        tolerations: said(options.tolerations),
        topology_spread_constraints: said(options.topology_spread_constraints),
        volumes: said(volumes),
    };
    if let Some(toolbox) = &options.toolbox {
        toolbox::add(toolbox, &mut pod);
    }
    Ok(pod)
}
