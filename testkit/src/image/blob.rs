//! Content named by its digest.

use bytes::Bytes;
use runtime_core::helpers::digest::Digest;
use sha2::{Digest as _, Sha256};

/// Some content, its media type and its digest. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What the content is.
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content.
    pub data: Bytes,
}

impl Blob {
    /// Names some content by its digest.
    #[must_use]
    pub fn new(media_type: impl Into<String>, data: impl Into<Bytes>) -> Self {
        let data = data.into();
        Self { media_type: media_type.into(), digest: digest_of(&data), data }
    }
}

/// The SHA-256 digest of some content.
#[must_use]
pub fn digest_of(data: &[u8]) -> Digest {
    Digest::from_sha256(Sha256::digest(data).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_named_by_its_content() {
        let blob = Blob::new("text/plain", "");
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(blob.digest.as_str(), empty);
    }
}
