//! Starts that fail: each is a typed error in time, and leaves nothing.

use std::{
    fs,
    time::{Duration, Instant},
};

use driver_nydus::{Config, NydusPodOptions, connect};
use runtime_core::{Context, ErrorKind, Pod, RunOptions, spec::PodSpec};

use crate::support::{Place, SERVE, run, settle};

#[tokio::test]
async fn one_that_ends_at_once_says_why() {
    let place = Place::new("echo 'no such backend' >&2; exit 3");
    let driver = place.driver().await;
    let error = run(&driver, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert!(error.to_string().contains("exited with code 3"), "{error}");
    assert!(error.to_string().contains("no such backend"), "{error}");
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn one_that_never_listens_is_given_up_and_killed() {
    let mut place = Place::new("trap '' TERM; while :; do sleep 0.05; done");
    place.config.start_timeout = Duration::from_millis(200);
    let driver = place.driver().await;
    let began = Instant::now();
    let error = run(&driver, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn a_flood_of_output_keeps_nobody_from_starting_and_is_not_told_whole() {
    let flood = "head -c 10485760 /dev/zero | tr '\\0' x";
    let place = Place::new(&format!("{flood}; exit 1"));
    let driver = place.driver().await;
    let error = run(&driver, "a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().len() < 4096, "{} bytes", error.to_string().len());
    place.assert_nothing_is_left();

    let place = Place::new(&format!("{flood}; {SERVE}"));
    let driver = place.driver().await;
    let pod = run(&driver, "a").await.unwrap();
    driver.remove(&Context::background(), &pod.id).await.unwrap();
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing() {
    let place = Place::new("while :; do sleep 0.05; done");
    let driver = place.driver().await;
    let spec = PodSpec::new("a");
    let (cx, options) =
        (Context::background().with_timeout(Duration::from_millis(100)), RunOptions::default());
    let error = driver.run(&cx, &spec, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let cx = Context::background();
    let dropped = tokio::time::timeout(Duration::from_millis(100), driver.run(&cx, &spec, &options)).await;
    assert!(dropped.is_err() || dropped.unwrap().is_err());
    settle(&driver).await;
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn what_is_missing_or_in_the_way_is_named_and_left_alone() {
    let place = Place::new(SERVE);
    let driver = place.driver().await;
    let file = place.path("file");
    fs::write(&file, "mine").unwrap();
    let options = |change: &dyn Fn(&mut NydusPodOptions)| {
        let mut options = NydusPodOptions::default();
        change(&mut options);
        options
    };
    for (options, field) in [
        (options(&|options| options.source = Some(place.path("missing"))), "source"),
        (options(&|options| options.api_socket = Some(file.clone())), "apiSocket"),
        (options(&|options| options.socket = Some(place.path("missing/s"))), "socket"),
        (options(&|options| options.network_namespace = Some(file.clone())), "networkNamespace"),
    ] {
        let mut spec = PodSpec::new("a");
        spec.extensions.set(&options).unwrap();
        let error = driver.run(&Context::background(), &spec, &RunOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(error.field(), Some(&*format!("extensions.nydus.{field}")), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    place.assert_nothing_is_left();

    let missing = Config::new(place.path("w")).with_nydusd(place.path("missing"));
    assert_eq!(connect(missing).await.unwrap_err().field(), Some("nydusd"));
    fs::remove_file(place.path("nydusd")).unwrap();
    assert_eq!(run(&driver, "a").await.unwrap_err().field(), Some("nydusd"));
    place.assert_nothing_is_left();
}
