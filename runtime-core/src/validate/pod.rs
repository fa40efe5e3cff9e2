//! A pod's spec.

use std::collections::BTreeSet;

use super::{container, labels, text};
use crate::{
    Error, Result,
    helpers::name,
    marks,
    spec::{PodSpec, VolumeSource},
};

/// Names that end up in one path or id must leave room for the rest of it.
const MAX_UID: usize = 128;

pub(super) fn check(spec: &PodSpec) -> Result<()> {
    name::validate_subdomain(&spec.name).map_err(|error| Error::invalid("name", error))?;
    if let Some(namespace) = &spec.namespace {
        name::validate_label(namespace).map_err(|error| Error::invalid("namespace", error))?;
    }
    if let Some(uid) = &spec.uid {
        let fits =
            !uid.is_empty() && uid.len() <= MAX_UID && uid.chars().all(|c| c.is_ascii_graphic() && c != '/');
        if !fits {
            let rule = format!("must be 1 to {MAX_UID} printable ASCII characters without '/' and spaces");
            return Err(Error::invalid("uid", rule));
        }
    }
    if let Some(hostname) = &spec.hostname {
        name::validate_label(hostname).map_err(|error| Error::invalid("hostname", error))?;
    }
    labels("labels", &spec.labels)?;
    marks::check("labels", &spec.labels)?;
    marks::check("annotations", &spec.annotations)?;
    for key in spec.annotations.keys() {
        name::validate_label_key(key).map_err(|error| Error::invalid("annotations", error))?;
    }
    if let Some(directory) = &spec.log_directory
        && !directory.is_absolute()
    {
        return Err(Error::invalid(
            "logDirectory",
            format!("{} is not an absolute path", directory.display()),
        ));
    }
    for (index, port) in spec.ports.iter().enumerate() {
        if port.container_port == 0 {
            return Err(Error::invalid(format!("ports[{index}].containerPort"), "must not be 0"));
        }
    }
    for (key, value) in &spec.sysctls {
        if key.is_empty() {
            return Err(Error::invalid("sysctls", "a name must not be empty"));
        }
        text(&format!("sysctls[{key:?}]"), value)?;
    }
    volumes(spec)?;
    let mut names = BTreeSet::new();
    for (path, spec_of_container) in spec.all_containers() {
        container::check(spec_of_container, Some(spec)).map_err(|error| error.in_field(&path))?;
        if !names.insert(&spec_of_container.name) {
            let message = format!("{:?} is the name of two containers", spec_of_container.name);
            return Err(Error::invalid(format!("{path}.name"), message));
        }
    }
    for (index, credentials) in spec.pull_secrets.iter().enumerate() {
        if credentials.registry.is_empty() {
            return Err(Error::invalid(format!("pullSecrets[{index}].registry"), "must not be empty"));
        }
    }
    if let Some(resources) = &spec.resources {
        container::resources("resources", resources)?;
    }
    if let Some(overhead) = &spec.overhead {
        container::resources("overhead", overhead)?;
    }
    Ok(())
}

