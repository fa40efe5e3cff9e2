//! From a pod of Kubernetes to its spec.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{
    Error, Result,
    helpers::{arch::Architecture, duration},
    marks,
    spec::{PodSpec, RestartPolicy, SupplementalGroupsPolicy},
};

use super::{
    container::{self, Reading},
    enums,
    kept::{HELD, Kept},
    names, network, resources,
    secret::Values,
    security::{self, HostFields},
    toolbox,
    volumes::Volumes,
};
use crate::options::{K8sPodOptions, is_default};

/// The spec of a pod, whoever made it. `secret` is the one that goes with it, if there is one and it may be read: without it
/// credentials are left out, and variables that it holds refer to it.
///
/// What the API server adds to a pod that says nothing is taken for nothing said. A node that the scheduler chose is
/// none that was asked for.
///
/// # Errors
/// `InvalidArgument` names a field, by its path in the pod, with a value that Kubernetes doesn't define or that is none here.
pub(crate) fn pod_spec(pod: k8s::Pod, secret: Option<&k8s::Secret>) -> Result<PodSpec> {
    let kept = Kept::of(&pod);
    let is_live = pod.metadata.uid.is_some();
    let values = secret.map(Values::of).transpose()?;
    let mut message = pod.spec.unwrap_or_default();
    if kept.as_ref().is_some_and(|kept| kept.toolbox.is_some()) {
        toolbox::remove(&mut message);
    }
    if is_live {
        without_what_was_added(&mut message);
    }
    let metadata = pod.metadata;
    let mut spec = PodSpec::new(metadata.name.unwrap_or_default());
    spec.namespace = metadata.namespace.filter(|namespace| !namespace.is_empty());
    spec.labels = marks::visible(metadata.labels.unwrap_or_default());
    spec.annotations = marks::visible(metadata.annotations.unwrap_or_default());
    let mut options =
        read(message, &mut spec, kept, values.as_ref()).map_err(|error| error.in_field("spec"))?;
    spec.pull_secrets = values.map(|values| values.credentials).unwrap_or_default();
    options.owner_references = metadata.owner_references.unwrap_or_default();
    options.finalizers = metadata.finalizers.unwrap_or_default();
    options.finalizers.retain(|finalizer| finalizer != HELD);
    if !is_default(&options) {
        spec.extensions.set(&options)?;
    }
    Ok(spec)
}

/// Reads a pod into a spec that has its metadata, and returns what has no place there.
fn read(
    message: k8s::PodSpec,
    spec: &mut PodSpec,
    kept: Option<Kept>,
    secret: Option<&Values>,
) -> Result<K8sPodOptions> {
    let k8s::PodSpec {
        active_deadline_seconds,
        affinity,
        automount_service_account_token,
        containers,
        dns_config,
        dns_policy,
        enable_service_links,
        ephemeral_containers,
        host_aliases,
        host_ipc,
        host_network,
        host_pid,
        host_users,
        hostname,
        image_pull_secrets,
        init_containers,
        node_name,
        node_selector,
        os,
        overhead,
        preemption_policy,
        priority,
        priority_class_name,
        readiness_gates,
        resource_claims,
        resources,
        restart_policy,
        runtime_class_name,
        scheduler_name,
        scheduling_gates,
        security_context,
        service_account,
        service_account_name,
        set_hostname_as_fqdn,
        share_process_namespace,
        subdomain,
        termination_grace_period_seconds,
        tolerations,
        topology_spread_constraints,
        volumes,
    } = message;
    let (dns, dns_policy) = network::from_k8s(dns_policy, dns_config);
    spec.dns = dns;
    if ephemeral_containers.is_some_and(|containers| !containers.is_empty()) {
        return Err(Error::invalid("ephemeralContainers", "can't be given to a pod before it runs"));
    }
    let host = HostFields { host_network, host_pid, host_ipc, host_users, share_process_namespace };
    spec.hostname = hostname.filter(|hostname| !hostname.is_empty());
    let own_secret = kept.as_ref().and_then(|kept| kept.secret.clone());
    let pull_secrets = image_pull_secrets.unwrap_or_default().into_iter().map(|secret| secret.name);
    let (of_pod, others) = resources::from_k8s(resources).map_err(|error| error.in_field("resources"))?;
    spec.resources = (!is_default(&of_pod)).then_some(of_pod);
    spec.restart_policy = match restart_policy {
        Some(word) => enums::from_restart_policy("restartPolicy", &word)?,
        None => RestartPolicy::Always,
    };
    let context =
        security::pod_from_k8s(security_context).map_err(|error| error.in_field("securityContext"))?;
    spec.security = context.security;
    spec.security.namespaces = security::namespaces_from_k8s(&host)?;
    spec.sysctls = context.sysctls.into_iter().map(|sysctl| (sysctl.name, sysctl.value)).collect();
    let mut options = K8sPodOptions {
        active_deadline_seconds: seconds("activeDeadlineSeconds", active_deadline_seconds)?,
        affinity,
        automount_service_account_token: automount_service_account_token.filter(|automount| *automount),
        dns_policy,
        enable_service_links,
        host_aliases: host_aliases.unwrap_or_default(),
        image_pull_secrets: pull_secrets.filter(|name| Some(name) != own_secret.as_ref()).collect(),
        limits: others.limits,
        node_name,
        node_selector: node_selector.unwrap_or_default(),
        os,
        overhead: overhead.unwrap_or_default(),
        preemption_policy,
        priority,
        priority_class_name,
        readiness_gates: readiness_gates.unwrap_or_default(),
        requests: others.requests,
        resource_claims: resource_claims.unwrap_or_default(),
        runtime_class_name,
        scheduler_name,
        scheduling_gates: scheduling_gates.unwrap_or_default(),
        security: context.options,
        // The older name of the same.
        service_account_name: service_account_name.or(service_account),
        set_hostname_as_fqdn,
        subdomain,
        termination_grace_period_seconds: seconds(
            "terminationGracePeriodSeconds",
            termination_grace_period_seconds,
        )?,
        tolerations: tolerations.unwrap_or_default(),
        topology_spread_constraints: topology_spread_constraints.unwrap_or_default(),
        ..K8sPodOptions::default()
    };

    let known = Volumes::of(volumes.unwrap_or_default()).map_err(|error| error.in_field("volumes"))?;
    let mut of_containers = kept.as_ref().map(|kept| kept.containers.clone());
    let (mut shown, mut named) = (BTreeSet::new(), BTreeSet::new());
    let reading = Reading {
        volumes: &known,
        for_containers: &context.for_containers,
        namespaces: &spec.security.namespaces,
        secret,
    };
    let mut all = (Vec::new(), Vec::new(), Vec::new());
    let init = init_containers.unwrap_or_default();
    for (list, index, message) in indexed("initContainers", init).chain(indexed("containers", containers)) {
        let of_container = of_containers.as_mut().map(|kept| kept.remove(&message.name).unwrap_or_default());
        let read = container::from_k8s(message, of_container, &reading)
            .map_err(|error| error.in_field(&format!("{list}[{index}]")))?;
        if !is_default(&read.options) {
            options.containers.insert(read.spec.name.clone(), read.options);
        }
        let of_list = if list == "containers" { &mut all.1 } else { &mut all.0 };
        of_list.push(read.spec);
        all.2.extend(read.ports);
        shown.extend(read.shown);
        named.extend(read.named);
    }
    (spec.init_containers, spec.containers, spec.ports) = all;
    spec.volumes.clone_from(&known.tmpfs);
    options.volumes = known.others(&shown, &named);
    read_architecture(spec, &mut options.node_selector, kept.as_ref());
    if let Some(kept) = kept {
        spec.uid = kept.uid;
        spec.attempt = kept.attempt;
        spec.security.privileged = kept.privileged;
        if !kept.strict_groups {
            // Its containers say so themselves.
            spec.security.supplemental_groups_policy = SupplementalGroupsPolicy::Merge;
        }
        options.toolbox = kept.toolbox;
        options.env_secret = kept.env_secret;
        let limit = kept.unschedulable_limit.map(|text| duration::parse(&text));
        options.unschedulable_limit =
            limit.transpose().map_err(|error| Error::invalid("metadata.annotations", error))?;
    }
    Ok(options)
}

