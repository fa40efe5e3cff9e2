//! What is written on a container VM, by which it is known again as a pod with all that the server has no place for. It holds no
//! value of an environment.

use std::collections::BTreeMap;

use runtime_core::{Error, PodId, Result, compose::Mark, marks, spec::PodSpec};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    api::models::ContainerInfo,
    id::{is_vm, task_id},
    image_cache::ImageConfig,
};

const NAME: &str = "wharf.dev/name";
const NAMESPACE: &str = "wharf.dev/namespace";
const UID: &str = "wharf.dev/uid";
const ATTEMPT: &str = "wharf.dev/attempt";
const LABELS: &str = "wharf.dev/labels";
const ANNOTATIONS: &str = "wharf.dev/annotations";
const CONTAINERS: &str = "wharf.dev/containers";

/// What is known of a pod from its VM's annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) uid: String,
    pub(crate) attempt: u32,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// In the order of the spec; the first is the one whose task is the VM's own.
    pub(crate) containers: Vec<KeptContainer>,
}

/// What is known of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptContainer {
    pub(crate) name: String,
    /// `None` for the first: its task has the id of the VM, which is not known when this is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<String>,
    /// As the caller named it.
    pub(crate) image: String,
    pub(crate) image_id: String,
    /// The topmost layer, by which tasks find their root.
    pub(crate) layer: String,
    #[serde(default)]
    pub(crate) attempt: u32,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) stdin: bool,
    #[serde(default)]
    pub(crate) stdin_once: bool,
    #[serde(default)]
    pub(crate) tty: bool,
}

/// A container VM that is a pod of wharf's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vm {
    pub(crate) info: ContainerInfo,
    pub(crate) kept: Kept,
}

impl Kept {
    /// What is to be kept of a pod with a uid, whose images are these, in the order of its containers.
    pub(crate) fn of(spec: &PodSpec, images: &[ImageConfig], mark: &Mark) -> Self {
        let containers = spec.containers.iter().zip(images).enumerate();
        let containers = containers.map(|(index, (container, image))| KeptContainer {
            name: container.name.clone(),
            task: (index > 0).then(|| task_id(mark.id(), &spec.full_name(), &container.name)),
            image: container.image.reference.clone(),
            image_id: image.id(),
            layer: image.layer.clone(),
            attempt: container.attempt,
            labels: container.labels.clone(),
            annotations: container.annotations.clone(),
            stdin: container.stdin,
            stdin_once: container.stdin_once,
            tty: container.tty,
        });
        Self {
            name: spec.name.clone(),
            namespace: spec.namespace_or_default().to_owned(),
            uid: spec.uid.clone().unwrap_or_default(),
            attempt: spec.attempt,
            labels: spec.labels.clone(),
            annotations: spec.annotations.clone(),
            containers: containers.collect(),
        }
    }

    /// As annotations, with those of the mark.
    ///
    /// # Errors
    /// `InvalidArgument` for what can't be written as JSON.
    pub(crate) fn to_annotations(&self, mark: &Mark) -> Result<BTreeMap<String, String>> {
        let json = |value: serde_json::Result<String>| value.map_err(|error| Error::invalid("spec", error));
        let own = [
            (NAME, self.name.clone()),
            (NAMESPACE, self.namespace.clone()),
            (UID, self.uid.clone()),
            (ATTEMPT, self.attempt.to_string()),
            (LABELS, json(serde_json::to_string(&self.labels))?),
            (ANNOTATIONS, json(serde_json::to_string(&self.annotations))?),
            (CONTAINERS, json(serde_json::to_string(&self.containers))?),
        ];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
        Ok(own.chain([mark.label()]).chain(mark.annotations()).collect())
    }

    /// Reads annotations; `None` for those of somebody else's container.
    fn read(all: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| all.get(key).cloned();
        let containers: Vec<KeptContainer> = json(all, CONTAINERS)?;
        // All but the first have a task of their own.
        let has_tasks = containers.iter().enumerate().all(|(index, container)| {
            container.task.as_deref().map_or(index == 0, |task| index > 0 && is_vm(task))
        });
        (!containers.is_empty() && has_tasks).then_some(())?;
        Some(Self {
            name: text(NAME)?,
            namespace: text(NAMESPACE)?,
            uid: text(UID)?,
            attempt: text(ATTEMPT)?.parse().ok()?,
            labels: json(all, LABELS)?,
            annotations: json(all, ANNOTATIONS)?,
            containers,
        })
    }

    /// Whether a pod of this spec would be the same one: namespace, name, uid and attempt.
    pub(crate) fn is_named_as(&self, spec: &PodSpec) -> bool {
        self.name == spec.name
            && self.namespace == spec.namespace_or_default()
            && spec.uid.as_deref() == Some(self.uid.as_str())
            && self.attempt == spec.attempt
    }