fn volumes(spec: &PodSpec) -> Result<()> {
    let mut names = BTreeSet::new();
    for (index, volume) in spec.volumes.iter().enumerate() {
        let field = format!("volumes[{index}].name");
        name::validate_label(&volume.name).map_err(|error| Error::invalid(&field, error))?;
        if !names.insert(&volume.name) {
            return Err(Error::invalid(field, format!("{:?} is the name of two volumes", volume.name)));
        }
        let VolumeSource::Tmpfs { size_limit } = &volume.source;
        if size_limit.is_some_and(|limit| limit.0 == 0) {
            return Err(Error::invalid(format!("volumes[{index}].source.sizeLimit"), "must not be 0"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Bytes, ContainerSpec, CpuQuota, EnvVar, Mount, Resources};

    fn pod(change: impl FnOnce(&mut PodSpec)) -> PodSpec {
        let mut spec = PodSpec::new("web").with_container(ContainerSpec::new("app", "image:1"));
        change(&mut spec);
        spec
    }

    #[test]
    fn accepts_a_plain_pod() {
        check(&pod(|_| ())).unwrap();
    }

    /// One row a mistake: what is wrong, and the field that the error must name.
    #[test]
    fn names_the_field_that_is_wrong() {
        type Change = fn(&mut PodSpec);
        let rows: &[(&str, Change)] = &[
            ("name", |pod| pod.name.clear()),
            ("name", |pod| pod.name = "a".repeat(254)),
            ("name", |pod| pod.name = "Upper".into()),
            ("namespace", |pod| pod.namespace = Some("a/b".into())),
            ("uid", |pod| pod.uid = Some(String::new())),
            ("hostname", |pod| pod.hostname = Some("-x".into())),
            ("labels", |pod| _ = pod.labels.insert("a b".into(), String::new())),
            ("labels", |pod| _ = pod.labels.insert("wharf.dev/create".into(), "x".into())),
            ("annotations", |pod| _ = pod.annotations.insert("wharf.dev/spec".into(), "x".into())),
            (r#"labels["a"]"#, |pod| _ = pod.labels.insert("a".into(), "?".into())),
            ("logDirectory", |pod| pod.log_directory = Some("logs".into())),
            ("containers[0].name", |pod| pod.containers[0].name.clear()),
            ("containers[0].name", |pod| pod.containers[0].name = "a".repeat(64)),
            ("containers[1].name", |pod| pod.containers.push(ContainerSpec::new("app", "image:1"))),
            ("containers[0].image", |pod| pod.containers[0].image = "UPPER:tag".into()),
            ("containers[0].image", |pod| pod.containers[0].image = "".into()),
            ("containers[0].env[0].name", |pod| pod.containers[0].env = vec![EnvVar::new("A=B", "")]),
            ("containers[0].env[0].name", |pod| pod.containers[0].env = vec![EnvVar::new("A\0", "")]),
            ("containers[0].env[0].name", |pod| pod.containers[0].env = vec![EnvVar::new("", "")]),
            ("containers[0].env[0].value", |pod| pod.containers[0].env = vec![EnvVar::new("A", "\0")]),
            ("containers[0].command[1]", |pod| pod.containers[0].command = vec!["a".into(), "\0".into()]),
            ("containers[0].stopSignal", |pod| pod.containers[0].stop_signal = Some("SIGNOPE".into())),
            ("containers[0].stopSignal", |pod| pod.containers[0].stop_signal = Some(String::new())),
            ("containers[0].workingDir", |pod| pod.containers[0].working_dir = Some("here".into())),
            ("containers[0].mounts[0].target", |pod| pod.containers[0].mounts = vec![Mount::host("/a", "b")]),
            ("containers[0].mounts[0].source", |pod| pod.containers[0].mounts = vec![Mount::host("a", "/b")]),
            ("containers[0].mounts[0].source", |pod| {
                pod.containers[0].mounts = vec![Mount::volume("v", "/b")]
            }),
            ("containers[0].resources.limits.memory", |pod| {
                pod.containers[0].resources = Resources::default().with_memory_limit(Bytes(u64::MAX));
            }),
            ("containers[0].resources.linux.cpuQuota", |pod| {
                pod.containers[0].resources.linux.cpu_quota = Some(CpuQuota::Micros(u64::MAX));
            }),
            ("containers[0].resources.linux.oomScoreAdj", |pod| {
                pod.containers[0].resources.linux.oom_score_adj = Some(1001);
            }),
            ("containers[0].security.runAsUsername", |pod| {
                pod.containers[0].security.run_as_user = Some(1);
                pod.containers[0].security.run_as_username = Some("app".into());
            }),
        ];
        for (field, change) in rows {
            let error = check(&pod(*change)).expect_err(field);
            assert_eq!(error.field(), Some(*field), "{error}");
        }
    }

    #[test]
    fn negative_resources_do_not_even_parse() {
        let yaml = "name: web\ncontainers:\n- name: app\n  image: a\n  resources: {limits: {memory: -1}}\n";
        let error = serde_yaml_ng::from_str::<PodSpec>(yaml).unwrap_err().to_string();
        assert!(error.contains("containers[0].resources.limits") && error.contains("negative"), "{error}");
    }
}
