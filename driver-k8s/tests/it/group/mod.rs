//! Groups of executors, with their leases in `Lease` objects, and in `ConfigMap`s on a server that has none.

mod conflicts;
mod joining;
mod outages;
mod reaping;
mod spoilt;
mod store;

use std::{ops::Deref, sync::Arc, time::Duration};

use driver_k8s::K8sDriver;
use runtime_core::{
    Context,
    group::{Group, GroupOptions, Membership},
};
use serde_json::Value;
use testkit::fake_k8s::{
    FakeK8sOptions,
    store::{ListOptions, Part, Resource, Selection},
};

use crate::support::{Cluster, until};

/// Where everything is.
const NAMESPACE: &str = "default";

/// A cluster in which a group keeps its leases.
struct Bench {
    cluster: Cluster,
    leases: Resource,
}

impl Bench {
    /// With leases in objects of this sort.
    fn of(leases: Resource) -> Self {
        let options = FakeK8sOptions { leases: leases == Resource::Leases, ..FakeK8sOptions::default() };
        Self { cluster: Cluster::start(&options), leases }
    }

    /// The group as another process sees it.
    async fn group(&self, options: GroupOptions) -> Group {
        open(&self.cluster.driver().await, options).await
    }

    /// An executor in a process of its own.
    async fn join(&self, executor: &str, options: GroupOptions) -> Membership {
        self.group(options).await.join(&cx(), executor).await.unwrap()
    }

    /// How faults and the log of requests name what is done to leases.
    fn operation(&self, method: &str) -> String {
        format!("{method} {}", self.leases.plural())
    }

    /// The object with the lease of an executor.
    fn lease(&self, executor: &str) -> Option<Arc<Value>> {
        let selection = Selection::namespace(NAMESPACE);
        let list = self.store().list(self.leases, &selection, &ListOptions::default()).unwrap();
        let mine = |object: &Arc<Value>| object["metadata"]["labels"]["wharf.dev/executor"] == executor;
        list.items.into_iter().find(mine)
    }

    /// Waits until the lease has been renewed so often from now on.
    async fn renewed(&self, executor: &str, times: u32) {
        let version = || self.lease(executor).map(|lease| lease["metadata"]["resourceVersion"].clone());
        for _ in 0..times {
            let before = version();
            assert!(before.is_some(), "{executor} has no lease");
            until("a renewal", async || version() != before).await;
        }
    }

    /// Changes the lease of an executor behind everybody's back.
    fn spoil(&self, executor: &str, change: impl FnOnce(&mut Value)) {
        let name = self.lease(executor).unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
        let change = |object: &mut Value| {
            change(object);
            Ok(())
        };
        self.store().patch(Part::Object, self.leases, NAMESPACE, &name, change).unwrap();
    }
}

impl Deref for Bench {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

/// Makes a test of each of these functions for either sort of object.
macro_rules! of_both {
    ($($name:ident),+ $(,)?) => {
        mod leases {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::group::Bench::of(testkit::fake_k8s::store::Resource::Leases)).await;
            })+
        }

        mod config_maps {
            $(#[tokio::test]
            async fn $name() {
                super::$name($crate::group::Bench::of(testkit::fake_k8s::store::Resource::ConfigMaps)).await;
            })+
        }
    };
}
use of_both;

fn cx() -> Context {
    Context::background()
}

/// Renewed all the time, and stale so late that nothing goes stale within a test.
fn lively() -> GroupOptions {
    GroupOptions::default().with_renew_every(Duration::from_millis(50))
}

/// Stale soon. A request may take long on a machine that has other things to do.
fn short() -> GroupOptions {
    GroupOptions::scaled_to(Duration::from_secs(4)).with_request_timeout(Duration::from_secs(1))
}

async fn open(driver: &K8sDriver, options: GroupOptions) -> Group {
    let store = driver.group_store(&cx()).await.unwrap();
    Group::open(&cx(), store, "builders", options).await.unwrap()
}

/// The ids of the executors that a group has in somebody's sight, sorted.
async fn executors(group: &Group) -> Vec<String> {
    let alive = group.executors(&cx()).await.unwrap();
    let mut ids: Vec<_> = alive.into_iter().map(|record| record.executor).collect();
    ids.sort();
    ids
}
