//! Names and labels by Kubernetes' rules, and any text made into such a name.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// The most characters of a DNS label, of a label's name and of a label's value.
pub const MAX_LABEL: usize = 63;

/// The most characters of a DNS subdomain.
pub const MAX_SUBDOMAIN: usize = 253;

/// Hex digits of the hash that keeps changed names apart.
const HASH_DIGITS: usize = 10;

/// Checks a DNS label (RFC 1123): up to 63 of `a-z`, `0-9` and `-`, with a letter or digit at both ends.
///
/// # Errors
/// Says which part of this it breaks.
pub fn validate_label(text: &str) -> Result<(), NameError> {
    check(NameKind::DnsLabel, text, MAX_LABEL, is_dns_edge, |c| is_dns_edge(c) || c == '-')
}

/// Checks a DNS subdomain (RFC 1123): up to 253 characters, labels with dots between. As in Kubernetes, a single label
/// may then be longer than 63.
///
/// # Errors
/// Says which part of this it breaks.
pub fn validate_subdomain(text: &str) -> Result<(), NameError> {
    check_subdomain(NameKind::DnsSubdomain, text)
}

/// Checks the key of a label or an annotation: a name, and before it maybe a DNS subdomain and a slash.
///
/// # Errors
/// Says which part of this it breaks.
pub fn validate_label_key(key: &str) -> Result<(), NameError> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            check_subdomain(NameKind::LabelPrefix, prefix)?;
            name
        }
        None => key,
    };
    check(NameKind::LabelName, name, MAX_LABEL, is_qualified_edge, is_qualified)
}

/// Checks the value of a label: empty, or up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both
/// ends.
///
/// # Errors
/// Says which part of this it breaks.
pub fn validate_label_value(value: &str) -> Result<(), NameError> {
    if value.is_empty() {
        return Ok(());
    }
    check(NameKind::LabelValue, value, MAX_LABEL, is_qualified_edge, is_qualified)
}

/// Makes a valid DNS label of at most `max` characters out of any text.
///
/// What is valid already stays as it is. Where anything had to be changed or cut, a hash of the original is appended, so
/// that two texts don't end up as one; it is the same in every version. `max` counts as at least 1 and at most 63; below
/// 11 it cuts the hash, and names may meet.
#[must_use]
pub fn sanitize_label(text: &str, max: usize) -> String {
    let max = max.clamp(1, MAX_LABEL);
    if text.len() <= max && validate_label(text).is_ok() {
        return text.to_owned();
    }
    let hash = Sha256::digest(text.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = &hash[..HASH_DIGITS.min(max)];
    let readable: String = text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if is_dns_edge(c) { c } else { '-' })
        .skip_while(|&c| c == '-')
        .take(max.saturating_sub(HASH_DIGITS + 1))
        .collect();
    match readable.trim_end_matches('-') {
        "" => hash.to_owned(),
        readable => format!("{readable}-{hash}"),
    }
}

/// What a name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameKind {
    /// The name of a container, a port or the like.
    DnsLabel,
    /// The name of a pod or the like.
    DnsSubdomain,
    /// The part of a label's key before the slash.
    LabelPrefix,
    /// The part of a label's key after the slash.
    LabelName,
    /// The value of a label.
    LabelValue,
}

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing.
    #[error("the {kind} is empty")]
    Empty {
        /// What it is for.
        kind: NameKind,
    },
    /// It is too long.
    #[error("the {kind} has {length} characters, {max} are allowed")]
    TooLong {
        /// What it is for.
        kind: NameKind,
        /// How long it is.
        length: usize,
        /// How long it may be.
        max: usize,
    },
    /// A character is not allowed.
    #[error("the {kind} holds {character:?}, allowed are {}", .kind.allowed())]
    BadCharacter {
        /// What it is for.
        kind: NameKind,
        /// The first such character.
        character: char,
    },
    /// A character is not allowed at an end.
    #[error("the {kind} has {character:?} at an end, where only a letter or digit may be")]
    BadEdge {
        /// What it is for.
        kind: NameKind,
        /// The character.
        character: char,
    },
    /// Two dots in a row, or one at an end.
    #[error("the {kind} has an empty part between dots")]
    EmptyPart {
        /// What it is for.
        kind: NameKind,
    },
}

impl NameKind {
    fn allowed(self) -> &'static str {
        match self {
            Self::DnsLabel => "a-z, 0-9 and '-'",
            Self::DnsSubdomain | Self::LabelPrefix => "a-z, 0-9, '-' and '.'",
            Self::LabelName | Self::LabelValue => "letters, digits, '-', '_' and '.'",
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DnsLabel => "name (a DNS label)",
            Self::DnsSubdomain => "name (a DNS subdomain)",
            Self::LabelPrefix => "prefix of the label key",
            Self::LabelName => "name part of the label key",
            Self::LabelValue => "label value",
        })
    }
}

fn check_subdomain(kind: NameKind, text: &str) -> Result<(), NameError> {
    check(
        kind,
        text,
        MAX_SUBDOMAIN,
        |c| is_dns_edge(c) || c == '.',
        |c| is_dns_edge(c) || matches!(c, '-' | '.'),
    )?;
    for part in text.split('.') {
        if part.is_empty() {
            return Err(NameError::EmptyPart { kind });
        }
        check_edges(kind, part, is_dns_edge)?;
    }
    Ok(())
}

fn check(
    kind: NameKind,
    text: &str,
    max: usize,
    is_edge: impl Fn(char) -> bool,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if let Some(character) = text.chars().find(|&c| !is_allowed(c)) {
        return Err(NameError::BadCharacter { kind, character });
    }
    // All allowed characters are ASCII, so bytes are characters from here on.
    if text.len() > max {
        return Err(NameError::TooLong { kind, length: text.len(), max });
    }
    check_edges(kind, text, is_edge)
}

