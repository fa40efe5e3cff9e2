//! The version of a Kubernetes server, out of what `/version` answers.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A Kubernetes version.
///
/// Ordered as semantic versions are; build metadata decides last, so that order and equality agree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubeVersion {
    major: u32,
    minor: u32,
    patch: u32,
    pre_release: String,
    build: String,
}

impl KubeVersion {
    /// The version that `/version` tells in its `gitVersion`, `major` and `minor`.
    ///
    /// A build without version information says `v0.0.0-master+$Format:%H$`. Then `major` and `minor` decide, which
    /// may carry a `+` (`20+`). So they do when `gitVersion` can't be read.
    ///
    /// # Errors
    /// Neither can be read.
    pub fn from_server(git_version: &str, major: &str, minor: &str) -> Result<Self, KubeVersionError> {
        match git_version.parse() {
            Ok(version) if !Self::is_placeholder(&version) => Ok(version),
            outcome => from_major_minor(major, minor).or(outcome),
        }
    }

    /// Whether this is at least `major.minor`, whatever follows these two: a pre-release or a vendor's build of
    /// 1.14 has what 1.14 has.
    #[must_use]
    pub fn at_least(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) >= (major, minor)
    }

    /// The first number.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The second number.
    #[must_use]
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// The third number, 0 where there is none.
    #[must_use]
    pub fn patch(&self) -> u32 {
        self.patch
    }

    /// Whether this is the 0.0.0 of a build without version information, which tells nothing.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        (self.major, self.minor, self.patch) == (0, 0, 0)
    }
}

impl FromStr for KubeVersion {
    type Err = KubeVersionError;

    /// Reads `v1.36.0`, `1.20`, `v1.13.5-gke.10`, `v1.27.3+k3s1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || KubeVersionError::Malformed { version: text.to_owned() };
        let numbers = text.strip_prefix('v').unwrap_or(text);
        let (numbers, build) = numbers.split_once('+').map_or((numbers, None), |(n, b)| (n, Some(b)));
        let (numbers, pre_release) = numbers.split_once('-').map_or((numbers, None), |(n, p)| (n, Some(p)));
        let label = |part: Option<&str>| match part {
            None => Ok(String::new()),
            Some(part) if part.is_empty() || part.chars().any(char::is_whitespace) => Err(malformed()),
            Some(part) => Ok(part.to_owned()),
        };
        let mut parts = numbers.split('.');
        let mut next = || parts.next().map(|part| number(part).ok_or_else(malformed)).transpose();
        let version = Self {
            major: next()?.ok_or_else(malformed)?,
            minor: next()?.ok_or_else(malformed)?,
            patch: next()?.unwrap_or(0),
            pre_release: label(pre_release)?,
            build: label(build)?,
        };
        if parts.next().is_some() { Err(malformed()) } else { Ok(version) }
    }
}

impl fmt::Display for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre_release.is_empty() {
            write!(f, "-{}", self.pre_release)?;
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build)?;
        }
        Ok(())
    }
}

impl Ord for KubeVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_pre_release(&self.pre_release, &other.pre_release))
            .then_with(|| self.pre_release.cmp(&other.pre_release))
            .then_with(|| self.build.cmp(&other.build))
    }
}

impl PartialOrd for KubeVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<String> for KubeVersion {
    type Error = KubeVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KubeVersion> for String {
    fn from(version: KubeVersion) -> Self {
        version.to_string()
    }
}

/// Why a version can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KubeVersionError {
    /// It has not the form of one.
    #[error("malformed kubernetes version {version:?}, expected a form like v1.30.2")]
    Malformed {
        /// The text as it came.
        version: String,
    },
}

fn from_major_minor(major: &str, minor: &str) -> Result<KubeVersion, KubeVersionError> {
    let read = |text: &str| number(text.strip_suffix('+').unwrap_or(text));
    match (read(major), read(minor)) {
        (Some(major), Some(minor)) => {
            Ok(KubeVersion { major, minor, patch: 0, pre_release: String::new(), build: String::new() })
        }
        _ => Err(KubeVersionError::Malformed { version: format!("{major}.{minor}") }),
    }
}

