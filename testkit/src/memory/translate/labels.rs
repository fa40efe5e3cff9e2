//! Labels: the caller's, and those that wharf adds and hides.

use std::collections::BTreeMap;

use runtime_core::{Error, Result};

/// What the names of wharf's own labels begin with.
const PREFIX: &str = "wharf.dev/";
/// Holds the mark of the create that made the object.
const CREATE: &str = "wharf.dev/create";

/// The caller's labels with the mark added.
pub(super) fn marked(labels: &BTreeMap<String, String>, mark: &str) -> BTreeMap<String, String> {
    let mut labels = visible(labels);
    labels.insert(CREATE.to_owned(), mark.to_owned());
    labels
}

/// The labels without wharf's own.
pub(super) fn visible(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = |key: &str| key.starts_with(PREFIX);
    labels.iter().filter(|(key, _)| !own(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether the create with this mark made the object.
pub(in super::super) fn has_mark(labels: &BTreeMap<String, String>, mark: &str) -> bool {
    labels.get(CREATE).is_some_and(|own| own == mark)
}

/// Refuses keys that would be taken for wharf's own.
pub(super) fn check(field: &str, map: &BTreeMap<String, String>) -> Result<()> {
    match map.keys().find(|key| key.starts_with(PREFIX)) {
        Some(key) => Err(Error::invalid(
            field,
            format!("the key {key:?} has the prefix {PREFIX:?}, which is reserved"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_and_hidden() {
        let user = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let labels = marked(&user, "m1");
        assert!(has_mark(&labels, "m1") && !has_mark(&labels, "m2") && !has_mark(&user, "m1"));
        assert_eq!(visible(&labels), user);
        check("labels", &user).unwrap();
        assert_eq!(check("labels", &labels).unwrap_err().field(), Some("labels"));
    }
}
