//! The retry layer over mocks.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use runtime_core::{
    Capabilities, Capability as C, Client, Context, Error, ErrorKind, LogLine, LogSource, StopOptions,
    layer::{ErrorContext, Gate, Layer, Retry, Timeout},
};
use tokio::time::Instant;

use super::*;

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "down").transient()
}

fn client(driver: MockDriver, timeout: Timeout) -> Client {
    let layers: Vec<Arc<dyn Layer>> =
        vec![Arc::new(ErrorContext), Arc::new(Gate), Arc::new(Retry::default()), Arc::new(timeout)];
    Client::builder(Arc::new(driver)).with_layers(layers).build()
}

fn over_pods(pods: MockPod, capability: C) -> Client {
    let mut driver = MockDriver::new(Capabilities::none().native([capability, C::PodContainers]));
    driver.pods = Some(pods);
    client(driver, Timeout::default())
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_passes_is_not_seen() {
    let mut pods = MockPod::new();
    let mut left = 3;
    pods.expect_remove().times(3).returning(move |_, _| {
        left -= 1;
        if left == 0 { Ok(()) } else { Err(down()) }
    });
    let began = Instant::now();
    over_pods(pods, C::PodRemove).pod("p").remove().await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(75) && took <= Duration::from_millis(160), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_stays_is_told_with_the_tries() {
    let mut pods = MockPod::new();
    pods.expect_remove().times(5).returning(|_, _| Err(down()));
    let error = over_pods(pods, C::PodRemove).pod("p").remove().await.unwrap_err();
    assert_eq!(error.to_string(), "pod.remove on mock: pod p: down, tries=5");
}

#[tokio::test(start_paused = true)]
async fn a_fault_for_good_and_a_call_that_counts_are_not_repeated() {
    let mut pods = MockPod::new();
    pods.expect_remove().once().returning(|_, _| Err(Error::new(ErrorKind::Failed, "no")));
    over_pods(pods, C::PodRemove).pod("p").remove().await.unwrap_err();

    let mut pods = MockPod::new();
    pods.expect_run().once().returning(|_, _, _| Err(down()));
    let spec = runtime_core::spec::PodSpec::new("p")
        .with_container(runtime_core::spec::ContainerSpec::new("c", "image:1"));
    let error = over_pods(pods, C::PodRun).run_pod(&spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);

    let mut pods = MockPod::new();
    pods.expect_stop().once().returning(|_, _, _| Err(down()));
    let error = over_pods(pods, C::PodStop).pod("p").stop(&StopOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "its grace period would be given anew");
}

#[tokio::test(start_paused = true)]
async fn the_callers_end_is_the_end_of_all_tries() {
    let mut pods = MockPod::new();
    pods.expect_remove().returning(|_, _| Err(down()));
    let client = over_pods(pods, C::PodRemove);
    let cx = Context::background();
    let stopping = cx.cancellation().clone();
    let cancelled = client.with_context(cx);
    let pod = cancelled.pod("p");
    let (error, ()) = tokio::join!(pod.remove(), async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        stopping.cancel();
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Cancelled);
    let began = Instant::now();
    let hurried = client.with_timeout(Duration::from_millis(100));
    assert_eq!(hurried.pod("p").remove().await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    assert_eq!(began.elapsed(), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_handed_out_is_not_opened_again() {
    let mut containers = MockContainer::new();
    let mut opened = 0;
    containers.expect_logs().times(2).returning(move |_, _, _| {
        opened += 1;
        if opened == 1 {
            return Err(down());
        }
        let line = LogLine::new(jiff::Timestamp::UNIX_EPOCH, LogSource::Stdout, "a");
        Ok(futures::stream::iter([Ok(line), Err(down())]).boxed())
    });
    let mut driver = MockDriver::new(Capabilities::none().native([C::ContainerLogs]));
    driver.containers = Some(containers);
    let client = client(driver, Timeout::default());
    let items: Vec<_> = client.container("c").logs(&Default::default()).await.unwrap().collect().await;
    assert!(items.len() == 2 && items[0].is_ok() && items[1].is_err(), "{items:?}");
}
