//! What only one pod can have: a name, a socket, a mount point.

use std::path::Path;

use runtime_core::spec::PodSpec;
use sha2::{Digest, Sha256};

use super::Record;

/// A name, or a place on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The name of its link.
    file: String,
    /// It is a place, which a pod that has ended doesn't need any more.
    pub(crate) is_place: bool,
}

impl Claim {
    /// The name of a pod. Its spec has a uid.
    pub(crate) fn name(spec: &PodSpec) -> Self {
        let uid = spec.uid.as_deref().unwrap_or_default();
        let parts = ["name", spec.namespace_or_default(), &spec.name, uid, &spec.attempt.to_string()];
        Self::new(&parts.map(str::as_bytes), false)
    }

    /// A socket or mount point.
    pub(crate) fn place(path: &Path) -> Self {
        Self::new(&[b"place", path.as_os_str().as_encoded_bytes()], true)
    }

    /// All that a pod has. The places below its own directory are nobody else's anyway.
    pub(crate) fn all(record: &Record, directory: &Path) -> Vec<Self> {
        let places = [&record.places.api_socket, &record.places.serves];
        let outside = places.into_iter().filter(|place| !place.starts_with(directory));
        outside.map(|place| Self::place(place)).chain([Self::name(&record.spec)]).collect()
    }

    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// No part has a zero byte.
    fn new(parts: &[&[u8]], is_place: bool) -> Self {
        let sum = Sha256::digest(parts.join(&0));
        let file = sum.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { file, is_place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_name_is_the_same_claim() {
        let spec = |uid: &str, name: &str, attempt: u32| {
            let mut spec = PodSpec::new(name);
            (spec.uid, spec.attempt) = (Some(uid.to_owned()), attempt);
            spec
        };
        let claim = Claim::name(&spec("u", "a", 0));
        assert_eq!(claim, Claim::name(&spec("u", "a", 0).with_label("a", "b")));
        let elsewhere = spec("u", "a", 0).with_namespace("b");
        for other in [spec("v", "a", 0), spec("u", "b", 0), spec("u", "a", 1), elsewhere] {
            assert_ne!(claim, Claim::name(&other), "{other:?}");
        }
        assert_ne!(Claim::place(Path::new("/a")), Claim::place(Path::new("/b")));
    }
}
