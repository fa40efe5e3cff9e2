//! Updates, statistics of sandboxes, and what newer runtimes know.

use super::*;

fn limited(name: &str, resources: LinuxContainerResources) -> ContainerConfig {
    let linux = LinuxContainerConfig { resources: Some(resources), ..Default::default() };
    ContainerConfig { linux: Some(linux), ..shell(name, "sleep 1000") }
}

async fn update(bench: &mut Bench, id: &str, linux: LinuxContainerResources) -> Result<(), Status> {
    let request =
        UpdateContainerResourcesRequest { container_id: id.into(), linux: Some(linux), ..Default::default() };
    bench.runtime.update_container_resources(request).await.map(drop)
}

async fn resources(bench: &mut Bench, id: &str) -> LinuxContainerResources {
    bench.status(id).await.resources.unwrap().linux.unwrap()
}

#[tokio::test]
async fn an_update_changes_what_it_says_and_swap_with_memory() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let none = LinuxContainerResources::default;
    let first = LinuxContainerResources {
        memory_limit_in_bytes: 64 << 20,
        memory_swap_limit_in_bytes: 96 << 20,
        cpu_shares: 512,
        oom_score_adj: 5,
        ..none()
    };
    let id = bench.create(&sandbox, limited("main", first.clone())).await;
    update(&mut bench, &id, LinuxContainerResources { cpu_shares: 128, oom_score_adj: 900, ..none() })
        .await
        .unwrap();
    let expected = LinuxContainerResources { cpu_shares: 128, ..first };
    assert_eq!(resources(&mut bench, &id).await, expected);
    bench.start(&id).await.unwrap();
    update(&mut bench, &id, LinuxContainerResources { memory_limit_in_bytes: 80 << 20, ..none() })
        .await
        .unwrap();
    let expected = LinuxContainerResources {
        memory_limit_in_bytes: 80 << 20,
        memory_swap_limit_in_bytes: 80 << 20,
        ..expected
    };
    assert_eq!(resources(&mut bench, &id).await, expected);
    for (wrong, words) in [
        (
            LinuxContainerResources { memory_limit_in_bytes: 4096, ..none() },
            "unable to set memory limit to 4096 (current usage: ",
        ),
        (
            LinuxContainerResources { cpu_shares: 1, ..none() },
            "exit status 1: the minimum allowed cpu-shares is 2",
        ),
        (
            LinuxContainerResources { cpuset_cpus: "99".into(), ..none() },
            "exit status 1: failed to write \"99\"",
        ),
        (
            LinuxContainerResources { memory_swap_limit_in_bytes: 32 << 20, ..none() },
            "memory.memsw.limit_in_bytes: invalid argument",
        ),
    ] {
        assert_refused(update(&mut bench, &id, wrong).await, Code::Unknown, words);
        assert_eq!(resources(&mut bench, &id).await, expected);
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_sandbox_is_measured_where_it_has_a_cgroup() {
    let mut bench = Bench::new().await;
    let bare = bench.run("bare").await;
    let of = |id: &str| PodSandboxStatsRequest { pod_sandbox_id: id.into() };
    let refused = bench.runtime.pod_sandbox_stats(of(&bare)).await;
    assert_refused(refused, Code::Unknown, "because cgroupPath is empty");
    let everything = ListPodSandboxStatsRequest { filter: Some(PodSandboxStatsFilter::default()) };
    let refused = bench.runtime.list_pod_sandbox_stats(everything.clone()).await;
    assert_refused(refused, Code::Unknown, "failed to obtain metrics for sandbox");
    bench.runtime.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: bare }).await.unwrap();

    let linux = LinuxPodSandboxConfig { cgroup_parent: "/a".into(), ..Default::default() };
    let config = PodSandboxConfig { linux: Some(linux), ..bench.sandbox_config("a") };
    let request = RunPodSandboxRequest { config: Some(config), ..Default::default() };
    let sandbox = bench.runtime.run_pod_sandbox(request).await.unwrap().into_inner().pod_sandbox_id;
    let running = bench.create(&sandbox, shell("main", "sleep 1000")).await;
    bench.create(&sandbox, shell("made", "true")).await;
    bench.start(&running).await.unwrap();
    let stats = bench.runtime.pod_sandbox_stats(of(&sandbox)).await.unwrap().into_inner().stats.unwrap();
    let linux = stats.linux.unwrap();
    assert_eq!(linux.process.unwrap().process_count.unwrap().value, 1);
    assert_eq!(linux.containers.len(), 2);
    assert!(linux.memory.unwrap().working_set_bytes.unwrap().value > 0);
    let listed = bench.runtime.list_pod_sandbox_stats(everything.clone()).await.unwrap().into_inner().stats;
    assert_eq!(listed.len(), 1);

    bench.runtime.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: sandbox.clone() }).await.unwrap();
    let refused = bench.runtime.pod_sandbox_stats(of(&sandbox)).await;
    assert_refused(refused, Code::Unknown, "is not in ready state");
    let listed = bench.runtime.list_pod_sandbox_stats(everything).await.unwrap().into_inner().stats;
    assert_eq!(listed, []);
    let refused = bench.runtime.list_pod_sandbox_stats(ListPodSandboxStatsRequest { filter: None }).await;
    assert_refused(refused, Code::Unknown, "failed to decode sandbox container metrics");
    bench.finish().await;
}

#[tokio::test]
async fn a_newer_one_tells_of_changes_and_of_itself() {
    let options = FakeCriOptions { newer_calls: true, ..Default::default() };
    let mut bench = Bench::with(options, Some(Isolation::None)).await;
    let config = bench.runtime.runtime_config(RuntimeConfigRequest {}).await.unwrap().into_inner();
    assert_eq!(config.linux.unwrap().cgroup_driver(), CgroupDriver::Cgroupfs);
    let mut events = bench.runtime.get_container_events(GetEventsRequest {}).await.unwrap().into_inner();
    let sandbox = bench.run("a").await;
    let id = bench.create(&sandbox, shell("main", "exit 3")).await;
    bench.start(&id).await.unwrap();
    bench.exited(&id).await;
    let mut told = Vec::new();
    while told.last() != Some(&(id.clone(), ContainerEventType::ContainerStoppedEvent)) {
        let event = events.message().await.unwrap().unwrap();
        assert_eq!(event.pod_sandbox_status.as_ref().unwrap().id, sandbox);
        told.push((event.container_id.clone(), event.container_event_type()));
    }
    let kinds = |of: &str| told.iter().filter(|(id, _)| id == of).map(|(_, kind)| *kind).collect::<Vec<_>>();
    assert_eq!(kinds(&id).len(), 3);
    assert_eq!(kinds(&id)[0], ContainerEventType::ContainerCreatedEvent);
    assert_eq!(kinds(&sandbox)[0], ContainerEventType::ContainerCreatedEvent);
    bench.finish().await;
}

#[tokio::test]
async fn a_pod_cidr_has_to_be_one() {
    let mut bench = Bench::new().await;
    for (cidr, is_one) in
        [("10.1.0.0/16", true), ("fd00::/64", true), ("", true), ("garbage", false), ("10.1.0.0/33", false)]
    {
        let network_config = Some(NetworkConfig { pod_cidr: cidr.into() });
        let request = UpdateRuntimeConfigRequest { runtime_config: Some(RuntimeConfig { network_config }) };
        assert_eq!(bench.runtime.update_runtime_config(request).await.is_ok(), is_one, "{cidr}");
    }
    bench.finish().await;
}
