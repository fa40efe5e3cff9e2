//! Containers and init containers.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{
    Result,
    helpers::pull_policy::PullPolicy,
    spec::{ContainerSpec, EnvVar, Namespaces, PodSpec, PortMapping, Resources, SupplementalGroupsPolicy},
};

use super::{
    enums, expand, flag,
    kept::KeptContainer,
    names, network, refuse,
    resources::{self, Others},
    said, secret,
    security::{self, ForContainers},
    volumes::{self, Mounted, Volumes},
};
use crate::options::{K8sContainerOptions, is_default};

/// What containers are made with.
#[derive(Debug)]
pub(super) struct Making<'a> {
    pub(super) pod: &'a PodSpec,
    pub(super) mounted: Mounted,
    /// The secret that holds the values of variables, if one does.
    pub(super) env_secret: Option<&'a str>,
}

impl KeptContainer {
    /// What has no other place.
    pub(super) fn from_spec(spec: &ContainerSpec) -> Self {
        Self {
            attempt: spec.attempt,
            labels: spec.labels.clone(),
            annotations: spec.annotations.clone(),
            user_specified: spec.image.user_specified.clone(),
            always: spec.pull_policy == Some(PullPolicy::Always),
            resources: Some(&spec.resources).filter(|resources| !is_default(&resources.linux)).cloned(),
            namespaces: spec.security.namespaces.is_some(),
            strict_groups: !is_default(&spec.security.supplemental_groups_policy),
        }
    }

    fn restore(self, spec: &mut ContainerSpec, namespaces: &Namespaces) {
        spec.attempt = self.attempt;
        spec.labels = self.labels;
        spec.annotations = self.annotations;
        spec.image.user_specified = self.user_specified;
        if spec.pull_policy == Some(PullPolicy::Always) && !self.always {
            spec.pull_policy = None;
        }
        // The kernel's terms count only while they still say what the pod says.
        if let Some(kept) = self.resources
            && amounts(&kept) == amounts(&spec.resources)
        {
            spec.resources = kept;
        }
        spec.security.namespaces = self.namespaces.then(|| namespaces.clone());
        if self.strict_groups {
            spec.security.supplemental_groups_policy = SupplementalGroupsPolicy::Strict;
        }
    }
}

fn amounts(spec: &Resources) -> Option<k8s::ResourceRequirements> {
    resources::to_k8s(spec, Others::default()).ok().flatten()
}

/// The container of a spec; `ports` are those of the pod, if it is the one that shows them.
pub(super) fn to_k8s(
    spec: &ContainerSpec,
    options: &K8sContainerOptions,
    making: &Making<'_>,
    ports: &[PortMapping],
) -> Result<k8s::Container> {
    refuse(&[
        ("image.annotations", !spec.image.annotations.is_empty()),
        ("image.runtimeHandler", spec.image.runtime_handler.is_some()),
        ("devices", !spec.devices.is_empty()),
        ("cdiDevices", !spec.cdi_devices.is_empty()),
        ("logPath", spec.log_path.is_some()),
        ("stopSignal", spec.stop_signal.is_some()),
        ("windows", spec.windows.is_some()),
    ])?;
    let options = options.clone();
    let text = |text: &String| if options.expand { text.clone() } else { expand::escape(text) };
    let texts = |texts: &[String]| said(texts.iter().map(text).collect::<Vec<_>>());
    let own_env = spec.env.iter().enumerate().map(|(index, variable)| {
        let mut made = k8s::EnvVar { name: variable.name.clone(), ..Default::default() };
        match making.env_secret {
            None => made.value = Some(text(&variable.value.expose().to_owned())),
            Some(secret) => {
                made.value_from = Some(secret::reference(secret, &names::env_key(&spec.name, index)))
            }
        }
        made
    });
    let env: Vec<_> = options.env.iter().cloned().chain(own_env).collect();
    let others = Others { requests: options.requests, limits: options.limits, claims: options.claims };
    let mounts = volumes::to_mounts(&spec.mounts, &options.volume_mounts, &making.mounted)?;
    let context = security::container_to_k8s(&spec.security, &making.pod.security, &options.security);
    let ports: Vec<_> = ports.iter().map(network::to_port).chain(options.ports).collect();
    Ok(k8s::Container {
        args: texts(&spec.args),
        command: texts(&spec.command),
        env: said(env),
        env_from: said(options.env_from),
        image: Some(spec.image.reference.clone()),
        // Pulled each time: an image that one pod pulled with credentials is not for pods without them.
        image_pull_policy: Some(enums::to_pull_policy(spec.pull_policy.unwrap_or(PullPolicy::Always))),
        lifecycle: options.lifecycle,
        liveness_probe: options.liveness_probe,
        name: spec.name.clone(),
        ports: said(ports),
        readiness_probe: options.readiness_probe,
        resize_policy: said(options.resize_policy),
        resources: resources::to_k8s(&spec.resources, others).map_err(|error| error.in_field("resources"))?,
        restart_policy: options.restart_policy,
        security_context: context.map_err(|error| error.in_field("security"))?,
        startup_probe: options.startup_probe,
        stdin: flag(spec.stdin),
        stdin_once: flag(spec.stdin_once),
        termination_message_path: options.termination_message_path,
        termination_message_policy: options.termination_message_policy,
        tty: flag(spec.tty),
        volume_devices: said(options.volume_devices),
        volume_mounts: mounts,
        working_dir: spec.working_dir.clone(),
    })
}

