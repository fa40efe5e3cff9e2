//! What wharf writes into the labels and annotations of a system's objects, and keeps out of its callers' sight.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The prefix of every label and annotation that wharf sets.
pub const PREFIX: &str = "wharf.dev/";

/// Label: the mark of the create that made the object. It finds what was made by a call whose answer was lost.
pub const CREATE: &str = "wharf.dev/create";

/// Annotation: a digest of the spec that an object was made from, by which it is known again.
pub const SPEC_DIGEST: &str = "wharf.dev/spec-digest";

/// Annotation of a pod: the attempt that its caller asked for, where it got another one because the system didn't give that
/// one's name back.
pub const ASKED_ATTEMPT: &str = "wharf.dev/asked-attempt";

/// Wharf's own among all labels or annotations that an object has.
pub(crate) fn own(all: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    all.into_iter().filter(|(key, _)| key.starts_with(PREFIX)).collect()
}

/// The caller's own labels or annotations among all that an object has.
pub fn visible(all: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    all.into_iter().filter(|(key, _)| !key.starts_with(PREFIX)).collect()
}

/// The uid of a pod whose caller gives none, in the form of a UUID: always the same for the same name, so that the system
/// itself refuses to make a second one.
#[must_use]
pub fn default_uid(namespace: &str, name: &str) -> String {
    let sum = Sha256::digest(format!("wharf.dev/pod/{namespace}/{name}").as_bytes());
    let hex: String = sum.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Refuses keys that would be taken for wharf's own.
pub(crate) fn check(field: &str, map: &BTreeMap<String, String>) -> Result<()> {
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
    fn own_keys_are_hidden_and_refused() {
        let user = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let mut all = user.clone();
        all.insert(CREATE.to_owned(), "mark".to_owned());
        assert_eq!(visible(all.clone()), user);
        check("labels", &user).unwrap();
        assert_eq!(check("labels", &all).unwrap_err().field(), Some("labels"));
    }

    #[test]
    fn the_same_name_has_the_same_uid_and_no_other_has() {
        let uid = default_uid("default", "web");
        assert_eq!(uid, default_uid("default", "web"));
        assert_eq!(uid.len(), 36);
        assert_ne!(uid, default_uid("default", "web2"));
        assert_ne!(uid, default_uid("default/web", ""));
    }
}
