//! Labels and annotations: the caller's, and the mark that wharf adds.

use std::collections::BTreeMap;

use runtime_core::{
    compose::Mark,
    marks::{CREATE, visible},
};

/// The caller's labels with the mark's added.
pub(super) fn marked(labels: &BTreeMap<String, String>, mark: &Mark) -> BTreeMap<String, String> {
    let mut labels = visible(labels.clone());
    labels.extend([mark.label()]);
    labels
}

/// The caller's annotations with the mark's added.
pub(super) fn annotated(annotations: &BTreeMap<String, String>, mark: &Mark) -> BTreeMap<String, String> {
    let mut annotations = visible(annotations.clone());
    annotations.extend(mark.annotations());
    annotations
}

/// Whether the create with this mark made the object.
pub(in super::super) fn has_mark(labels: &BTreeMap<String, String>, mark: &str) -> bool {
    labels.get(CREATE).is_some_and(|own| own == mark)
}
