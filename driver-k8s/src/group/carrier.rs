//! Objects that carry a lease.

use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::Resource;
use runtime_core::group::LeaseRecord;
use serde::{Serialize, de::DeserializeOwned};

/// A sort of object that a lease can be written into, and read from again. Pure.
pub(super) trait Carrier:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The object of this metadata that says what the record says.
    ///
    /// # Errors
    /// The record can't be written.
    fn of(metadata: ObjectMeta, record: &LeaseRecord) -> Result<Self, serde_json::Error>;

    /// What the object says. What is missing or can't be read is at its default, so that the lease goes stale and away instead
    /// of being in the way for ever.
    fn record(&self) -> LeaseRecord;
}
