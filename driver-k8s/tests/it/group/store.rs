//! What the store itself promises.

use runtime_core::{
    ErrorKind,
    group::{LeaseRecord, Version},
};

use super::{Bench, cx, of_both};

of_both!(every_write_names_what_it_expects, a_lease_that_is_gone_is_not_made_by_replacing_it);

async fn every_write_names_what_it_expects(bench: Bench) {
    let (store, cx) = (bench.driver().await.group_store(&cx()).await.unwrap(), cx());
    let record = LeaseRecord::new("a");
    let first = store.create(&cx, "g1", &record).await.unwrap().unwrap();
    assert_eq!(store.create(&cx, "g1", &record).await.unwrap(), None);
    assert!(store.create(&cx, "g2", &record).await.unwrap().is_some());
    let mut changed = record.clone();
    changed.instance = "i1".to_owned();
    let second = store.replace(&cx, "g1", &changed, &first).await.unwrap().unwrap();
    assert_eq!(store.replace(&cx, "g1", &record, &first).await.unwrap(), None);
    assert!(!store.delete(&cx, "g1", "a", &first).await.unwrap());
    let read = store.read(&cx, "g1", "a").await.unwrap().unwrap();
    assert_eq!((&read.record.instance, &read.version), (&changed.instance, &second));
    assert_eq!(store.list(&cx, "g1").await.unwrap(), [read]);
    let foreign = store.delete(&cx, "g1", "a", &Version::new("1")).await.unwrap_err();
    assert_eq!((foreign.kind(), foreign.field()), (ErrorKind::InvalidArgument, Some("version")));
    assert!(store.delete(&cx, "g1", "a", &second).await.unwrap());
    assert!(!store.delete(&cx, "g1", "a", &second).await.unwrap());
    assert_eq!(store.read(&cx, "g1", "a").await.unwrap(), None);
    assert_eq!(store.list(&cx, "g2").await.unwrap().len(), 1);
}

/// A real server makes a `Lease` that is replaced and missing. Thereby a renewal that comes late would bring back a tenure whose
/// end others have acted upon.
async fn a_lease_that_is_gone_is_not_made_by_replacing_it(bench: Bench) {
    let (store, cx) = (bench.driver().await.group_store(&cx()).await.unwrap(), cx());
    let record = LeaseRecord::new("a");
    let gone = store.create(&cx, "g1", &record).await.unwrap().unwrap();
    assert!(store.delete(&cx, "g1", "a", &gone).await.unwrap());
    assert_eq!(store.replace(&cx, "g1", &record, &gone).await.unwrap(), None);
    assert!(bench.lease("a").is_none());
    let next = store.create(&cx, "g1", &record).await.unwrap().unwrap();
    assert_eq!(store.replace(&cx, "g1", &record, &gone).await.unwrap(), None);
    assert!(!store.delete(&cx, "g1", "a", &gone).await.unwrap());
    assert_eq!(store.read(&cx, "g1", "a").await.unwrap().unwrap().version, next);
}
