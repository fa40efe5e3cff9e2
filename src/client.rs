//! A client by URL.

use std::ops::Deref;

use runtime_core::{ClientBuilder, Driver, Result};

/// A connection to a runtime, picked by URL: [`runtime_core::Client`], to which it dereferences, with
/// [`from_url`](Self::from_url) added for the drivers that are compiled in.
#[derive(Debug, Clone)]
pub struct Client(runtime_core::Client);

impl Client {
    /// Connects to the runtime at `url`, with the default layers.
    ///
    /// # Errors
    /// `InvalidArgument` for what is not a URL or not one of its driver; `Unsupported` for an unknown scheme, naming the
    /// drivers that are compiled in and the feature that would add the missing one; `Unavailable` when the runtime can't be
    /// reached.
    pub async fn from_url(url: &str) -> Result<Self> {
        Ok(Self(runtime_core::Client::new(crate::registry().connect(url).await?)))
    }

    /// A client of a driver that was connected by itself, with the default layers: for callers who keep the driver as well,
    /// since it can do what no other system does.
    #[must_use]
    pub fn new(driver: impl Driver) -> Self {
        Self(runtime_core::Client::new(driver))
    }

    /// The same with layers of one's own choice.
    #[must_use]
    pub fn builder(driver: impl Driver) -> ClientBuilder {
        runtime_core::Client::builder(driver)
    }
}

impl Deref for Client {
    type Target = runtime_core::Client;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<runtime_core::Client> for Client {
    fn from(client: runtime_core::Client) -> Self {
        Self(client)
    }
}
