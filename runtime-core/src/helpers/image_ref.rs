//! Names of images: `busybox`, `localhost:5000/team/app:1.2@sha256:…`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::digest::{Digest, DigestError};

const DEFAULT_REGISTRY: &str = "docker.io";
const LEGACY_REGISTRY: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const DEFAULT_TAG: &str = "latest";
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// The name of an image, completed by Docker's rules: a registry, a repository, and a tag or a digest or both.
///
/// `busybox` is `docker.io/library/busybox:latest`. `Display` and serde use the full form; equality is that of the full
/// form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageReference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl ImageReference {
    /// The registry's host, with its port if the name has one.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below the registry, without tag and digest.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag: as given, or `latest` when neither tag nor digest was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was given.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and repository: the name of all tags and digests together.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository at this digest, without a tag: what a pull has found, and what can't move any more.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The shortest form that means the same: without the default registry and its `library/`. The tag stays.
    #[must_use]
    pub fn familiar(&self) -> String {
        let official = self.repository.strip_prefix(OFFICIAL_PREFIX).filter(|rest| !rest.contains('/'));
        let default = self.registry == DEFAULT_REGISTRY;
        let short = official.filter(|_| default).unwrap_or(&self.repository);
        // Without its registry, docker.io/localhost/x would be another image.
        let same = default && split_registry(short) == (DEFAULT_REGISTRY, short);
        let name = if same { short.to_owned() } else { self.name() };
        format!("{name}{}", self.suffix())
    }

    fn suffix(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl FromStr for ImageReference {
    type Err = ImageReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ImageReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ImageReferenceError::ImageId);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to a port.
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(check_tag(tag)?)),
            None => (rest, None),
        };
        let (registry, path) = split_registry(name);
        let official = registry == DEFAULT_REGISTRY && !path.contains('/');
        let repository = if official { format!("{OFFICIAL_PREFIX}{path}") } else { path.to_owned() };
        let length = registry.len() + 1 + repository.len();
        if length > MAX_NAME {
            return Err(ImageReferenceError::NameTooLong { length });
        }
        check_registry(registry)?;
        check_repository(path)?;
        let tag = tag.or(if digest.is_none() { Some(DEFAULT_TAG) } else { None });
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImageReferenceError {
    /// There is no text.
    #[error("the image reference is empty")]
    Empty,
    /// 64 hex digits are the id of an image, not its name.
    #[error("the image reference is an image id: 64 hex digits can't name a repository")]
    ImageId,
    /// The registry is neither a host name nor an address.
    #[error(
        "the registry {registry:?} of the image reference is no host name or address with an optional port"
    )]
    BadRegistry {
        /// What stands in its place.
        registry: String,
    },
    /// The registry's port is no number up to 65535.
    #[error("the registry port {port:?} of the image reference is no number up to 65535")]
    BadPort {
        /// What stands in its place.
        port: String,
    },
    /// The repository has an upper-case letter.
    #[error("the repository {repository:?} of the image reference must be lower case")]
    UpperCase {
        /// The repository.
        repository: String,
    },
    /// A part of the repository's path is not what it may be.
    #[error(
        "the part {component:?} of the image reference's repository is invalid: allowed are a-z and 0-9, joined by \
         '.', '_', '__' or dashes"
    )]
    BadComponent {
        /// The first such part.
        component: String,
    },
    /// Registry and repository together are too long.
    #[error("the name in the image reference has {length} characters, {MAX_NAME} are allowed")]
    NameTooLong {
        /// How long they are.
        length: usize,
    },
    /// The tag has a character that none may have.
    #[error(
        "the tag {tag:?} of the image reference is invalid: allowed are letters, digits and _, then also . and -"
    )]
    BadTag {
        /// The tag.
        tag: String,
    },
    /// The tag is too long.
    #[error("the tag of the image reference has {length} characters, {MAX_TAG} are allowed")]
    TagTooLong {
        /// How long it is.
        length: usize,
    },
    /// What follows the `@` is no digest.
    #[error("the image reference has a bad digest: {0}")]
    BadDigest(#[from] DigestError),
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.registry, self.repository, self.suffix())
    }
}

