//! A container's spec.

use super::{absolute, labels, text};
use crate::{
    Error, Result,
    helpers::{env, image_ref::ImageReference, name, signal::Signal},
    marks,
    spec::{
        Bytes, ContainerSecurity, ContainerSpec, CpuQuota, EnvVar, Mount, MountSource, PodSpec, Resources,
        SwapLimit,
    },
};

/// Systems count in signed 64-bit numbers.
const MAX_AMOUNT: u64 = i64::MAX as u64;

/// Checks a container, with the pod that it is declared in if it is.
pub(super) fn check(spec: &ContainerSpec, pod: Option<&PodSpec>) -> Result<()> {
    name::validate_label(&spec.name).map_err(|error| Error::invalid("name", error))?;
    spec.image.reference.parse::<ImageReference>().map_err(|error| Error::invalid("image", error))?;
    command("command", &spec.command)?;
    command("args", &spec.args)?;
    if let Some(working_dir) = &spec.working_dir {
        absolute("workingDir", working_dir)?;
    }
    env("env", &spec.env)?;
    if let Some(signal) = &spec.stop_signal {
        signal.parse::<Signal>().map_err(|error| Error::invalid("stopSignal", error))?;
    }
    for (index, mount) in spec.mounts.iter().enumerate() {
        check_mount(mount, pod).map_err(|error| error.in_field(&format!("mounts[{index}]")))?;
    }
    for (index, device) in spec.devices.iter().enumerate() {
        absolute(format_args!("devices[{index}].containerPath"), &device.container_path)?;
        absolute(format_args!("devices[{index}].hostPath"), &device.host_path)?;
        if device.permissions.is_empty() || device.permissions.chars().any(|c| !"rwm".contains(c)) {
            let message = format!("{:?} is not made of r, w and m", device.permissions);
            return Err(Error::invalid(format!("devices[{index}].permissions"), message));
        }
    }
    labels("labels", &spec.labels)?;
    marks::check("labels", &spec.labels)?;
    marks::check("annotations", &spec.annotations)?;
    for key in spec.annotations.keys() {
        name::validate_label_key(key).map_err(|error| Error::invalid("annotations", error))?;
    }
    if let Some(path) = &spec.log_path {
        let inside = !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| part != "..");
        if !inside {
            return Err(Error::invalid("logPath", format!("{path:?} is not a path below the log directory")));
        }
        text("logPath", path)?;
    }
    resources("resources", &spec.resources)?;
    check_security(&spec.security).map_err(|error| error.in_field("security"))
}

/// Checks a command or arguments.
pub(super) fn command(field: &str, command: &[String]) -> Result<()> {
    command.iter().enumerate().try_for_each(|(index, word)| text(&format!("{field}[{index}]"), word))
}

/// Checks environment variables, without showing a value.
pub(super) fn env(field: &str, env: &[EnvVar]) -> Result<()> {
    for (index, variable) in env.iter().enumerate() {
        env::validate_name(&variable.name)
            .map_err(|error| Error::invalid(format!("{field}[{index}].name"), error))?;
        env::validate_value(&variable.name, variable.value.expose())
            .map_err(|error| Error::invalid(format!("{field}[{index}].value"), error))?;
    }
    Ok(())
}

/// Checks resources.
pub(super) fn resources(field: &str, resources: &Resources) -> Result<()> {
    let linux = &resources.linux;
    let quota = linux.cpu_quota.and_then(|quota| match quota {
        CpuQuota::Unlimited => None,
        CpuQuota::Micros(micros) => Some(micros),
    });
    let swap = linux.memory_swap_limit.and_then(|swap| match swap {
        SwapLimit::Unlimited => None,
        SwapLimit::Bytes(bytes) => Some(bytes),
    });
    let bytes = |amount: Option<Bytes>| amount.map(|bytes| bytes.0);
    let amounts = [
        ("requests.cpu", resources.requests.cpu.map(|cpu| cpu.0)),
        ("requests.memory", bytes(resources.requests.memory)),
        ("limits.cpu", resources.limits.cpu.map(|cpu| cpu.0)),
        ("limits.memory", bytes(resources.limits.memory)),
        ("linux.cpuPeriod", linux.cpu_period.map(|period| period.0)),
        ("linux.cpuQuota", quota),
        ("linux.cpuShares", linux.cpu_shares),
        ("linux.memoryLimit", bytes(linux.memory_limit)),
        ("linux.memorySwapLimit", swap),
    ];
    for (name, amount) in amounts {
        if amount.is_some_and(|amount| amount > MAX_AMOUNT) {
            return Err(Error::invalid(format!("{field}.{name}"), format!("is more than {MAX_AMOUNT}")));
        }
    }
    for (name, request, limit) in [
        ("cpu", resources.requests.cpu.map(|cpu| cpu.0), resources.limits.cpu.map(|cpu| cpu.0)),
        ("memory", bytes(resources.requests.memory), bytes(resources.limits.memory)),
    ] {
        if let (Some(request), Some(limit)) = (request, limit)
            && request > limit
        {
            return Err(Error::invalid(format!("{field}.requests.{name}"), "is more than the limit"));
        }
    }
    if linux.oom_score_adj.is_some_and(|score| !(-1000..=1000).contains(&score)) {
        return Err(Error::invalid(format!("{field}.linux.oomScoreAdj"), "is not between -1000 and 1000"));
    }
    Ok(())
}

fn check_mount(mount: &Mount, pod: Option<&PodSpec>) -> Result<()> {
    absolute("target", &mount.target)?;
    if mount.recursive_read_only && !mount.read_only {
        return Err(Error::invalid("recursiveReadOnly", "needs readOnly"));
    }
    match &mount.source {
        MountSource::Host(path) => match path.to_str() {
            Some(path) => absolute("source", path),
            None => Err(Error::invalid("source", "is not UTF-8")),
        },
        MountSource::Volume(volume) => {
            let declared = pod.is_none_or(|pod| pod.volumes.iter().any(|declared| declared.name == *volume));
            if declared {
                Ok(())
            } else {
                Err(Error::invalid("source", format!("the pod has no volume {volume:?}")))
            }
        }
        MountSource::Image { reference, .. } => {
            reference.parse::<ImageReference>().map(|_| ()).map_err(|error| Error::invalid("source", error))
        }
    }
}

fn check_security(security: &ContainerSecurity) -> Result<()> {
    if security.run_as_user.is_some() && security.run_as_username.is_some() {
        return Err(Error::invalid("runAsUsername", "can't be given together with runAsUser"));
    }
    if security.run_as_group.is_some() && security.run_as_user.is_none() && security.run_as_username.is_none()
    {
        return Err(Error::invalid("runAsGroup", "needs runAsUser or runAsUsername"));
    }
    if security.run_as_username.as_deref() == Some("") {
        return Err(Error::invalid("runAsUsername", "must not be empty"));
    }
    Ok(())
}
