//! Sandboxes, and the runtime's own status.

use super::*;

async fn status(bench: &mut Bench, id: &str, verbose: bool) -> PodSandboxStatusResponse {
    let request = PodSandboxStatusRequest { pod_sandbox_id: id.into(), verbose };
    bench.runtime.pod_sandbox_status(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_sandbox_lives_and_ends() {
    let mut bench = Bench::new().await;
    let id = bench.run("a").await;
    let told = status(&mut bench, &id[..12], false).await.status.unwrap();
    assert_eq!(
        (told.state(), told.network.unwrap().ip.as_str()),
        (PodSandboxState::SandboxReady, "127.0.0.1")
    );
    assert_eq!(told.metadata, bench.sandbox_config("a").metadata);

    let created = bench.create(&id, shell("created", "true")).await;
    let running = bench.create(&id, shell("running", "sleep 1000")).await;
    bench.start(&running).await.unwrap();
    let stop = || StopPodSandboxRequest { pod_sandbox_id: id.clone() };
    bench.runtime.stop_pod_sandbox(stop()).await.unwrap();
    bench.runtime.stop_pod_sandbox(stop()).await.unwrap();
    let told = status(&mut bench, &id, false).await.status.unwrap();
    assert_eq!((told.state(), told.network.unwrap().ip.as_str()), (PodSandboxState::SandboxNotready, ""));
    assert_eq!(bench.status(&running).await.exit_code, 137);
    assert_eq!(bench.status(&created).await.state(), ContainerState::ContainerCreated);
    assert_refused(
        bench.start(&created).await,
        Code::Unknown,
        &format!("sandbox container \"{id}\" is not running"),
    );
    assert_refused(bench.try_create(&id, shell("late", "")).await, Code::NotFound, "no running task found");

    bench.runtime.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: id.clone() }).await.unwrap();
    assert_refused(bench.try_status(&running).await, Code::NotFound, "not found");
    bench.run("a").await;
    bench.finish().await;
}

#[tokio::test]
async fn two_of_one_name() {
    let bench = Bench::new().await;
    let request = RunPodSandboxRequest { config: Some(bench.sandbox_config("a")), ..Default::default() };
    let (mut one, mut two) = (bench.runtime.clone(), bench.runtime.clone());
    let (one, two) = tokio::join!(one.run_pod_sandbox(request.clone()), two.run_pod_sandbox(request.clone()));
    let lost = match (one, two) {
        (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
        both => panic!("{both:?}"),
    };
    // The id of one that is still being made is not known yet.
    let name = "\"a_ns_uid-a_0\"";
    let words = format!("failed to reserve sandbox name {name}: name {name} is reserved for \"");
    assert_eq!(lost.code(), Code::Unknown);
    assert!(lost.message().starts_with(&words), "{lost}");
    bench.finish().await;
}

#[tokio::test]
async fn sandboxes_are_filtered() {
    let mut bench = Bench::new().await;
    let (one, two) = (bench.run("a").await, bench.run("b").await);
    bench.runtime.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: two.clone() }).await.unwrap();
    let none = PodSandboxFilter::default;
    let state = |state: i32| Some(PodSandboxStateValue { state });
    let label = |value: &str| [("app".to_owned(), value.to_owned())].into();
    for (filter, want) in [
        (none(), vec![&one, &two]),
        (PodSandboxFilter { id: one[..9].into(), ..none() }, vec![&one]),
        (PodSandboxFilter { state: state(1), ..none() }, vec![&two]),
        (PodSandboxFilter { state: state(7), ..none() }, vec![]),
        (PodSandboxFilter { label_selector: label("b"), ..none() }, vec![&two]),
        (PodSandboxFilter { label_selector: label("c"), ..none() }, vec![]),
    ] {
        let request = ListPodSandboxRequest { filter: Some(filter.clone()) };
        let items = bench.runtime.list_pod_sandbox(request).await.unwrap().into_inner().items;
        assert_eq!(items.iter().map(|item| &item.id).collect::<Vec<_>>(), want, "{filter:?}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn the_runtime_tells_what_it_is() {
    let mut bench = Bench::new().await;
    let version = bench.runtime.version(VersionRequest::default()).await.unwrap().into_inner();
    assert_eq!((version.runtime_name.as_str(), version.runtime_api_version.as_str()), ("containerd", "v1"));
    let status = bench.runtime.status(StatusRequest::default()).await.unwrap().into_inner().status.unwrap();
    assert!(status.conditions.len() == 2 && status.conditions.iter().all(|condition| condition.status));
    let id = bench.run("a").await;
    let info = super::sandboxes::status(&mut bench, &id, true).await.info;
    let info: serde_json::Value = serde_json::from_str(&info["info"]).unwrap();
    assert_eq!(info["config"]["metadata"]["name"], "a");
    let fs = bench.images.image_fs_info(ImageFsInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(fs.image_filesystems.len(), 1);
    bench.finish().await;
}
