//! The contract of driver authors.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use crate::{Capabilities, Container, Context, Exec, Health, ImageStore, Leftover, Pod, Result};

/// A system behind the API: one value is one connection to one endpoint.
///
/// Callers don't use this: they hold a [`Client`](crate::Client). Authors implement it and the facets that their system
/// has. Every method is required, so nothing can be forgotten; what a driver can't do is answered with
/// [`Error::unsupported`](crate::Error::unsupported), never with `Ok`.
///
/// *Contract, for every facet:* methods may be called from any task at the same time. A future that is dropped leaves
/// nothing behind (see [`Janitor`](crate::Janitor)). Input is checked with [`admit`](crate::admit) before any IO.
#[async_trait]
pub trait Driver: Debug + Send + Sync + 'static {
    /// Who this is. Known without IO.
    fn info(&self) -> &DriverInfo;

    /// What it can do, for the endpoint it is connected to. Known without IO.
    fn capabilities(&self) -> &Capabilities;

    /// Asks the system who it is and how.
    ///
    /// *Behaviour:* an answer that the system is ill is `Ok` with failed conditions; no answer is an error.
    async fn ping(&self, cx: &Context) -> Result<Health>;

    /// Pods; `None` if the system has no such thing.
    fn pods(&self) -> Option<&dyn Pod>;

    /// Containers; `None` if the system has no such thing.
    fn containers(&self) -> Option<&dyn Container>;

    /// Commands in containers; `None` if the system has no such thing.
    fn exec(&self) -> Option<&dyn Exec>;

    /// Images; `None` if the system has no such thing.
    fn images(&self) -> Option<&dyn ImageStore>;

    /// Finishes what an error named as left behind.
    ///
    /// *Behaviour:* what is gone already is fine. What still can't be removed is named in the error's leftovers.
    async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()>;

    /// Waits until the undo work of calls that failed or were dropped is done.
    ///
    /// *Behaviour:* leftovers of that work since the last call are named in the error.
    async fn settle(&self, cx: &Context) -> Result<()>;
}

/// Who a driver is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverInfo {
    /// The driver's name, which is also its URL scheme and feature.
    pub name: &'static str,
    /// Where it is connected to, without secrets.
    pub endpoint: String,
}

impl DriverInfo {
    /// A driver of this name at this endpoint.
    #[must_use]
    pub fn new(name: &'static str, endpoint: impl Into<String>) -> Self {
        Self { name, endpoint: endpoint.into() }
    }
}

#[async_trait]
impl<D: Driver + ?Sized> Driver for Arc<D> {
    fn info(&self) -> &DriverInfo {
        (**self).info()
    }

    fn capabilities(&self) -> &Capabilities {
        (**self).capabilities()
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        (**self).ping(cx).await
    }

    fn pods(&self) -> Option<&dyn Pod> {
        (**self).pods()
    }

    fn containers(&self) -> Option<&dyn Container> {
        (**self).containers()
    }

    fn exec(&self) -> Option<&dyn Exec> {
        (**self).exec()
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        (**self).images()
    }

    async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        (**self).reap(cx, leftovers).await
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        (**self).settle(cx).await
    }
}