fn check_edges(kind: NameKind, text: &str, is_edge: impl Fn(char) -> bool) -> Result<(), NameError> {
    let ends = [text.chars().next(), text.chars().last()];
    match ends.into_iter().flatten().find(|&c| !is_edge(c)) {
        Some(character) => Err(NameError::BadEdge { kind, character }),
        None => Ok(()),
    }
}

fn is_dns_edge(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_qualified_edge(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn is_qualified(c: char) -> bool {
    is_qualified_edge(c) || matches!(c, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn long(length: usize) -> String {
        "a".repeat(length)
    }

    #[test]
    fn labels() {
        for text in ["a", "0", "a-b", "a--b", "1-a", &long(63)] {
            assert_eq!(validate_label(text), Ok(()), "{text}");
        }
        for (text, message) in [
            ("", "the name (a DNS label) is empty"),
            ("A", "the name (a DNS label) holds 'A', allowed are a-z, 0-9 and '-'"),
            ("a.b", "the name (a DNS label) holds '.', allowed are a-z, 0-9 and '-'"),
            ("a\n", "the name (a DNS label) holds '\\n', allowed are a-z, 0-9 and '-'"),
            ("-a", "the name (a DNS label) has '-' at an end, where only a letter or digit may be"),
            ("a-", "the name (a DNS label) has '-' at an end, where only a letter or digit may be"),
            (&long(64), "the name (a DNS label) has 64 characters, 63 are allowed"),
        ] {
            assert_eq!(validate_label(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn subdomains() {
        for text in ["a", "a.b", "a-b.c-d", "1.2", &long(253)] {
            assert_eq!(validate_subdomain(text), Ok(()), "{text}");
        }
        for text in ["", ".", "a.", ".a", "a..b", "a.-b", "a-.b", "a_b", "A.b", &long(254)] {
            assert!(validate_subdomain(text).is_err(), "{text}");
        }
        let kind = NameKind::DnsSubdomain;
        assert_eq!(validate_subdomain("a..b"), Err(NameError::EmptyPart { kind }));
        assert_eq!(validate_subdomain("a.-b"), Err(NameError::BadEdge { kind, character: '-' }));
    }

    #[test]
    fn label_keys() {
        // Of Kubernetes' own table for qualified names.
        let longest = format!("{}/{}", long(253), long(63));
        for key in [
            "simple",
            "now-with-dashes",
            "1-starts-with-num",
            "1234",
            "simple/simple",
            "now-with-dashes/simple",
            "1-num.2-num/3-num",
            "1.2.3.4/5678",
            "Uppercase_Is_OK_123",
            "example.com/Uppercase_Is_OK_123",
            &longest,
        ] {
            assert_eq!(validate_label_key(key), Ok(()), "{key}");
        }
        for key in [
            "",
            "nospecialchars%^=@",
            "cantendwithadash-",
            "-cantstartwithadash-",
            "only/one/slash",
            "Example.com/abc",
            "example_com/abc",
            "example.com/",
            "/simple",
            "a b",
            &long(64),
            &format!("{}/abc", long(254)),
        ] {
            assert!(validate_label_key(key).is_err(), "{key}");
        }
    }

    #[test]
    fn label_values() {
        for value in ["", "a", "A_b.c-D", "simple", "1.2.3", "end.of.sentence.in.example", &long(63)] {
            assert_eq!(validate_label_value(value), Ok(()), "{value}");
        }
        for value in [".", "-a", "a_", "only/one", "a b", "ä", &long(64)] {
            assert!(validate_label_value(value).is_err(), "{value}");
        }
    }

    #[test]
    fn sanitized_names_never_change_between_versions() {
        for (text, max, expected) in [
            ("web", 63, "web"),
            ("", 63, "e3b0c44298"),
            ("Web", 63, "web-2975104784"),
            ("my_app.v2", 63, "my-app-v2-0a45b945cf"),
            ("a-long-name-of-a-pod", 17, "a-long-7291cc9f31"),
            ("web-server", 5, "e4d16"),
        ] {
            assert_eq!(sanitize_label(text, max), expected);
        }
    }

    #[test]
    fn texts_that_look_alike_stay_apart() {
        let texts =
            ["a.b", "a_b", "a b", "A.B", "a-b", "a-b-", "-a-b", "ä-b", "aä", "aö", "", "-", "--", "_"];
        let long: Vec<String> = (0..50).map(|n| format!("{}{n}", long(70))).collect();
        let all = texts.into_iter().chain(long.iter().map(String::as_str));
        let made: HashSet<String> = all.clone().map(|text| sanitize_label(text, 63)).collect();
        assert_eq!(made.len(), all.count());
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_label(text in any::<String>(), max in 0..100usize) {
            let made = sanitize_label(&text, max);
            prop_assert_eq!(validate_label(&made), Ok(()));
            prop_assert!(made.len() <= max.clamp(1, 63), "{}", made);
            prop_assert_eq!(&sanitize_label(&made, max), &made);
        }

        #[test]
        fn a_label_stays_itself(text in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", max in 22..100usize) {
            prop_assert_eq!(validate_label(&text), Ok(()));
            prop_assert_eq!(validate_subdomain(&text), Ok(()));
            prop_assert_eq!(validate_label_value(&text), Ok(()));
            prop_assert_eq!(validate_label_key(&text), Ok(()));
            prop_assert_eq!(sanitize_label(&text, max), text);
        }
    }
}