/// Digits only: `u32::from_str` would take a sign, too.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Semantic versioning's rule 11: a release is above its pre-releases; numbers compare as numbers, below words; more
/// parts are above fewer.
fn compare_pre_release(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // A number too long for its type is a word here: still a total order.
    let key = |part| match number(part) {
        Some(number) => (0, number, part),
        None => (1, 0, part),
    };
    left.split('.').map(key).cmp(right.split('.').map(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> KubeVersion {
        text.parse().unwrap()
    }

    #[test]
    fn forms() {
        for (text, major, minor, patch, shown) in [
            ("v1.36.0", 1, 36, 0, "v1.36.0"),
            ("1.20", 1, 20, 0, "v1.20.0"),
            ("v1.13.5-gke.10", 1, 13, 5, "v1.13.5-gke.10"),
            ("v1.27.3+k3s1", 1, 27, 3, "v1.27.3+k3s1"),
            ("v1.30.0-alpha.1+abc-dirty", 1, 30, 0, "v1.30.0-alpha.1+abc-dirty"),
            ("v1.21.5-eks-bc4871b", 1, 21, 5, "v1.21.5-eks-bc4871b"),
            ("v0.0.0-master+$Format:%H$", 0, 0, 0, "v0.0.0-master+$Format:%H$"),
        ] {
            let read = version(text);
            assert_eq!((read.major(), read.minor(), read.patch()), (major, minor, patch), "{text}");
            assert_eq!(read.to_string(), shown);
        }
    }

    #[test]
    fn malformed() {
        // The first passes where the dots of a pattern stand for any character.
        for text in [
            "v1x14x2",
            "",
            "v",
            "1",
            "v1.",
            "v1.2.3.4",
            "1.+2",
            "1.-2.3",
            "v1.2-",
            "v1.2.3+",
            "vv1.2",
            "1. 2",
            "v1.4294967296",
            "latest",
        ] {
            let message = format!("malformed kubernetes version {text:?}, expected a form like v1.30.2");
            assert_eq!(text.parse::<KubeVersion>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_a_server_says() {
        for (git, major, minor, expected) in [
            ("v1.20.7-eks-d88609", "1", "20+", "v1.20.7-eks-d88609"),
            ("v0.0.0-master+$Format:%H$", "1", "36", "v1.36.0"),
            ("v0.0.0-master+$Format:%H$", "1", "20+", "v1.20.0"),
            ("unknown", "1", "18+", "v1.18.0"),
            ("v0.0.0-master+$Format:%H$", "", "", "v0.0.0-master+$Format:%H$"),
        ] {
            assert_eq!(KubeVersion::from_server(git, major, minor).unwrap().to_string(), expected);
        }
        let error = KubeVersion::from_server("unknown", "", "x").unwrap_err();
        assert!(error.to_string().contains("\"unknown\""), "{error}");
        assert!(version("v0.0.0-master+$Format:%H$").is_placeholder());
    }

    #[test]
    fn at_least_compares_numbers_only() {
        assert!(version("v1.14.0").at_least(1, 14));
        assert!(version("v1.14.0-alpha.1").at_least(1, 14));
        assert!(version("v2.0.0").at_least(1, 14));
        assert!(version("1.100").at_least(1, 14));
        assert!(!version("v1.13.5-gke.10").at_least(1, 14));
        assert!(!version("v1.9.9").at_least(1, 14));
    }

    #[test]
    fn order() {
        // The pre-releases are the row of semantic versioning's page.
        let ascending = [
            "v1.9.11",
            "v1.10.0-alpha",
            "v1.10.0-alpha.1",
            "v1.10.0-alpha.beta",
            "v1.10.0-beta",
            "v1.10.0-beta.2",
            "v1.10.0-beta.11",
            "v1.10.0-rc.1",
            "v1.10.0",
            "v1.10.0+k3s1",
            "v1.10.1",
            "v2.0.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_so_that_it_reads_the_same(text in "v?[0-9]{1,3}(\\.[0-9]{1,3}){1,2}(-[a-z0-9.-]{1,8})?(\\+[ -~]{1,8})?") {
            if let Ok(read) = text.parse::<KubeVersion>() {
                prop_assert_eq!(read.to_string().parse::<KubeVersion>(), Ok(read));
            } else {
                prop_assert!(text.contains(' '), "{}", text);
            }
        }

        #[test]
        fn order_agrees_with_equality(a in "1\\.[01](\\.[01])?(-[a0.]{1,3})?(\\+[ab])?", b in "1\\.[01](\\.[01])?(-[a0.]{1,3})?(\\+[ab])?") {
            let (a, b) = (version(&a), version(&b));
            prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        }
    }
}