    /// The VM's own name: no two VMs that are there at once may have the same, and pods of one name may be in several
    /// namespaces.
    pub(crate) fn vm_name(&self) -> String {
        format!("{}_{}_{}_{}", self.namespace, self.name, self.uid, self.attempt)
    }
}

impl Vm {
    /// The VM as a pod of wharf's, if it is one.
    pub(crate) fn of(info: ContainerInfo) -> Option<Self> {
        if !is_vm(&info.container_config.container_id) {
            return None;
        }
        let kept = Kept::read(&info.container_config.annotations)?;
        Some(Self { info, kept })
    }

    pub(crate) fn id(&self) -> PodId {
        PodId::new(&self.info.container_config.container_id)
    }

    /// Whether the create of this mark made it.
    pub(crate) fn has_mark(&self, mark: &str) -> bool {
        self.info.container_config.annotations.get(marks::CREATE).is_some_and(|own| own == mark)
    }

    /// A container, with its place.
    pub(crate) fn container(&self, name: &str) -> Option<(usize, &KeptContainer)> {
        self.kept.containers.iter().enumerate().find(|(_, container)| container.name == name)
    }

    /// The id of a container's task.
    pub(crate) fn task<'a>(&'a self, container: &'a KeptContainer) -> &'a str {
        container.task.as_deref().unwrap_or(&self.info.container_config.container_id)
    }

    /// What decides between two of the same name: the older one is first.
    pub(crate) fn age(&self) -> (i64, &str) {
        (self.info.container_config.create_time, &self.info.container_config.container_id)
    }
}

fn json<T: DeserializeOwned>(all: &BTreeMap<String, String>, key: &str) -> Option<T> {
    serde_json::from_str(all.get(key)?).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use runtime_core::spec::ContainerSpec;

    use super::*;

    pub(crate) fn images(count: usize) -> Vec<ImageConfig> {
        let image = |index: usize| ImageConfig {
            layer: format!("{index:064x}"),
            image_id: format!("{index:064x}"),
            ..ImageConfig::default()
        };
        (0..count).map(image).collect()
    }

    pub(crate) fn vm(spec: &PodSpec) -> Vm {
        let mark = Mark::of_pod(spec, spec.attempt).unwrap();
        let kept = Kept::of(spec, &images(spec.containers.len()), &mark);
        let mut info = ContainerInfo::default();
        info.container_config.container_id = "a".repeat(64);
        info.container_config.annotations = kept.to_annotations(&mark).unwrap();
        Vm::of(info).unwrap()
    }

    fn spec() -> PodSpec {
        let mut spec = PodSpec::new("web").with_namespace("ci").with_label("app", "web");
        spec.uid = Some("u-1".to_owned());
        spec.attempt = 2;
        spec.with_container(
            ContainerSpec::new("a", "busybox").with_env("KEY", "hunter2").with_label("l", "v"),
        )
        .with_container(ContainerSpec::new("b", "busybox:1").with_args(["x"]))
    }

    #[test]
    fn what_is_written_is_read_and_holds_no_values_of_the_environment() {
        let spec = spec();
        let mark = Mark::of_pod(&spec, 2).unwrap();
        let kept = Kept::of(&spec, &images(2), &mark);
        let written = kept.to_annotations(&mark).unwrap();
        assert_eq!(Kept::read(&written), Some(kept.clone()));
        assert!(written.values().all(|value| !value.contains("hunter2")));
        assert!(written.keys().all(|key| key.starts_with(marks::PREFIX)));
        assert!(Mark::is_of_pod(&written, &spec, 2).unwrap());
        assert!(kept.is_named_as(&spec));
        assert_eq!(kept.vm_name(), "ci_web_u-1_2");
        let mut other = spec;
        other.namespace = None;
        assert!(!kept.is_named_as(&other));
    }

    #[test]
    fn tasks_are_told_apart() {
        let vm = vm(&spec());
        let (first, second) = (vm.container("a").unwrap(), vm.container("b").unwrap());
        assert_eq!(vm.task(first.1), "a".repeat(64));
        assert!(is_vm(vm.task(second.1)) && vm.task(second.1) != vm.task(first.1));
        assert_eq!((first.0, second.0, vm.container("c")), (0, 1, None));
    }

    #[test]
    fn what_others_made_is_not_ours() {
        assert_eq!(Vm::of(ContainerInfo::default()), None);
        let whole = vm(&spec());
        for key in [NAME, NAMESPACE, UID, ATTEMPT, LABELS, ANNOTATIONS, CONTAINERS] {
            let mut info = whole.info.clone();
            info.container_config.annotations.remove(key);
            assert_eq!(Vm::of(info), None, "{key}");
        }
        for containers in ["[]", "{}", r#"[{"name":"a","task":"../x","image":"i","imageId":"","layer":""}]"#]
        {
            let mut info = whole.info.clone();
            info.container_config.annotations.insert(CONTAINERS.to_owned(), containers.to_owned());
            assert_eq!(Vm::of(info), None, "{containers}");
        }
    }
}
