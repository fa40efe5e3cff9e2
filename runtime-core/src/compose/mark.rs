//! What a create writes on what it makes.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    Error, Result, marks,
    spec::{ContainerSpec, PodSpec},
};

/// What a driver writes on a pod or container that it makes: which create made it, so that it can be found although the
/// system's answer was lost; and from what, so that it can be taken over.
///
/// The spec itself is not written: it may hold secrets. A digest of it is, which is another one for each create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    id: String,
    digest: String,
    asked_attempt: Option<u32>,
}

impl Mark {
    /// The mark of a pod made from `spec` with all its containers, of the attempt that the caller asked for.
    ///
    /// # Errors
    /// `InvalidArgument` when the spec can't be written as JSON.
    pub fn of_pod(spec: &PodSpec, asked_attempt: u32) -> Result<Self> {
        let id = new_id();
        let digest = digest(&id, &asked(spec, asked_attempt))?;
        Ok(Self { id, digest, asked_attempt: (spec.attempt != asked_attempt).then_some(asked_attempt) })
    }

    /// The mark of a container.
    pub(super) fn of_container(spec: &ContainerSpec) -> Result<Self> {
        let id = new_id();
        let digest = digest(&id, spec)?;
        Ok(Self { id, digest, asked_attempt: None })
    }

    /// Whether an object with these labels or annotations, all that it has, was made from this pod spec, whose caller asked
    /// for this attempt.
    ///
    /// # Errors
    /// `InvalidArgument` when the spec can't be written as JSON.
    pub fn is_of_pod(
        annotations: &BTreeMap<String, String>,
        spec: &PodSpec,
        asked_attempt: u32,
    ) -> Result<bool> {
        is_of(annotations, &asked(spec, asked_attempt))
    }

    /// A text that no other create has.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The label that finds the object by [`id`](Self::id).
    #[must_use]
    pub fn label(&self) -> (String, String) {
        (marks::CREATE.to_owned(), self.id.clone())
    }

    /// The annotations to write.
    pub fn annotations(&self) -> impl Iterator<Item = (String, String)> {
        let asked = self.asked_attempt.map(|attempt| (marks::ASKED_ATTEMPT, attempt.to_string()));
        [(marks::SPEC_DIGEST, format!("{}:{}", self.id, self.digest))]
            .into_iter()
            .chain(asked)
            .map(|(key, value)| (key.to_owned(), value))
    }
}

/// Whether an object with these marks was made from this container spec.
pub(super) fn is_of_container(marks: &BTreeMap<String, String>, spec: &ContainerSpec) -> Result<bool> {
    is_of(marks, spec)
}

/// The attempt that a caller asked for, of a pod that may have got another one.
pub(super) fn asked_attempt(marks: &BTreeMap<String, String>) -> Option<u32> {
    marks.get(marks::ASKED_ATTEMPT)?.parse().ok()
}

/// The spec as the caller gave it. Credentials are no part of what is made.
fn asked(spec: &PodSpec, attempt: u32) -> PodSpec {
    PodSpec { attempt, pull_secrets: Vec::new(), ..spec.clone() }
}

fn is_of(marks: &BTreeMap<String, String>, spec: &impl Serialize) -> Result<bool> {
    match marks.get(marks::SPEC_DIGEST).and_then(|told| told.split_once(':')) {
        Some((id, told)) => Ok(digest(id, spec)? == told),
        None => Ok(false),
    }
}

fn digest(id: &str, spec: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(spec).map_err(|error| Error::invalid("spec", error))?;
    let sum = Sha256::new().chain_update(id).chain_update([0]).chain_update(json).finalize();
    Ok(sum.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

/// Process, time and a counter.
fn new_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = jiff::Timestamp::now().as_nanosecond();
    format!("{:x}-{now:x}-{count:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RegistryCredentials;

    fn spec(value: &str) -> PodSpec {
        PodSpec::new("p").with_container(ContainerSpec::new("c", "image:1").with_env("A", value))
    }

    #[test]
    fn what_was_made_from_a_spec_is_known_again() {
        let mark = Mark::of_pod(&spec("1"), 0).unwrap();
        let told = marks::own(mark.annotations());
        assert!(Mark::is_of_pod(&told, &spec("1"), 0).unwrap());
        let secret = RegistryCredentials::basic("registry", "me", "hunter2");
        assert!(Mark::is_of_pod(&told, &spec("1").with_pull_secret(secret), 0).unwrap());
        for other in [spec("2"), spec("1").with_label("a", "b"), PodSpec::new("p")] {
            assert!(!Mark::is_of_pod(&told, &other, 0).unwrap(), "{other:?}");
        }
        assert!(!Mark::is_of_pod(&BTreeMap::new(), &spec("1"), 0).unwrap());
        let container = &spec("1").containers[0];
        let told = marks::own(Mark::of_container(container).unwrap().annotations());
        assert!(is_of_container(&told, container).unwrap());
        assert!(!is_of_container(&told, &spec("2").containers[0]).unwrap());
    }

    #[test]
    fn another_attempt_is_the_same_spec_as_the_one_asked_for() {
        let later = PodSpec { attempt: 3, ..spec("1") };
        let told = marks::own(Mark::of_pod(&later, 0).unwrap().annotations());
        assert_eq!(asked_attempt(&told), Some(0));
        assert!(Mark::is_of_pod(&told, &spec("1"), 0).unwrap());
        let first = marks::own(Mark::of_pod(&spec("1"), 0).unwrap().annotations());
        assert_eq!(asked_attempt(&first), None);
    }

    #[test]
    fn equal_specs_have_digests_of_their_own() {
        let digest = |mark: Mark| mark.digest;
        let mark = || Mark::of_pod(&spec("hunter2"), 0).unwrap();
        assert_ne!(digest(mark()), digest(mark()));
    }
}
