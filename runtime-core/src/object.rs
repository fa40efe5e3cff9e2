//! What a call or an error is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A reference to one object of a system, by the id or name under which the caller knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Object {
    /// What sort of object it is.
    pub kind: ObjectKind,
    /// Its id where it has one, else its name.
    pub id: String,
}

/// The sorts of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ObjectKind {
    /// A pod: sandbox, Kubernetes pod, container VM, daemon.
    Pod,
    /// A container in a pod.
    Container,
    /// An image.
    Image,
    /// The system itself, by its endpoint.
    Endpoint,
}

impl Object {
    /// A pod.
    #[must_use]
    pub fn pod(id: impl Into<String>) -> Self {
        Self { kind: ObjectKind::Pod, id: id.into() }
    }

    /// A container.
    #[must_use]
    pub fn container(id: impl Into<String>) -> Self {
        Self { kind: ObjectKind::Container, id: id.into() }
    }

    /// An image.
    #[must_use]
    pub fn image(reference: impl Into<String>) -> Self {
        Self { kind: ObjectKind::Image, id: reference.into() }
    }

    /// The system at an endpoint.
    #[must_use]
    pub fn endpoint(endpoint: impl Into<String>) -> Self {
        Self { kind: ObjectKind::Endpoint, id: endpoint.into() }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ObjectKind::Pod => "pod",
            ObjectKind::Container => "container",
            ObjectKind::Image => "image",
            ObjectKind::Endpoint => "endpoint",
        };
        write!(f, "{kind} {}", self.id)
    }
}
