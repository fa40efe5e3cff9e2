//! A store of leases, one object each.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::api::{DeleteParams, ListParams, Preconditions};
use runtime_core::{
    Context, Error, ErrorKind, Result,
    group::{GroupStore, LeaseRecord, Version, Versioned},
    marks,
};

use super::{carrier::Carrier, names};
use crate::{api::Api, client::Client, error::Refusal};

/// More often than this in a row the map with a group's id is not tried to be made while others do the same.
const MAX_CONFLICTS: u32 = 5;

/// Leases in objects of one sort, in the namespace of the client.
///
/// A version is an object's uid and its resource version, both of which the server compares. The uid is needed: a `Lease` that
/// is replaced and not there is made, whatever resource version it names, unless it names a uid.
pub(super) struct ObjectStore<K> {
    leases: Api<K>,
    groups: Api<ConfigMap>,
    namespace: String,
}

impl<K: Carrier> ObjectStore<K> {
    pub(super) fn of(client: &Client) -> Self {
        let namespace = client.namespace().to_owned();
        Self { leases: Api::of(client, &namespace), groups: Api::of(client, &namespace), namespace }
    }

    fn object(&self, group: &str, record: &LeaseRecord, version: Option<&Version>) -> Result<K> {
        let labels = [(marks::GROUP, group), (marks::EXECUTOR, record.executor.as_str())];
        let expected = version.map(expected).transpose()?;
        let expected = expected.map(|Preconditions { uid, resource_version }| ObjectMeta {
            uid,
            resource_version,
            ..ObjectMeta::default()
        });
        let metadata = ObjectMeta {
            name: Some(names::lease(group, &record.executor)),
            namespace: Some(self.namespace.clone()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..expected.unwrap_or_default()
        };
        K::of(metadata, record).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "the lease can't be written").with_source(error)
        })
    }
}

#[async_trait]
impl<K: Carrier> GroupStore for ObjectStore<K> {
    async fn group_id(&self, cx: &Context, name: &str, proposed: &str) -> Result<String> {
        let object = names::group(name);
        for _ in 0..MAX_CONFLICTS {
            let found = self.groups.find(cx, &object).await?;
            if let Some(id) = found.as_ref().and_then(id_in) {
                return Ok(id);
            }
            let written = match found {
                None => self.groups.create(cx, &id_map(&object, &self.namespace, proposed)).await,
                // Somebody has emptied it.
                Some(mut map) => {
                    map.data.get_or_insert_default().insert(names::ID.to_owned(), proposed.to_owned());
                    self.groups.replace(cx, &object, &map).await
                }
            };
            match written {
                Ok(_) => return Ok(proposed.to_owned()),
                Err(refusal) if refusal.is_already_exists() || refusal.is_conflict() => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, format!("others keep changing the config map {object}"))
            .transient())
    }

    async fn list(&self, cx: &Context, group: &str) -> Result<Vec<Versioned>> {
        let what = ListParams::default().labels(&format!("{}={group}", marks::GROUP));
        let found = self.leases.list(cx, &what).await?;
        found.items.iter().filter_map(|object| lease_in(object, group).transpose()).collect()
    }

    async fn read(&self, cx: &Context, group: &str, executor: &str) -> Result<Option<Versioned>> {
        let found = self.leases.find(cx, &names::lease(group, executor)).await?;
        let Some(object) = found else { return Ok(None) };
        let mut record = object.record();
        executor.clone_into(&mut record.executor);
        Ok(Some(Versioned::new(record, version_of(&object)?)))
    }

    async fn create(&self, cx: &Context, group: &str, record: &LeaseRecord) -> Result<Option<Version>> {
        match self.leases.create(cx, &self.object(group, record, None)?).await {
            Ok(made) => version_of(&made).map(Some),
            Err(refusal) if refusal.is_already_exists() => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn replace(
        &self,
        cx: &Context,
        group: &str,
        record: &LeaseRecord,
        version: &Version,
    ) -> Result<Option<Version>> {
        let object = self.object(group, record, Some(version))?;
        match self.leases.replace(cx, &names::lease(group, &record.executor), &object).await {
            Ok(made) => version_of(&made).map(Some),
            Err(refusal) if is_another(&refusal) => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn delete(&self, cx: &Context, group: &str, executor: &str, version: &Version) -> Result<bool> {
        let how = DeleteParams::default().preconditions(expected(version)?);
        match self.leases.delete(cx, &names::lease(group, executor), &how).await {
            Ok(_) => Ok(true),
            Err(refusal) if is_another(&refusal) => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

impl<K> fmt::Debug for ObjectStore<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// The lease that an object of the group's carries, whatever is left of it. `None` if it is no lease of the group's, although its
/// labels say so.
fn lease_in<K: Carrier>(object: &K, group: &str) -> Result<Option<Versioned>> {
    let metadata = object.meta();
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(marks::EXECUTOR));
    let Some(executor) = label.filter(|executor| metadata.name == Some(names::lease(group, executor))) else {
        return Ok(None);
    };
    let mut record = object.record();
    executor.clone_into(&mut record.executor);
    Ok(Some(Versioned::new(record, version_of(object)?)))
}

fn version_of<K: Carrier>(object: &K) -> Result<Version> {
    let ObjectMeta { uid, resource_version, .. } = object.meta();
    match (uid, resource_version) {
        (Some(uid), Some(resource_version)) => Ok(Version::new(format!("{uid}/{resource_version}"))),
        _ => {
            Err(Error::new(ErrorKind::Protocol, "the server's answer has an object without a uid or version"))
        }
    }
}

/// What the server has to compare.
fn expected(version: &Version) -> Result<Preconditions> {
    let parts = version.as_str().split_once('/');
    let (uid, resource_version) = parts.ok_or_else(|| {
        Error::invalid("version", format!("{:?} is none of this store's", version.as_str()))
    })?;
    Ok(Preconditions { uid: Some(uid.to_owned()), resource_version: Some(resource_version.to_owned()) })
}

/// Whether what was to be changed is another by now, or gone.
fn is_another(refusal: &Refusal) -> bool {
    refusal.is_conflict() || refusal.is_not_found()
}

fn id_in(map: &ConfigMap) -> Option<String> {
    map.data.as_ref()?.get(names::ID).filter(|id| !id.is_empty()).cloned()
}

fn id_map(name: &str, namespace: &str, id: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(names::ID.to_owned(), id.to_owned())])),
        ..ConfigMap::default()
    }
}
