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

/// Label of a pod: the id of the [group](crate::group) whose executor made it.
pub const GROUP: &str = "wharf.dev/group";

/// Label of a pod: the executor that made it.
pub const EXECUTOR: &str = "wharf.dev/executor";

/// Label of a pod: the [tenure](crate::group::Epoch::tenure) of the executor's in which it was made.
pub const TENURE: &str = "wharf.dev/tenure";

/// The marks that callers set, by [`Membership::stamp`](crate::group::Membership::stamp), and see.
const CALLERS: [&str; 3] = [GROUP, EXECUTOR, TENURE];

/// Wharf's own among all labels or annotations that an object has.
pub(crate) fn own(all: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    all.into_iter().filter(|(key, _)| key.starts_with(PREFIX)).collect()
}

/// The caller's own labels or annotations among all that an object has, those of its group too.
pub fn visible(all: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    all.into_iter().filter(|(key, _)| is_callers(key)).collect()
}

fn is_callers(key: &str) -> bool {
    !key.starts_with(PREFIX) || CALLERS.contains(&key)
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
    match map.keys().find(|key| !is_callers(key)) {
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
    fn the_marks_of_a_group_are_the_callers() {
        let stamped = BTreeMap::from(CALLERS.map(|key| (key.to_owned(), "1".to_owned())));
        check("labels", &stamped).unwrap();
        assert_eq!(visible(stamped.clone()), stamped);
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
