//! Ids of pods and containers.
//!
//! A pod's id is that of its container VM, 64 hex digits; a container's is the pod's, a slash, and the container's name.

use runtime_core::{ContainerId, Error, Object, PodId, Result};
use sha2::{Digest, Sha256};

/// How many hex digits ids of VMs and tasks have.
const DIGITS: usize = 64;

/// A container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerKey {
    pub(crate) pod: PodId,
    pub(crate) name: String,
}

impl ContainerKey {
    /// # Errors
    /// `NotFound` for what can't be the id of any container.
    pub(crate) fn parse(id: &ContainerId) -> Result<Self> {
        match id.as_str().split_once('/') {
            Some((pod, name)) if is_vm(pod) && !name.is_empty() && !name.contains('/') => {
                Ok(Self { pod: PodId::new(pod), name: name.to_owned() })
            }
            _ => Err(Error::not_found(Object::container(id.as_str()))),
        }
    }

    pub(crate) fn id(&self) -> ContainerId {
        container_id(&self.pod, &self.name)
    }

    pub(crate) fn missing(&self) -> Error {
        Error::not_found(Object::container(self.id().as_str()))
    }
}

/// The id of a pod's container.
pub(crate) fn container_id(pod: &PodId, name: &str) -> ContainerId {
    ContainerId::new(format!("{pod}/{name}"))
}

/// Whether a text can be the id of a container VM. Ids become parts of a request's path: what is none must not get there.
pub(crate) fn is_vm(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The id of a task that nobody else has: streams are found by it alone, in all VMs. `mark` is that of the create.
pub(crate) fn task_id(mark: &str, pod: &str, container: &str) -> String {
    let sum = Sha256::digest(format!("wharf.dev/task/{mark}/{pod}/{container}").as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use runtime_core::ErrorKind;

    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let pod = "0123456789abcdef".repeat(4);
        let key = ContainerKey { pod: PodId::new(&pod), name: "main".to_owned() };
        assert_eq!(ContainerKey::parse(&key.id()).unwrap(), key);
        let bad = [
            pod.clone(),
            format!("{pod}/"),
            format!("{pod}/a/b"),
            format!("{}/a", pod.to_uppercase()),
            format!("{}/a", &pod[1..]),
            "../../events/a".to_owned(),
        ];
        for id in bad {
            let error = ContainerKey::parse(&ContainerId::new(&id)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{id}");
        }
    }

    #[test]
    fn tasks_of_other_creates_and_containers_have_other_ids() {
        let id = task_id("m", "p", "c");
        assert!(is_vm(&id));
        assert_eq!(id, task_id("m", "p", "c"));
        assert!(
            [task_id("n", "p", "c"), task_id("m", "p", "d"), task_id("m", "q", "c")]
                .iter()
                .all(|other| *other != id)
        );
    }
}
