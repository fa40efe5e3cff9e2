//! Containers.

use k8s_cri::v1 as cri;
use runtime_core::{
    Result,
    spec::{ContainerSpec, Device, EnvVar, ImageSpec, PodSecurity},
};

use super::{mount, resources, said, security, windows};

/// The CRI container of a spec, in a pod with this security.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` names what CRI can't carry.
pub fn container_config(spec: &ContainerSpec, pod: &PodSecurity) -> Result<cri::ContainerConfig> {
    let mounts = spec.mounts.iter().enumerate().map(|(index, mount)| {
        mount::to_cri(mount).map_err(|error| error.in_field(&format!("mounts[{index}]")))
    });
    Ok(cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata { name: spec.name.clone(), attempt: spec.attempt }),
        image: Some(cri::ImageSpec {
            image: spec.image.reference.clone(),
            annotations: spec.image.annotations.clone().into_iter().collect(),
            user_specified_image: spec.image.user_specified.clone().unwrap_or_default(),
            runtime_handler: spec.image.runtime_handler.clone().unwrap_or_default(),
        }),
        command: spec.command.clone(),
        args: spec.args.clone(),
        working_dir: spec.working_dir.clone().unwrap_or_default(),
        envs: spec
            .env
            .iter()
            .map(|variable| cri::KeyValue {
                key: variable.name.clone(),
                value: variable.value.expose().to_owned(),
            })
            .collect(),
        mounts: mounts.collect::<Result<_>>()?,
        devices: spec.devices.iter().cloned().map(device).collect(),
        labels: spec.labels.clone().into_iter().collect(),
        annotations: spec.annotations.clone().into_iter().collect(),
        log_path: spec.log_path.clone().unwrap_or_default(),
        stdin: spec.stdin,
        stdin_once: spec.stdin_once,
        tty: spec.tty,
        linux: Some(cri::LinuxContainerConfig {
            resources: Some(resources::to_cri(&spec.resources).map_err(|error| error.in_field("resources"))?),
            security_context: Some(security::container_to_cri(&spec.security, pod)),
        }),
        windows: spec.windows.as_ref().map(windows::container_to_cri).transpose()?,
        cdi_devices: spec.cdi_devices.iter().cloned().map(|name| cri::CdiDevice { name }).collect(),
    })
}

/// The spec of a CRI container.
///
/// # Errors
/// `InvalidArgument` names a field with a value that CRI doesn't define.
pub fn container_spec(message: cri::ContainerConfig) -> Result<ContainerSpec> {
    let metadata = message.metadata.unwrap_or_default();
    let linux = message.linux.unwrap_or_default();
    let mut spec = ContainerSpec::new(metadata.name, image(message.image.unwrap_or_default()));
    spec.attempt = metadata.attempt;
    spec.command = message.command;
    spec.args = message.args;
    spec.working_dir = said(message.working_dir);
    spec.env = message.envs.into_iter().map(|variable| EnvVar::new(variable.key, variable.value)).collect();
    spec.mounts = message.mounts.into_iter().map(mount::from_cri).collect::<Result<_>>()?;
    spec.devices = message.devices.into_iter().map(from_device).collect();
    spec.cdi_devices = message.cdi_devices.into_iter().map(|device| device.name).collect();
    spec.labels = message.labels.into_iter().collect();
    spec.annotations = message.annotations.into_iter().collect();
    spec.log_path = said(message.log_path);
    spec.stdin = message.stdin;
    spec.stdin_once = message.stdin_once;
    spec.tty = message.tty;
    spec.resources = resources::from_cri(linux.resources.unwrap_or_default())?;
    spec.security = security::container_from_cri(linux.security_context.unwrap_or_default())?;
    spec.windows = message.windows.map(windows::container_from_cri).transpose()?;
    Ok(spec)
}

fn image(message: cri::ImageSpec) -> ImageSpec {
    let mut image = ImageSpec::new(message.image);
    image.annotations = message.annotations.into_iter().collect();
    image.user_specified = said(message.user_specified_image);
    image.runtime_handler = said(message.runtime_handler);
    image
}

fn device(device: Device) -> cri::Device {
    let Device { container_path, host_path, permissions } = device;
    cri::Device { container_path, host_path, permissions }
}

fn from_device(message: cri::Device) -> Device {
    let cri::Device { container_path, host_path, permissions } = message;
    Device { container_path, host_path, permissions }
}
