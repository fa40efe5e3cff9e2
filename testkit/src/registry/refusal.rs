//! What the registry refuses, in the words and with the codes of the distribution specification.

use serde_json::json;

/// A request that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) message: String,
}

/// The specification's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    Unauthorized,
    Unsupported,
    NotFound,
    TooManyRequests,
}

impl Code {
    pub(super) fn refuse(self, message: impl Into<String>) -> Refusal {
        Refusal { code: self, message: message.into() }
    }

    pub(super) fn status(self) -> u16 {
        match self {
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown
            | Self::NotFound => 404,
            Self::DigestInvalid | Self::ManifestBlobUnknown | Self::ManifestInvalid | Self::NameInvalid => {
                400
            }
            Self::BlobUploadInvalid => 416,
            Self::Unauthorized => 401,
            Self::Unsupported => 405,
            Self::TooManyRequests => 429,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Unsupported => "UNSUPPORTED",
            Self::NotFound => "NOT_FOUND",
            Self::TooManyRequests => "TOOMANYREQUESTS",
        }
    }
}

impl Refusal {
    /// The JSON body.
    pub(super) fn body(&self) -> String {
        json!({"errors": [{"code": self.code.text(), "message": self.message, "detail": null}]}).to_string()
    }
}
