//! Image references: `registry/repository:tag@digest`.

use std::fmt;

use crate::engine::EngineError;

/// A full image reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Host and port.
    pub registry: String,
    /// Path of the repository in it.
    pub repository: String,
    /// The tag; `latest` when neither a tag nor a digest was given.
    pub tag: Option<String>,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: Option<String>,
}

impl Reference {
    /// Reads a reference as users write it: registry, repository prefix and tag have Docker's defaults.
    ///
    /// # Errors
    /// [`EngineError::InvalidArgument`].
    pub fn parse(text: &str) -> Result<Self, EngineError> {
        let wrong = || EngineError::invalid("image", format!("{text:?} is not an image reference"));
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
            Some(_) => return Err(wrong()),
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, path.to_owned())
            }
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let part = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        let word = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let good_tag = tag.as_ref().is_none_or(|tag| {
            (1..=128).contains(&tag.len()) && tag.bytes().all(word) && !tag.starts_with(['.', '-'])
        });
        let good_host = !registry.is_empty() && registry.bytes().all(|b| word(b) || b":[]".contains(&b));
        if name.is_empty() || name.len() > 255 || !good_host || !repository.split('/').all(part) || !good_tag
        {
            return Err(wrong());
        }
        let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }

    /// `registry/repository`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The name with its tag, if it has one.
    pub fn tagged(&self) -> Option<String> {
        self.tag.as_ref().map(|tag| format!("{}:{tag}", self.name()))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

pub(super) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_filled_in() {
        let full = |text: &str| Reference::parse(text).unwrap().to_string();
        assert_eq!(full("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(full("user/app:1"), "docker.io/user/app:1");
        assert_eq!(full("127.0.0.1:5000/a/b"), "127.0.0.1:5000/a/b:latest");
        assert_eq!(full("localhost/x"), "localhost/x:latest");
        assert_eq!(full("[::1]:5000/x:y"), "[::1]:5000/x:y");
        let digest = format!("localhost:1/x@sha256:{}", "a".repeat(64));
        assert_eq!(full(&digest), digest);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", ":", "@", "a:", "A", "a//b", "/a", "localhost:1/", "a@sha256:12", "a:-x", "a b", "a:b:c/"]
        {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }
}
