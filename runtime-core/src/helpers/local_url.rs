//! URLs whose path is one of this host.

use std::path::PathBuf;

use url::Url;

use crate::{Error, Result};

/// The path of a URL, percent-decoded; empty if there is none.
///
/// # Errors
/// `InvalidArgument` for the field `url` if it has a user, a password or a fragment, which would be passed over, or a path
/// that can't be one of this host.
pub fn path(url: &Url) -> Result<PathBuf> {
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        let message = format!("{} knows no user, password and fragment", url.scheme());
        return Err(Error::invalid("url", message));
    }
    if !url.path().starts_with('/') {
        return Ok(PathBuf::new());
    }
    let as_file = Url::parse(&format!("file://{}", url.path())).ok().and_then(|url| url.to_file_path().ok());
    let is_possible = |path: &PathBuf| !path.as_os_str().as_encoded_bytes().contains(&0);
    as_file.filter(is_possible).ok_or_else(|| Error::invalid("url", "its path can't be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_and_the_rest_is_refused() {
        let path = |url: &str| path(&Url::parse(url).unwrap());
        assert_eq!(path("x:///a%20b/c").unwrap(), PathBuf::from("/a b/c"));
        assert_eq!(path("x:///").unwrap(), PathBuf::from("/"));
        assert_eq!(path("x:a").unwrap(), PathBuf::new());
        assert_eq!(path("x://host").unwrap(), PathBuf::new());
        for url in ["x://me@h/a", "x://:secret@h/a", "x:///a#b", "x:///a%00b"] {
            let error = path(url).unwrap_err();
            assert_eq!(error.field(), Some("url"), "{url}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