/// What containers are read with.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) volumes: &'a Volumes,
    pub(super) for_containers: &'a ForContainers,
    pub(super) namespaces: &'a Namespaces,
    /// The secret that goes with the pod, if it has one, by its name and keys.
    pub(super) secret: Option<&'a secret::Values>,
}

/// What a container says.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) spec: ContainerSpec,
    pub(super) options: K8sContainerOptions,
    /// Its ports without names, which are the pod's.
    pub(super) ports: Vec<PortMapping>,
    /// The volumes that mounts of the spec show, and those that mounts of the options name.
    pub(super) shown: BTreeSet<String>,
    pub(super) named: BTreeSet<String>,
}

/// The spec of a container, with what wharf kept of it if wharf made it.
pub(super) fn from_k8s(
    message: k8s::Container,
    kept: Option<KeptContainer>,
    reading: &Reading<'_>,
) -> Result<Read> {
    let k8s::Container {
        args,
        command,
        env,
        env_from,
        image,
        image_pull_policy,
        lifecycle,
        liveness_probe,
        name,
        ports,
        readiness_probe,
        resize_policy,
        resources,
        restart_policy,
        security_context,
        startup_probe,
        stdin,
        stdin_once,
        termination_message_path,
        termination_message_policy,
        tty,
        volume_devices,
        volume_mounts,
        working_dir,
    } = message;
    let mut spec = ContainerSpec::new(name, image.unwrap_or_default());
    let mut options = K8sContainerOptions::default();
    spec.command = command.unwrap_or_default();
    spec.args = args.unwrap_or_default();
    read_texts(env.unwrap_or_default(), &mut spec, &mut options, reading.secret);
    options.env_from = env_from.unwrap_or_default();
    spec.pull_policy =
        image_pull_policy.map(|word| enums::from_pull_policy("imagePullPolicy", &word)).transpose()?;
    options.lifecycle = lifecycle;
    options.liveness_probe = liveness_probe;
    options.readiness_probe = readiness_probe;
    options.startup_probe = startup_probe;
    let (with_name, without): (Vec<_>, Vec<_>) =
        ports.unwrap_or_default().into_iter().partition(|port| port.name.is_some());
    options.ports = with_name;
    let ports = without.into_iter().enumerate().map(|(index, port)| {
        network::from_port(port).map_err(|error| error.in_field(&format!("ports[{index}]")))
    });
    let ports = ports.collect::<Result<Vec<_>>>()?;
    options.resize_policy = resize_policy.unwrap_or_default();
    let (own, others) = resources::from_k8s(resources).map_err(|error| error.in_field("resources"))?;
    spec.resources = own;
    Others { requests: options.requests, limits: options.limits, claims: options.claims } = others;
    options.restart_policy = restart_policy;
    let (own, others) = security::container_from_k8s(security_context, reading.for_containers)
        .map_err(|error| error.in_field("securityContext"))?;
    spec.security = own;
    options.security = others;
    spec.stdin = stdin.unwrap_or_default();
    spec.stdin_once = stdin_once.unwrap_or_default();
    spec.tty = tty.unwrap_or_default();
    spec.working_dir = working_dir.filter(|directory| !directory.is_empty());
    options.termination_message_path = termination_message_path.filter(|path| path != "/dev/termination-log");
    options.termination_message_policy = termination_message_policy.filter(|policy| policy != "File");
    options.volume_devices = volume_devices.unwrap_or_default();
    let mut named: BTreeSet<_> = options.volume_devices.iter().map(|device| device.name.clone()).collect();
    let mut shown = BTreeSet::new();
    for (index, message) in volume_mounts.unwrap_or_default().into_iter().enumerate() {
        let mount = reading.volumes.mount(&message);
        match mount.map_err(|error| error.in_field(&format!("volumeMounts[{index}]")))? {
            Some(mount) => {
                shown.insert(message.name);
                spec.mounts.push(mount);
            }
            None => {
                named.insert(message.name.clone());
                options.volume_mounts.push(message);
            }
        }
    }
    if let Some(kept) = kept {
        kept.restore(&mut spec, reading.namespaces);
    }
    Ok(Read { spec, options, ports, shown, named })
}

/// Variables with values, and those whose values come from elsewhere; then the texts as Kubernetes would make them. Where one
/// refers to variables, all stay as they are.
fn read_texts(
    env: Vec<k8s::EnvVar>,
    spec: &mut ContainerSpec,
    options: &mut K8sContainerOptions,
    secret: Option<&secret::Values>,
) {
    let mut values = Vec::new();
    for variable in env {
        let Some(source) = &variable.value_from else {
            let value = variable.value.unwrap_or_default();
            values.push(expand::literal(&value));
            spec.env.push(EnvVar::new(variable.name, value));
            continue;
        };
        match secret.and_then(|secret| secret.value_of(source)) {
            // What comes from a secret is not looked at by Kubernetes.
            Some(value) => {
                values.push(Some(value.expose().to_owned()));
                spec.env.push(EnvVar { name: variable.name, value });
            }
            None => options.env.push(variable),
        }
    }
    let literals =
        |texts: &[String]| texts.iter().map(|text| expand::literal(text)).collect::<Option<Vec<_>>>();
    let values: Option<Vec<_>> = values.into_iter().collect();
    match (literals(&spec.command), literals(&spec.args), values) {
        (Some(command), Some(args), Some(values)) => {
            spec.command = command;
            spec.args = args;
            for (variable, value) in spec.env.iter_mut().zip(values) {
                variable.value = value.into();
            }
        }
        _ => options.expand = true,
    }
}
