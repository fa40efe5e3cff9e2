//! Updates, and calls that only CRI has.

use driver_cri::CgroupDriver;
use runtime_core::{
    ErrorKind,
    spec::{Bytes, Resources},
};
use testkit::fake_cri::FakeCriOptions;

use crate::bench::Bench;

#[tokio::test]
async fn a_refused_update_is_undone() {
    let bench = Bench::new().await;
    let (_, container) = bench.run_one("sleep 1000").await;
    bench.fake.calls().clear();
    let resources = Resources::default().with_memory_limit(Bytes(4096));
    let error = bench.containers().update(&bench.cx, &container, &resources).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    let updates =
        bench.fake.calls().names().iter().filter(|name| **name == "UpdateContainerResources").count();
    assert_eq!(updates, 2, "the change, and what was there before");
    bench.finish().await;
}

#[tokio::test]
async fn calls_that_only_cri_has() {
    let bench = Bench::with(FakeCriOptions { newer_calls: true, ..Default::default() }).await;
    let (cx, driver) = (&bench.cx, &bench.driver);
    assert_eq!(driver.runtime_config(cx).await.unwrap().cgroup_driver, Some(CgroupDriver::Cgroupfs));
    driver.set_pod_cidr(cx, "10.1.0.0/16").await.unwrap();
    let error = driver.set_pod_cidr(cx, "garbage").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let details = driver.runtime_details(cx).await.unwrap();
    assert!(details.info.contains_key("config"), "{details:?}");
    let (_, container) = bench.run_one("sleep 1000").await;
    for (call, error) in [
        (
            "CheckpointContainer",
            driver.checkpoint_container(cx, &container, "/x".as_ref(), None).await.unwrap_err(),
        ),
        ("ListMetricDescriptors", driver.metric_descriptors(cx).await.unwrap_err()),
        ("ListPodSandboxMetrics", driver.pod_metrics(cx).await.unwrap_err()),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.message().contains(call), "{error}");
    }
    let missing = driver.checkpoint_container(cx, &"nope".into(), "/x".as_ref(), None).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let older = Bench::new().await;
    let error = older.driver.runtime_config(cx).await.unwrap_err();
    assert!(error.message().contains("RuntimeConfig"), "{error}");
    older.finish().await;
    bench.finish().await;
}
