//! The text of a configuration.

use std::collections::BTreeMap;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;

use super::{DockerConfig, DockerConfigError, matching::Pattern};
use crate::{Secret, spec::RegistryCredentials};

/// Some tools leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Credentials without the registry that they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) identity_token: Secret,
    pub(super) registry_token: Secret,
}

/// What other programs keep in the file is none of our business, so unknown keys are fine.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Document {
    auths: Option<BTreeMap<String, Option<Entry>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

pub(super) fn current(text: &str) -> Result<DockerConfig, DockerConfigError> {
    let document: Document =
        serde_json::from_str(text).map_err(|error| DockerConfigError::malformed(&error))?;
    let helpers = document.cred_helpers.unwrap_or_default().into_iter();
    let helpers = helpers.filter_map(|(key, name)| Some((Pattern::parse(&key)?.registry(), name))).collect();
    Ok(DockerConfig {
        logins: logins(document.auths.unwrap_or_default())?,
        helpers,
        store: document.creds_store.filter(|name| !name.is_empty()),
        helper_path: None,
    })
}

pub(super) fn legacy(text: &str) -> Result<DockerConfig, DockerConfigError> {
    let auths = serde_json::from_str(text).map_err(|error| DockerConfigError::malformed(&error))?;
    Ok(DockerConfig { logins: logins(auths)?, ..DockerConfig::default() })
}

/// The entries that hold something. Docker leaves empty ones for what is in a helper.
fn logins(entries: BTreeMap<String, Option<Entry>>) -> Result<Vec<(Pattern, Login)>, DockerConfigError> {
    let mut logins = Vec::new();
    for (key, entry) in entries {
        let Some(pattern) = Pattern::parse(&key) else { continue };
        let login = entry.unwrap_or_default().login().ok_or(DockerConfigError::BadAuth { registry: key })?;
        if !login.is_empty() {
            logins.push((pattern, login));
        }
    }
    logins.sort_by(|(a, _), (b, _)| a.most_specific_first(b));
    Ok(logins)
}

impl Entry {
    /// `auth` counts for more than `username` and `password`, as with Docker and the kubelet.
    fn login(self) -> Option<Login> {
        let (username, password) = match self.auth.filter(|auth| !auth.is_empty()) {
            Some(auth) => decode(&auth)?,
            None => (self.username.unwrap_or_default(), self.password.unwrap_or_default()),
        };
        let identity_token = self.identitytoken.unwrap_or_default();
        let registry_token = self.registrytoken.unwrap_or_default();
        Some(Login { username, password, identity_token, registry_token })
    }
}

fn decode(auth: &Secret) -> Option<(String, Secret)> {
    let text = String::from_utf8(BASE64.decode(auth.expose().trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // Old versions of Docker padded with NUL.
    Some((username.to_owned(), Secret::new(password.trim_end_matches('\0'))))
}

impl Login {
    fn is_empty(&self) -> bool {
        let Self { username, password, identity_token, registry_token } = self;
        username.is_empty()
            && [password, identity_token, registry_token].iter().all(|secret| secret.is_empty())
    }

    /// For a registry, by its name in image references.
    pub(super) fn at(&self, registry: &str) -> RegistryCredentials {
        RegistryCredentials {
            registry: registry.to_owned(),
            username: self.username.clone(),
            password: self.password.clone(),
            identity_token: self.identity_token.clone(),
            registry_token: self.registry_token.clone(),
        }
    }
}
