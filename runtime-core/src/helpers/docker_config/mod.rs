//! Credentials of registries, as Docker and Kubernetes keep them.
//!
//! Read are `config.json` and `.dockercfg`, also as they stand in Kubernetes secrets. Which entry is for which image follows
//! the kubelet (`matching`), credential helpers follow Docker (`helper`). Parsing and matching are pure; files and helpers
//! are IO.

mod error;
mod file;
mod helper;
mod matching;
mod parse;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ffi::OsString, fmt, path::Path};

pub use error::DockerConfigError;
pub use file::DockerConfigFile;

use self::{matching::Pattern, parse::Login};
use super::image_ref::ImageReference;
use crate::spec::RegistryCredentials;

/// What a Docker configuration says about credentials. `Debug` shows the registries alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DockerConfig {
    /// The most specific first.
    logins: Vec<(Pattern, Login)>,
    /// Which helper to ask, by registry.
    helpers: BTreeMap<String, String>,
    /// Which helper to ask for every other registry.
    store: Option<String>,
    /// Where helpers are looked for; `None` is the `PATH` of this process.
    helper_path: Option<OsString>,
}

impl DockerConfig {
    /// Reads the text of a `config.json`, which is that of a Kubernetes secret's `.dockerconfigjson` too.
    ///
    /// # Errors
    /// For what is no such text. None of it is shown.
    pub fn parse(text: &str) -> Result<Self, DockerConfigError> {
        parse::current(text)
    }

    /// Reads the text of the older `.dockercfg`, which has the entries of `auths` and nothing else.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_legacy(text: &str) -> Result<Self, DockerConfigError> {
        parse::legacy(text)
    }

    /// Reads a file: a `.dockercfg` if that is its name, else a `config.json`.
    ///
    /// # Errors
    /// When it can't be read, and as [`parse`](Self::parse).
    pub async fn load(path: impl AsRef<Path>) -> Result<Self, DockerConfigError> {
        file::load(path.as_ref()).await
    }

    /// Reads `config.json` where Docker looks for it: in the directory that `DOCKER_CONFIG` names, else in `~/.docker`. If
    /// there is none, nothing is configured.
    ///
    /// # Errors
    /// As [`load`](Self::load), but for a file that isn't there.
    pub async fn from_default_locations() -> Result<Self, DockerConfigError> {
        file::load_default().await
    }

    /// Looks for credential helpers in these directories, written as in `PATH`, instead of in this process's own `PATH`.
    #[must_use]
    pub fn with_helper_path(mut self, path: impl Into<OsString>) -> Self {
        self.helper_path = Some(path.into());
        self
    }

    /// Credentials to try for an image, the most likely first: those of the registry's helper, then those in the file, the
    /// most specific first. None when nothing is configured for it.
    ///
    /// # Errors
    /// When a helper is configured that isn't there, fails, or doesn't answer within 30 s. That a helper knows no credentials
    /// is no error.
    pub async fn credentials_for(
        &self,
        image: &ImageReference,
    ) -> Result<Vec<RegistryCredentials>, DockerConfigError> {
        let mut found = Vec::new();
        if let Some(name) = self.helper_for(image.registry()) {
            let helper = helper::Helper::find(name, self.helper_path.as_deref())?;
            found.extend(helper.get(image.registry()).await?.map(|login| login.at(image.registry())));
        }
        found.extend(self.stored_for(image));
        Ok(found)
    }

    /// Credentials in the file itself that fit an image, the most specific first.
    pub fn stored_for(&self, image: &ImageReference) -> impl Iterator<Item = RegistryCredentials> {
        let fitting = self.logins.iter().filter(move |(pattern, _)| pattern.fits(image));
        fitting.map(|(_, login)| login.at(image.registry()))
    }

    /// The name of the helper that is asked for a registry.
    #[must_use]
    pub fn helper_for(&self, registry: &str) -> Option<&str> {
        self.helpers.get(registry).or(self.store.as_ref()).map(String::as_str)
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registries: Vec<_> = self.logins.iter().map(|(pattern, _)| pattern.to_string()).collect();
        f.debug_struct("DockerConfig")
            .field("registries", &registries)
            .field("helpers", &self.helpers)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
