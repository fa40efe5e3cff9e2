//! Labels: the caller's, and the mark that wharf adds.

use std::collections::BTreeMap;

use runtime_core::marks::{CREATE, visible};

/// The caller's labels with the mark added.
pub(super) fn marked(labels: &BTreeMap<String, String>, mark: &str) -> BTreeMap<String, String> {
    let mut labels = visible(labels.clone());
    labels.insert(CREATE.to_owned(), mark.to_owned());
    labels
}

/// Whether the create with this mark made the object.
pub(in super::super) fn has_mark(labels: &BTreeMap<String, String>, mark: &str) -> bool {
    labels.get(CREATE).is_some_and(|own| own == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_and_hidden() {
        let user = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let labels = marked(&user, "m1");
        assert!(has_mark(&labels, "m1") && !has_mark(&labels, "m2") && !has_mark(&user, "m1"));
        assert_eq!(visible(labels), user);
    }
}
