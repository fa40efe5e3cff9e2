//! Where images are within a daemon.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const BEFORE: &str = "/rafs/";
const AFTER: &str = "/lowerdir";

/// What stands for itself in a query. Everything else is encoded, `+` too, which the daemon would read as a space.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Where the image with this id is mounted. The id is one that the contract allows, so it can't lead elsewhere.
pub(crate) fn image_at(id: &str) -> String {
    format!("{BEFORE}{id}{AFTER}")
}

/// The id of the image that is mounted here, if it is a place for one.
pub(crate) fn id_of(mountpoint: &str) -> Option<&str> {
    let id = mountpoint.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-' | '.');
    (!id.is_empty() && id != "." && id != ".." && id.len() <= 255 && id.chars().all(allowed)).then_some(id)
}

/// A path with a value in its query.
pub(crate) fn with_query(path: &str, key: &str, value: &str) -> String {
    format!("{path}?{key}={}", utf8_percent_encode(value, QUERY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_ids_belong_together() {
        for id in ["a", "A-9_+.z", "...", &"x".repeat(255)] {
            assert_eq!(id_of(&image_at(id)), Some(id));
        }
    }

    #[test]
    fn other_places_are_none_of_ours() {
        for place in [
            "/containers",
            "/rafs//lowerdir",
            "/rafs/lowerdir",
            "/rafs/./lowerdir",
            "/rafs/../lowerdir",
            "/rafs/a/b/lowerdir",
            "/rafs/a b/lowerdir",
            "/rafs/a/lowerdir/",
            "/x/rafs/a/lowerdir",
            "/rafs/a/lowerdirx",
            "/rafs/a,b/lowerdir",
            "/rafs/ä/lowerdir",
            &image_at(&"x".repeat(256)),
        ] {
            assert_eq!(id_of(place), None, "{place}");
        }
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(with_query("/p", "k", "/rafs/a+b/lowerdir"), "/p?k=/rafs/a%2Bb/lowerdir");
        assert_eq!(with_query("/p", "k", "/a b&c=%?#ä"), "/p?k=/a%20b%26c%3D%25%3F%23%C3%A4");
    }
}
