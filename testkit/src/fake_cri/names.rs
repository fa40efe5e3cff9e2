//! The full names by which containerd tells sandboxes and containers apart, and what it refuses in labels.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_cri::v1::{ContainerMetadata, PodSandboxMetadata};
use tonic::Status;

const MAX_LABEL_BYTES: usize = 4096;
const SHOWN_KEY_CHARS: usize = 10;

pub(super) fn sandbox(metadata: &PodSandboxMetadata) -> String {
    let PodSandboxMetadata { name, uid, namespace, attempt } = metadata;
    format!("{name}_{namespace}_{uid}_{attempt}")
}

pub(super) fn container(metadata: &ContainerMetadata, sandbox: &PodSandboxMetadata) -> String {
    let PodSandboxMetadata { name, uid, namespace, .. } = sandbox;
    format!("{}_{name}_{namespace}_{uid}_{}", metadata.name, metadata.attempt)
}

/// Names that are taken by creates under way. Nothing of the name is listed as long as these last.
#[derive(Default)]
pub(super) struct Reserved(Mutex<BTreeSet<String>>);

/// A name that is taken until this is dropped.
pub(super) struct Reservation<'a> {
    names: &'a Reserved,
    name: String,
}

impl Reserved {
    /// Takes a name; `None` if it is taken.
    pub(super) fn take(&self, name: String) -> Option<Reservation<'_>> {
        let is_free = self.lock().insert(name.clone());
        // Made only now: one that is dropped gives its name back.
        is_free.then(|| Reservation { names: self, name })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.names.lock().remove(&self.name);
    }
}

/// The refusal of a name that is taken; `kind` is `sandbox` or `container`.
pub(super) fn reserved(kind: &str, name: &str, existing: &str) -> Status {
    Status::unknown(format!(
        "failed to reserve {kind} name {name:?}: name {name:?} is reserved for {existing:?}"
    ))
}

/// Checks labels as containerd does when it stores them; `kind` as in [`reserved`].
pub(super) fn check_labels(kind: &str, labels: &HashMap<String, String>) -> Result<(), Status> {
    match labels.iter().find(|(key, value)| key.len() + value.len() > MAX_LABEL_BYTES) {
        None => Ok(()),
        Some((key, _)) => {
            let key: String = key.chars().take(SHOWN_KEY_CHARS).collect();
            Err(Status::invalid_argument(format!(
                "failed to create containerd {kind}: create container failed validation: containers.Labels: label \
                 key and value greater than maximum size ({MAX_LABEL_BYTES} bytes), key: {key}: invalid argument"
            )))
        }
    }
}
