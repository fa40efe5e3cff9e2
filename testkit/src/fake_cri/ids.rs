//! Ids are found by any prefix that fits one of them.

use tonic::Status;

/// What a prefix found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    One(&'a str),
    None,
    Many,
    EmptyPrefix,
}

pub(super) fn find<'a>(ids: impl Iterator<Item = &'a str>, prefix: &str) -> Found<'a> {
    if prefix.is_empty() {
        return Found::EmptyPrefix;
    }
    let mut found = Found::None;
    for id in ids.filter(|id| id.starts_with(prefix)) {
        if id == prefix {
            return Found::One(id);
        }
        found = if found == Found::None { Found::One(id) } else { Found::Many };
    }
    found
}

impl<'a> Found<'a> {
    /// The id, if there is just one.
    pub(super) fn owned(self) -> Option<String> {
        match self {
            Self::One(id) => Some(id.to_owned()),
            Self::None | Self::Many | Self::EmptyPrefix => None,
        }
    }

    /// The id, or containerd's refusal: `context` and what is wrong with the prefix.
    pub(super) fn or_refuse(self, context: &str, prefix: &str) -> Result<&'a str, Status> {
        match self {
            Self::One(id) => Ok(id),
            Self::None => Err(Status::not_found(format!("{context}: not found"))),
            Self::Many => {
                Err(Status::unknown(format!("{context}: Multiple IDs found with provided prefix: {prefix}")))
            }
            Self::EmptyPrefix => Err(Status::unknown(format!("{context}: Prefix can't be empty"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_finds_the_one_it_fits() {
        let ids = ["abc", "abd", "ab", "x1"];
        for (prefix, found) in [
            ("x", Found::One("x1")),
            ("abc", Found::One("abc")),
            ("ab", Found::One("ab")),
            ("a", Found::Many),
            ("y", Found::None),
            ("abcd", Found::None),
            ("", Found::EmptyPrefix),
        ] {
            assert_eq!(find(ids.iter().copied(), prefix), found, "{prefix:?}");
        }
    }
}
