//! From URL to driver.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use url::Url;

use crate::{Driver, Error, ErrorKind, Operation, Result};

/// Connects to the system at a URL.
pub type Connect = fn(Url) -> BoxFuture<'static, Result<Arc<dyn Driver>>>;

/// The drivers that a program has, by URL scheme. Registration is explicit.
#[derive(Clone, Default)]
pub struct Registry {
    drivers: Vec<(&'static str, Connect)>,
    features: Vec<(&'static str, &'static str)>,
}

impl Registry {
    /// No drivers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the driver for a scheme; a later one for the same scheme replaces it.
    #[must_use]
    pub fn with_driver(mut self, scheme: &'static str, connect: Connect) -> Self {
        self.drivers.retain(|(known, _)| *known != scheme);
        self.drivers.push((scheme, connect));
        self
    }

    /// Tells which cargo feature adds the driver for a scheme, for the error of somebody who lacks it.
    #[must_use]
    pub fn with_feature(mut self, scheme: &'static str, feature: &'static str) -> Self {
        self.features.push((scheme, feature));
        self
    }

    /// The schemes that can be connected to.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> {
        self.drivers.iter().map(|(scheme, _)| *scheme)
    }

    /// Connects to the system at `url`.
    ///
    /// # Errors
    /// `InvalidArgument` for what is not a URL; `Unsupported` for an unknown scheme, naming the drivers that are there and
    /// the feature that would add the missing one; else the driver's own.
    pub async fn connect(&self, url: &str) -> Result<Arc<dyn Driver>> {
        let url = Url::parse(url).map_err(|error| {
            Error::invalid("url", format!("{error}, expected SCHEME://…")).with_operation(Operation::Ping)
        })?;
        let Some((_, connect)) = self.drivers.iter().find(|(scheme, _)| *scheme == url.scheme()) else {
            return Err(self.unknown(url.scheme()));
        };
        connect(url).await.map_err(|error| error.with_operation(Operation::Ping))
    }

    fn unknown(&self, scheme: &str) -> Error {
        let drivers: Vec<_> = self.schemes().collect();
        let drivers = if drivers.is_empty() { "none".to_owned() } else { drivers.join(", ") };
        let feature = self.features.iter().find(|(known, _)| *known == scheme);
        let hint = feature
            .map_or_else(String::new, |(_, feature)| format!("; the feature {feature:?} would add it"));
        Error::new(ErrorKind::Unsupported, format!("no driver for {scheme:?} is compiled in{hint}"))
            .with_operation(Operation::Ping)
            .with_context("drivers", drivers)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.schemes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unknown_scheme_says_what_there_is_and_how_to_get_it() {
        let registry = Registry::new()
            .with_driver("memory", |_| Box::pin(async { Err(Error::unsupported("test")) }))
            .with_feature("cri", "cri");
        let error = registry.connect("cri:///run/x.sock").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let text = error.to_string();
        assert!(text.contains("memory") && text.contains("feature \"cri\""), "{text}");
        assert_eq!(registry.connect("no url").await.unwrap_err().field(), Some("url"));
    }
}
