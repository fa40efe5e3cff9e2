//! Checks of the options against the spec that they come with, before any request.

use std::collections::BTreeSet;

use runtime_core::{
    Error, Result,
    helpers::{image_ref::ImageReference, name},
    spec::PodSpec,
};

use super::{K8sContainerOptions, K8sPodOptions, Toolbox};
use crate::{
    strict,
    translate::{self, kept::HELD},
};

impl K8sPodOptions {
    /// Checks the options against their spec.
    ///
    /// # Errors
    /// `InvalidArgument` names the field, from `extensions.k8s` on.
    pub(crate) fn check(&self, spec: &PodSpec) -> Result<()> {
        self.check_fields(spec).map_err(|error| error.in_field("extensions.k8s"))
    }

    fn check_fields(&self, spec: &PodSpec) -> Result<()> {
        let value = serde_json::to_value(self).map_err(|error| Error::invalid("options", error))?;
        strict::amounts(&value, "").map_err(|problem| problem.into_error("options"))?;
        for (key, value) in &self.node_selector {
            name::validate_label_key(key).map_err(|error| Error::invalid("nodeSelector", error))?;
            name::validate_label_value(value)
                .map_err(|error| Error::invalid(format!("nodeSelector[{key:?}]"), error))?;
        }
        for (index, secret) in self.image_pull_secrets.iter().enumerate() {
            name::validate_subdomain(secret)
                .map_err(|error| Error::invalid(format!("imagePullSecrets[{index}]"), error))?;
        }
        let own_names = [
            ("serviceAccountName", &self.service_account_name),
            ("priorityClassName", &self.priority_class_name),
            ("runtimeClassName", &self.runtime_class_name),
            ("nodeName", &self.node_name),
        ];
        for (field, text) in own_names {
            if let Some(text) = text {
                name::validate_subdomain(text).map_err(|error| Error::invalid(field, error))?;
            }
        }
        if let Some(index) = self.finalizers.iter().position(|finalizer| finalizer == HELD) {
            return Err(Error::invalid(
                format!("finalizers[{index}]"),
                "is what wharf holds stopped pods by",
            ));
        }
        if self.active_deadline_seconds == Some(0) {
            return Err(Error::invalid("activeDeadlineSeconds", "must not be zero"));
        }
        self.check_volumes(spec)?;
        for (container, options) in &self.containers {
            let field = format!("containers[{container:?}]");
            if !spec.all_containers().any(|(_, spec)| spec.name == *container) {
                return Err(Error::invalid(field, "the pod has no container of this name"));
            }
            self.check_container(spec, options).map_err(|error| error.in_field(&field))?;
        }
        self.toolbox.as_ref().map_or(Ok(()), |toolbox| check_toolbox(toolbox, spec))
    }

    fn check_volumes(&self, spec: &PodSpec) -> Result<()> {
        let mut names: BTreeSet<_> = spec.volumes.iter().map(|volume| &volume.name).collect();
        for (index, volume) in self.volumes.iter().enumerate() {
            let field = format!("volumes[{index}].name");
            name::validate_label(&volume.name).map_err(|error| Error::invalid(&field, error))?;
            if !names.insert(&volume.name) {
                return Err(Error::invalid(field, format!("{:?} is the name of two volumes", volume.name)));
            }
        }
        Ok(())
    }

    fn check_container(&self, spec: &PodSpec, options: &K8sContainerOptions) -> Result<()> {
        let has_volume = |name: &str| {
            self.volumes.iter().any(|volume| volume.name == name)
                || spec.volumes.iter().any(|volume| volume.name == name)
        };
        let of_mounts = options.volume_mounts.iter().map(|mount| ("volumeMounts", &mount.name));
        let of_devices = options.volume_devices.iter().map(|device| ("volumeDevices", &device.name));
        for (field, volume) in of_mounts.chain(of_devices) {
            if !has_volume(volume) {
                return Err(Error::invalid(field, format!("the pod has no volume {volume:?}")));
            }
        }
        if options.expand && self.env_secret {
            let message = "can't be given together with envSecret: Kubernetes doesn't look into secrets";
            return Err(Error::invalid("expand", message));
        }
        for (index, variable) in options.env.iter().enumerate() {
            if variable.value.is_some() || variable.value_from.is_none() {
                let message = "needs valueFrom and no value: plain variables are the spec's";
                return Err(Error::invalid(format!("env[{index}]"), message));
            }
        }
        for (field, amounts) in [("requests", &options.requests), ("limits", &options.limits)] {
            if let Some(name) = amounts.keys().find(|name| ["cpu", "memory"].contains(&name.as_str())) {
                return Err(Error::invalid(format!("{field}.{name}"), "is said in the spec's resources"));
            }
        }
        Ok(())
    }
}

fn check_toolbox(toolbox: &Toolbox, spec: &PodSpec) -> Result<()> {
    toolbox.image.parse::<ImageReference>().map_err(|error| Error::invalid("toolbox.image", error))?;
    if !toolbox.program.starts_with('/') || toolbox.program.ends_with('/') {
        let message = format!("{:?} is not the absolute path of a program", toolbox.program);
        return Err(Error::invalid("toolbox.program", message));
    }
    if spec.all_containers().any(|(_, spec)| spec.name == translate::TOOLBOX_NAME) {
        let message = format!("the name {:?} of a container is taken", translate::TOOLBOX_NAME);
        return Err(Error::invalid("toolbox", message));
    }
    Ok(())
}
