//! What a failed call could not undo.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::Object;

/// Something that a failed or abandoned call left on the system.
///
/// It is plain data with durable ids: keep it, and hand it to [`Driver::reap`](crate::Driver::reap) later, from another
/// process if need be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Leftover {
    /// What was left.
    pub object: Object,
    /// Set where the object's id never became known because the system's answer was lost: the mark that wharf put on
    /// the object when it asked for it, by which it can be found.
    pub create_mark: Option<String>,
}

impl Leftover {
    /// An object with a known id.
    #[must_use]
    pub fn new(object: Object) -> Self {
        Self { object, create_mark: None }
    }

    /// A pod with a known id.
    #[must_use]
    pub fn pod(id: impl Into<String>) -> Self {
        Self::new(Object::pod(id))
    }

    /// A container with a known id.
    #[must_use]
    pub fn container(id: impl Into<String>) -> Self {
        Self::new(Object::container(id))
    }

    /// An object that may exist, findable by its mark; `object` carries its name.
    #[must_use]
    pub fn marked(object: Object, mark: impl Into<String>) -> Self {
        Self { object, create_mark: Some(mark.into()) }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.create_mark {
            None => write!(f, "{}", self.object),
            Some(mark) => write!(f, "{} (perhaps, marked {mark})", self.object),
        }
    }
}