impl TryFrom<String> for ImageReference {
    type Error = ImageReferenceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageReference> for String {
    fn from(reference: ImageReference) -> Self {
        reference.to_string()
    }
}

/// Docker's rule: the first part is a registry if it can't be the first part of a path.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((LEGACY_REGISTRY, path)) => (DEFAULT_REGISTRY, path),
        Some((first, path))
            if first == "localhost" || first.contains(['.', ':']) || first.to_lowercase() != first =>
        {
            (first, path)
        }
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn check_registry(registry: &str) -> Result<(), ImageReferenceError> {
    let bad = || ImageReferenceError::BadRegistry { registry: registry.to_owned() };
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(bad)?;
            address.parse::<Ipv6Addr>().map_err(|_| bad())?;
            match rest {
                "" => (None, None),
                rest => (None, Some(rest.strip_prefix(':').ok_or_else(bad)?)),
            }
        }
        None => {
            registry.split_once(':').map_or((Some(registry), None), |(host, port)| (Some(host), Some(port)))
        }
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if host.is_some_and(|host| !host.split('.').all(is_label)) {
        return Err(bad());
    }
    match port {
        Some(port) if !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err() => {
            Err(ImageReferenceError::BadPort { port: port.to_owned() })
        }
        _ => Ok(()),
    }
}

fn check_repository(path: &str) -> Result<(), ImageReferenceError> {
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ImageReferenceError::UpperCase { repository: path.to_owned() });
    }
    match path.split('/').find(|component| !is_component(component)) {
        Some(component) => Err(ImageReferenceError::BadComponent { component: component.to_owned() }),
        None => Ok(()),
    }
}

