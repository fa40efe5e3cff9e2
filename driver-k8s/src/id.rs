//! Ids of pods and containers: what they are called, and which life of that name is meant.

use std::fmt;

use runtime_core::{ContainerId, Error, Object, PodId, Result};

/// A pod: `<namespace>/<name>/<uid>`.
///
/// Names are what Kubernetes is asked by; the uid tells one life of a name from the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PodKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// A container: `<namespace>/<name>/<uid>/<container>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContainerKey {
    pub(crate) pod: PodKey,
    pub(crate) container: String,
}

impl PodKey {
    /// # Errors
    /// `NotFound` for what can't be the id of any pod.
    pub(crate) fn parse(id: &PodId) -> Result<Self> {
        match split(id.as_str()) {
            Some([namespace, name, uid]) => Ok(Self { namespace, name, uid }),
            None => Err(Error::not_found(Object::pod(id.as_str()))),
        }
    }

    pub(crate) fn id(&self) -> PodId {
        PodId::new(self.to_string())
    }

    /// One of this pod's containers.
    pub(crate) fn container(&self, name: &str) -> ContainerKey {
        ContainerKey { pod: self.clone(), container: name.to_owned() }
    }
}

impl ContainerKey {
    /// # Errors
    /// `NotFound` for what can't be the id of any container.
    pub(crate) fn parse(id: &ContainerId) -> Result<Self> {
        match split(id.as_str()) {
            Some([namespace, name, uid, container]) => {
                Ok(Self { pod: PodKey { namespace, name, uid }, container })
            }
            None => Err(Error::not_found(Object::container(id.as_str()))),
        }
    }

    pub(crate) fn id(&self) -> ContainerId {
        ContainerId::new(self.to_string())
    }
}

/// The parts of an id, if there are so many and each can be a name.
fn split<const N: usize>(id: &str) -> Option<[String; N]> {
    let parts: Vec<_> = id.split('/').map(str::to_owned).collect();
    parts.iter().all(|part| is_name(part)).then_some(parts)?.try_into().ok()
}

/// Whether a text can be the name of an object. Names become parts of a request's path: what is none must not get there.
pub(crate) fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let is_outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && bytes.iter().copied().all(is_inner)
        && is_outer(bytes.first())
        && is_outer(bytes.last())
}

impl fmt::Display for PodKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.name, self.uid)
    }
}

impl fmt::Display for ContainerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pod, self.container)
    }
}

#[cfg(test)]
mod tests {
    use runtime_core::ErrorKind;

    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let pod = PodKey { namespace: "ci".to_owned(), name: "job.1".to_owned(), uid: "8f-1".to_owned() };
        assert_eq!(pod.id().as_str(), "ci/job.1/8f-1");
        assert_eq!(PodKey::parse(&pod.id()).unwrap(), pod);
        let main = pod.container("main");
        assert_eq!(main.id().as_str(), "ci/job.1/8f-1/main");
        assert_eq!(ContainerKey::parse(&main.id()).unwrap(), main);
    }

    #[test]
    fn what_is_no_id_is_not_found() {
        for id in [
            "",
            "a",
            "a/b",
            "a//c",
            "a/b/c/",
            "/a/b/c",
            "a/b/c/d/e",
            "a/../c",
            "a/b?watch=1/c",
            "a/b%2F/c",
            "a/B/c",
            "a/b/c/..",
            "a/b/c/d#",
        ] {
            assert_eq!(PodKey::parse(&PodId::new(id)).unwrap_err().kind(), ErrorKind::NotFound, "{id}");
            let error = ContainerKey::parse(&ContainerId::new(id)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{id}");
        }
    }
}
