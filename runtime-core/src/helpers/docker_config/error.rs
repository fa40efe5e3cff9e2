//! What is wrong with a Docker configuration.

use std::{io, path::PathBuf, sync::Arc};

use thiserror::Error;

/// Why credentials could not be read. Shows nothing of the file's content but registries and names of helpers.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum DockerConfigError {
    /// The file can't be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// The text is not JSON, or not of the form.
    #[error("the Docker configuration is not of the form, at line {line}, column {column}")]
    Malformed {
        /// Line of the text, from 1.
        line: usize,
        /// Column of the line.
        column: usize,
    },
    /// An entry's `auth` is not the base64 of `USER:PASSWORD`.
    #[error("the \"auth\" of {registry:?} in the Docker configuration is not the base64 of USER:PASSWORD")]
    BadAuth {
        /// The entry's key.
        registry: String,
    },
    /// A credential helper can't be used.
    #[error("credential helper {name:?}: {why}")]
    Helper {
        /// Its name, without `docker-credential-`.
        name: String,
        /// What happened.
        why: String,
    },
}

impl DockerConfigError {
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { path: path.into(), source: Arc::new(source) }
    }

    /// Without the error's text, which may quote a secret.
    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed { line: error.line(), column: error.column() }
    }

    pub(super) fn helper(name: &str, why: impl Into<String>) -> Self {
        Self::Helper { name: name.to_owned(), why: why.into() }
    }
}
