use futures::{StreamExt, TryStreamExt};
use runtime_core::{Driver, Pod, RunOptions, spec::ContainerSpec};
use serde_json::json;

use super::*;
use crate::testing::{Answer, Host, pod};

const CREATE: &str = "POST /v1.35/images/create";
const LOOK: &str = "GET /kv/docker.images";

async fn run(host: &Host, images: &[(&str, Option<PullPolicy>)]) -> Result<()> {
    let mut spec = PodSpec::new("web");
    for (index, (image, policy)) in images.iter().enumerate() {
        let mut container = ContainerSpec::new(format!("c{index}"), *image);
        container.pull_policy = *policy;
        spec = spec.with_container(container);
    }
    Pod::run(&host.driver, &host.cx, &spec, &RunOptions::default()).await.map(drop)
}

#[tokio::test]
async fn policies_are_honoured() {
    use PullPolicy::{Always, IfNotPresent, Never};
    for (image, policy, pulls, runs) in [
        ("busybox:1", None, 0, true),
        ("busybox:1", Some(Always), 1, true),
        ("busybox:1", Some(IfNotPresent), 0, true),
        ("busybox:1", Some(Never), 0, true),
        ("other:1", Some(Never), 0, false),
    ] {
        let host = Host::start(|_, _, _, _| None).await;
        let made = run(&host, &[(image, policy)]).await;
        assert_eq!((made.is_ok(), host.count(CREATE)), (runs, pulls), "{image} {policy:?} {made:?}");
    }
}

#[tokio::test]
async fn fifty_failures_are_all_told() {
    let host = Host::start(|_, kind, asked, _| {
        (kind == CREATE).then(|| {
            let name = asked.line.split("tag=").last().unwrap();
            Answer::Whole(200, "", format!("{}\n", json!({"error": format!("no {name}: manifest unknown")})))
        })
    });
    let host = host.await;
    let names: Vec<_> = (100..150).map(|tag| format!("busybox:{tag}")).collect();
    let images: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
    let error = run(&host, &images).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    for tag in 100..150 {
        assert!(error.message().contains(&format!("no {tag}: ")), "{tag} in {error}");
    }
    assert_eq!((host.count(CREATE), host.count("POST /containers")), (50, 0));
}

#[tokio::test]
async fn an_image_of_several_containers_is_pulled_once() {
    let host = Host::start(|_, _, _, _| None).await;
    let always = Some(PullPolicy::Always);
    run(&host, &[("busybox:1", always), ("busybox:1", always), ("docker.io/library/busybox:1", always)])
        .await
        .unwrap();
    assert_eq!(host.count(CREATE), 1);
}

#[tokio::test]
async fn a_store_that_can_not_be_read_is_no_empty_store() {
    let host = Host::start(|_, kind, _, _| (kind == LOOK).then(|| Answer::json(500, ""))).await;
    let error = run(&host, &[("busybox:1", None)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(host.count(CREATE), 0);
    let host = Host::start(|_, kind, _, _| (kind == LOOK).then(|| Answer::json(404, ""))).await;
    assert!(host.driver.images().unwrap().list(&host.cx, &ImageFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_pull_tells_its_progress_and_ends_with_the_image() {
    let host = Host::start(|_, kind, _, _| {
        (kind == CREATE).then(|| {
            let line =
                json!({"id": "l", "status": "Downloading", "progressDetail": {"current": 1, "total": 2}});
            Answer::Whole(200, "", format!("{line}\n"))
        })
    });
    let host = host.await;
    let images = host.driver.images().unwrap();
    let image = "busybox:1".parse().unwrap();
    let steps = images.pull(&host.cx, &image, &PullOptions::default()).await.unwrap();
    let steps: Vec<_> = steps.try_collect().await.unwrap();
    assert_eq!(steps.last(), Some(&PullEvent::Done(ImageId::new(format!("sha256:{:064x}", 1)))));
    let status = images.status(&host.cx, &image).await.unwrap();
    assert_eq!(status.tags, ["docker.io/library/busybox:1"]);
    let error = images.status(&host.cx, &"busybox:77".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_pull_after_which_nothing_is_there_is_no_success() {
    let host = Host::start(|_, _, _, _| None).await;
    let images = host.driver.images().unwrap();
    let steps = images.pull(&host.cx, &"busybox:77".parse().unwrap(), &PullOptions::default()).await.unwrap();
    let last = steps.collect::<Vec<_>>().await.pop().unwrap();
    assert_eq!(last.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn without_a_persona_what_is_there_can_be_used() {
    let host = Host::with(
        |mut config| {
            config.persona = None;
            config
        },
        |_, _, _, _| None,
    );
    let host = host.await;
    Pod::run(&host.driver, &host.cx, &pod("web"), &RunOptions::default()).await.unwrap();
    let mut other = pod("other");
    other.containers[0].image.reference = "other:1".to_owned();
    let error = Pod::run(&host.driver, &host.cx, &other, &RunOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
