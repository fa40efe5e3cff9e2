//! A pod as lists show it.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PodPhase;
use crate::PodId;

/// A pod as lists show it. Cheap to clone, so that a list of many that are known anyway costs next to nothing: clones are one
/// in memory until one of them is changed.
#[derive(Clone, PartialEq, Eq)]
pub struct PodSummary(Arc<PodFacts>);

/// What a [`PodSummary`] says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PodFacts {
    /// Its id.
    pub id: PodId,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The caller's unique id.
    pub uid: Option<String>,
    /// How many times it was made before.
    pub attempt: Option<u32>,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// The caller's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl PodSummary {
    /// A pod of which only this is known.
    #[must_use]
    pub fn new(id: PodId, name: impl Into<String>, namespace: impl Into<String>, phase: PodPhase) -> Self {
        Self(Arc::new(PodFacts {
            id,
            name: name.into(),
            namespace: namespace.into(),
            uid: None,
            attempt: None,
            phase,
            created_at: None,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }))
    }
}

impl Deref for PodSummary {
    type Target = PodFacts;

    fn deref(&self) -> &PodFacts {
        &self.0
    }
}

/// Clones are not changed with it.
impl DerefMut for PodSummary {
    fn deref_mut(&mut self) -> &mut PodFacts {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for PodSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for PodSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PodFacts::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for PodSummary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        PodFacts::deserialize(deserializer).map(|facts| Self(Arc::new(facts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> PodSummary {
        PodSummary::new("1".into(), "web", "default", PodPhase::Running)
    }

    #[test]
    fn a_change_is_of_one_clone_alone() {
        let whole = summary();
        let mut changed = whole.clone();
        assert!(Arc::ptr_eq(&whole.0, &changed.0));
        changed.labels.insert("app".to_owned(), "web".to_owned());
        assert_eq!((whole, changed.labels.len()), (summary(), 1));
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        let text = serde_json::to_string(&summary()).unwrap();
        assert!(text.starts_with(r#"{"id":"1","name":"web","namespace":"default""#), "{text}");
        assert_eq!(serde_json::from_str::<PodSummary>(&text).unwrap(), summary());
    }
}