fn indexed(
    list: &'static str,
    containers: Vec<k8s::Container>,
) -> impl Iterator<Item = (&'static str, usize, k8s::Container)> {
    containers.into_iter().enumerate().map(move |(index, container)| (list, index, container))
}

/// Takes the architecture out of the labels that the node must have, if it is one that wharf knows.
fn read_architecture(spec: &mut PodSpec, selector: &mut BTreeMap<String, String>, kept: Option<&Kept>) {
    for label in [names::ARCH_LABEL, names::OLD_ARCH_LABEL] {
        let Some(Ok(architecture)) = selector.get(label).map(|value| Architecture::from_go(value)) else {
            continue;
        };
        if spec.architecture.is_none() {
            selector.remove(label);
            spec.architecture = Some(kept.and_then(|kept| kept.architecture).unwrap_or(architecture));
        }
    }
}

fn seconds(field: &str, seconds: Option<i64>) -> Result<Option<u32>> {
    let read = |seconds: i64| {
        u32::try_from(seconds)
            .map_err(|_| Error::invalid(field, format!("{seconds} is no number of seconds")))
    };
    seconds.map(read).transpose()
}

/// What the API server and the scheduler put into each pod that says nothing of it.
fn without_what_was_added(pod: &mut k8s::PodSpec) {
    pod.node_name = None;
    pod.ephemeral_containers = None;
    pod.dns_policy = pod.dns_policy.take().filter(|policy| policy != "ClusterFirst");
    pod.enable_service_links = pod.enable_service_links.filter(|links| !links);
    pod.preemption_policy = pod.preemption_policy.take().filter(|policy| policy != "PreemptLowerPriority");
    // It is that of the class, or zero.
    pod.priority = None;
    pod.scheduler_name = pod.scheduler_name.take().filter(|name| name != "default-scheduler");
    pod.service_account = None;
    pod.service_account_name = pod.service_account_name.take().filter(|name| name != "default");
    pod.termination_grace_period_seconds =
        pod.termination_grace_period_seconds.filter(|seconds| *seconds != 30);
    if let Some(tolerations) = &mut pod.tolerations {
        tolerations.retain(|toleration| {
            let key = toleration.key.as_deref().unwrap_or_default();
            let added = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].contains(&key)
                && toleration.operator.as_deref() == Some("Exists")
                && toleration.toleration_seconds == Some(300);
            !added
        });
    }
    pod.tolerations = pod.tolerations.take().filter(|tolerations| !tolerations.is_empty());
}
