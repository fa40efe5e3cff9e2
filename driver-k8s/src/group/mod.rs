//! Groups of executors: their leases, as objects of the cluster. What they are good for is in [`runtime_core::group`].

mod carrier;
mod config_map;
mod lease;
mod names;
mod store;

use std::sync::Arc;

use hyper::Request;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::ConfigMap},
    apimachinery::pkg::apis::meta::v1::APIResourceList,
};
use runtime_core::{Context, Error, Result, group::GroupStore};

use self::store::ObjectStore;
use crate::{client::Client, driver::K8sDriver, error::Refusal};

impl K8sDriver {
    /// Where the executors of this driver's namespace keep their leases: `Lease` objects if the server has them, else
    /// annotations of `ConfigMap`s. All executors of a group have to be in one namespace.
    ///
    /// ```no_run
    /// use runtime_core::{Context, group::{Group, GroupOptions}};
    ///
    /// # async fn example(driver: driver_k8s::K8sDriver) -> runtime_core::Result<()> {
    /// let cx = Context::background();
    /// let store = driver.group_store(&cx).await?;
    /// let group = Group::open(&cx, store, "builders", GroupOptions::default()).await?;
    /// let membership = group.join(&cx, "builder-1").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The server can't say what it has.
    pub async fn group_store(&self, cx: &Context) -> Result<Arc<dyn GroupStore>> {
        let client = self.client();
        Ok(if has_leases(client, cx).await? {
            Arc::new(ObjectStore::<Lease>::of(client))
        } else {
            Arc::new(ObjectStore::<ConfigMap>::of(client))
        })
    }
}

/// Whether the server has `Lease` objects: since 1.14, unless somebody turned them off.
async fn has_leases(client: &Client, cx: &Context) -> Result<bool> {
    let request = Request::get("/apis/coordination.k8s.io/v1").body(Vec::new());
    let request = request.map_err(|error| Error::invalid("path", error))?;
    match client.call::<APIResourceList>(cx, &request).await {
        Ok(served) => Ok(served.resources.iter().any(|resource| resource.kind == "Lease")),
        Err(Refusal { code: Some(404), .. }) => Ok(false),
        Err(refusal) => Err(refusal.into()),
    }
}
