//! What a request path means.

use super::refusal::{Code, Refusal};

/// The places that the distribution specification names, and the token server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/v2/`: is this a registry, and who may use it.
    Version,
    /// `/token`: the token server.
    Token,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/NAME/tags/list`
    Tags { name: &'a str },
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest { name: &'a str, reference: &'a str },
    /// `/v2/NAME/blobs/DIGEST`
    Blob { name: &'a str, digest: &'a str },
    /// `/v2/NAME/blobs/uploads/`
    Uploads { name: &'a str },
    /// `/v2/NAME/blobs/uploads/ID`
    Upload { name: &'a str, id: &'a str },
}

impl<'a> Route<'a> {
    pub(super) fn parse(path: &'a str) -> Result<Self, Refusal> {
        match path {
            "/token" => return Ok(Self::Token),
            "/v2" | "/v2/" => return Ok(Self::Version),
            "/v2/_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let nowhere = || Code::NotFound.refuse(format!("nothing at {path}"));
        let rest = path.strip_prefix("/v2/").ok_or_else(nowhere)?;
        let route = Self::in_repository(rest).ok_or_else(nowhere)?;
        match route.repository() {
            Some(name) if !is_name(name) => {
                Err(Code::NameInvalid.refuse(format!("invalid repository name {name:?}")))
            }
            _ => Ok(route),
        }
    }

    /// The repository that the request is about.
    pub(super) fn repository(&self) -> Option<&'a str> {
        match self {
            Self::Version | Self::Token | Self::Catalog => None,
            Self::Tags { name }
            | Self::Manifest { name, .. }
            | Self::Blob { name, .. }
            | Self::Uploads { name }
            | Self::Upload { name, .. } => Some(name),
        }
    }

    /// A name may hold the words `blobs` and `manifests` itself, so the last one counts.
    fn in_repository(rest: &'a str) -> Option<Self> {
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Some(Self::Tags { name });
        }
        if let Some(name) =
            rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads"))
        {
            return Some(Self::Uploads { name });
        }
        let (place, last) = rest.rsplit_once('/')?;
        if let Some(name) = place.strip_suffix("/blobs/uploads") {
            return Some(Self::Upload { name, id: last });
        }
        if let Some(name) = place.strip_suffix("/blobs") {
            return Some(Self::Blob { name, digest: last });
        }
        place.strip_suffix("/manifests").map(|name| Self::Manifest { name, reference: last })
    }
}

/// Lower-case words, joined by single separators, in parts joined by slashes.
fn is_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().copied().is_some_and(is_word)
            && bytes.last().copied().is_some_and(is_word)
            && bytes.iter().all(|byte| is_word(*byte) || matches!(byte, b'.' | b'_' | b'-'))
            && !part.contains("..")
    };
    name.len() <= 255 && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_places() {
        let digest = "sha256:00";
        for (path, route) in [
            ("/v2/", Route::Version),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/b/tags/list", Route::Tags { name: "a/b" }),
            ("/v2/a/manifests/1.0", Route::Manifest { name: "a", reference: "1.0" }),
            ("/v2/blobs/manifests/x", Route::Manifest { name: "blobs", reference: "x" }),
            ("/v2/a/blobs/sha256:00", Route::Blob { name: "a", digest }),
            ("/v2/a/blobs/uploads/", Route::Uploads { name: "a" }),
            ("/v2/a/blobs/uploads/7", Route::Upload { name: "a", id: "7" }),
        ] {
            assert_eq!(Route::parse(path), Ok(route), "{path}");
        }
    }

    #[test]
    fn what_is_nowhere_is_refused() {
        for (path, code) in [
            ("/", Code::NotFound),
            ("/v1/a", Code::NotFound),
            ("/v2/a", Code::NotFound),
            ("/v2/A/tags/list", Code::NameInvalid),
            ("/v2//manifests/x", Code::NameInvalid),
            ("/v2/../manifests/x", Code::NameInvalid),
            ("/v2/a-/manifests/x", Code::NameInvalid),
        ] {
            assert_eq!(Route::parse(path).unwrap_err().code, code, "{path}");
        }
    }
}
