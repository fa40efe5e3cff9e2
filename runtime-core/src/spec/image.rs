//! Which image, and with whose credentials.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::Secret;

/// An image by reference. In YAML a plain string will do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Form")]
#[non_exhaustive]
pub struct ImageSpec {
    /// The reference, such as `busybox` or `127.0.0.1:5000/app@sha256:…`.
    pub reference: String,
    /// Annotations for the runtime.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The reference as a person wrote it, where `reference` was resolved from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_specified: Option<String>,
    /// The runtime handler to pull for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_handler: Option<String>,
}

/// The two ways to write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Reference(String),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Full {
    reference: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    user_specified: Option<String>,
    #[serde(default)]
    runtime_handler: Option<String>,
}

/// Credentials for one registry. `Debug` shows the registry alone.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RegistryCredentials {
    /// The registry's host with its port, as in an image reference.
    pub registry: String,
    /// User name, for basic authentication.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Password, for basic authentication.
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub password: Secret,
    /// A token to exchange for a registry token.
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub identity_token: Secret,
    /// A bearer token sent as it is.
    #[serde(default, skip_serializing_if = "Secret::is_empty")]
    pub registry_token: Secret,
}

impl ImageSpec {
    /// The image of this reference.
    #[must_use]
    pub fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into(), ..Self::default() }
    }
}

impl From<&str> for ImageSpec {
    fn from(reference: &str) -> Self {
        Self::new(reference)
    }
}

impl From<String> for ImageSpec {
    fn from(reference: String) -> Self {
        Self::new(reference)
    }
}

impl From<&String> for ImageSpec {
    fn from(reference: &String) -> Self {
        Self::new(reference)
    }
}

impl From<Form> for ImageSpec {
    fn from(form: Form) -> Self {
        match form {
            Form::Reference(reference) => Self::new(reference),
            Form::Full(Full { reference, annotations, user_specified, runtime_handler }) => {
                Self { reference, annotations, user_specified, runtime_handler }
            }
        }
    }
}

impl RegistryCredentials {
    /// Basic authentication at a registry.
    #[must_use]
    pub fn basic(
        registry: impl Into<String>,
        username: impl Into<String>,
        password: impl Into<Secret>,
    ) -> Self {
        Self {
            registry: registry.into(),
            username: username.into(),
            password: password.into(),
            ..Self::default()
        }
    }
}

impl fmt::Debug for RegistryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryCredentials").field("registry", &self.registry).finish_non_exhaustive()
    }
}