/// Runs of letters and digits, between two of which stands one `.`, one or two `_`, or any number of `-`.
fn is_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = component.bytes().next().is_some_and(is_word) && component.bytes().last().is_some_and(is_word);
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators.into_iter().all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn check_tag(tag: &str) -> Result<&str, ImageReferenceError> {
    if tag.len() > MAX_TAG {
        return Err(ImageReferenceError::TagTooLong { length: tag.len() });
    }
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(is_word);
    if !first || !tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-')) {
        return Err(ImageReferenceError::BadTag { tag: tag.to_owned() });
    }
    Ok(tag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference(text: &str) -> ImageReference {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn full_and_familiar_forms() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, full, familiar) in [
            ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
            ("library/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"),
            ("team/app", "docker.io/team/app:latest", "team/app:latest"),
            ("library/team/app", "docker.io/library/team/app:latest", "library/team/app:latest"),
            ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
            ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"),
            ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
            ("127.0.0.1:5000/x:v1", "127.0.0.1:5000/x:v1", "127.0.0.1:5000/x:v1"),
            ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
            ("[::1]/x", "[::1]/x:latest", "[::1]/x:latest"),
            ("Host/x", "Host/x:latest", "Host/x:latest"),
            ("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"),
            ("docker.io/a.b/x", "docker.io/a.b/x:latest", "docker.io/a.b/x:latest"),
            ("a--b/c__d.e_f", "docker.io/a--b/c__d.e_f:latest", "a--b/c__d.e_f:latest"),
            ("x:LATEST_1.0-rc", "docker.io/library/x:LATEST_1.0-rc", "x:LATEST_1.0-rc"),
        ] {
            assert_eq!(reference(text).to_string(), full, "{text}");
            assert_eq!(reference(text).familiar(), familiar, "{text}");
        }
        let pinned = reference(&format!("x@{digest}"));
        assert_eq!((pinned.tag(), pinned.digest().map(Digest::as_str)), (None, Some(digest.as_str())));
        assert_eq!(pinned.familiar(), format!("x@{digest}"));
        let both = reference(&format!("localhost:5000/a/b:1@{digest}"));
        assert_eq!(both.to_string(), format!("localhost:5000/a/b:1@{digest}"));
        assert_eq!((both.registry(), both.repository(), both.tag()), ("localhost:5000", "a/b", Some("1")));
        assert_eq!(both.name(), "localhost:5000/a/b");
        assert_eq!(reference("x").pinned(digest.parse().unwrap()), pinned);
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let long_tag = format!("x:{}", "t".repeat(129));
        let long_name = "n".repeat(255);
        let id = "a".repeat(64);
        for (text, message) in [
            ("", "the image reference is empty"),
            (&id, "the image reference is an image id: 64 hex digits can't name a repository"),
            ("Busybox", "the repository \"Busybox\" of the image reference must be lower case"),
            ("a/B", "the repository \"a/B\" of the image reference must be lower case"),
            (
                "x:",
                "the tag \"\" of the image reference is invalid: allowed are letters, digits and _, then also . and -",
            ),
            (
                "x:-a",
                "the tag \"-a\" of the image reference is invalid: allowed are letters, digits and _, then also . and -",
            ),
            (&long_tag, "the tag of the image reference has 129 characters, 128 are allowed"),
            (&long_name, "the name in the image reference has 273 characters, 255 are allowed"),
            ("h.x:99999/y", "the registry port \"99999\" of the image reference is no number up to 65535"),
            ("h.x:/y", "the registry port \"\" of the image reference is no number up to 65535"),
            ("h.x:+1/y", "the registry port \"+1\" of the image reference is no number up to 65535"),
            (
                "-h.x/y",
                "the registry \"-h.x\" of the image reference is no host name or address with an optional port",
            ),
            (
                "[::g]/y",
                "the registry \"[::g]\" of the image reference is no host name or address with an optional port",
            ),
            (
                "::1/y",
                "the registry \"::1\" of the image reference is no host name or address with an optional port",
            ),
            (
                "x@sha256:00",
                "the image reference has a bad digest: the digest has 2 hex digits, sha256 has 64",
            ),
            (
                "x@",
                "the image reference has a bad digest: the digest names no algorithm, expected a form like sha256:…",
            ),
        ] {
            assert_eq!(text.parse::<ImageReference>().unwrap_err().to_string(), message, "{text}");
        }
        for text in [
            "a//b",
            "/a",
            "a/",
            "a/.b",
            "a._b",
            "a___b",
            "-a",
            "a-",
            "a b",
            "ä",
            "a/b?",
            "http://x/y",
            "a:b:c",
            "a@b@c",
        ] {
            assert!(text.parse::<ImageReference>().is_err(), "{text}");
        }
    }

    #[test]
    fn limits_are_the_last_allowed() {
        assert!(format!("x:{}", "t".repeat(128)).parse::<ImageReference>().is_ok());
        let name = "n".repeat(255 - "docker.io/library/".len());
        assert!(name.parse::<ImageReference>().is_ok());
        assert!(format!("{name}n").parse::<ImageReference>().is_err());
    }

    #[test]
    fn serde_is_the_full_form() {
        let json = serde_json::to_string(&reference("busybox")).unwrap();
        assert_eq!(json, "\"docker.io/library/busybox:latest\"");
        assert_eq!(serde_json::from_str::<ImageReference>("\"busybox\"").unwrap(), reference("busybox"));
        assert!(serde_json::from_str::<ImageReference>("\"B\"").is_err());
    }

    proptest! {
        #[test]
        fn both_forms_read_back_the_same(
            text in "((localhost|[a-z]{1,3}\\.x|docker\\.io|\\[::1\\]|A)(:[0-9]{1,4})?/)?[a-z0-9]{1,4}([._-]{1,2}[a-z]|/[a-z.]{1,4}){0,3}(:[\\w.-]{1,6})?(@sha256:[0-9a-f]{64})?",
        ) {
            if let Ok(read) = text.parse::<ImageReference>() {
                prop_assert_eq!(&reference(&read.to_string()), &read);
                prop_assert_eq!(&reference(&read.familiar()), &read);
                prop_assert!(read.tag().is_some() || read.digest().is_some());
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = text.parse::<ImageReference>();
        }
    }
}
