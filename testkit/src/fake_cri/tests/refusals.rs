//! What containerd refuses, with its code and words.

use super::*;

const NO: &str = "ffffffffffff";

#[tokio::test]
async fn unknown_ids() {
    let mut bench = Bench::new().await;
    let runtime = &mut bench.runtime;
    let id = || NO.to_owned();
    runtime.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: id() }).await.unwrap();
    runtime.remove_container(RemoveContainerRequest { container_id: id() }).await.unwrap();
    let container = "an error occurred when try to find container \"ffffffffffff\": not found";
    let answer = runtime.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: id() }).await;
    assert_refused(
        answer,
        Code::NotFound,
        "an error occurred when try to find sandbox \"ffffffffffff\": not found",
    );
    let answer =
        runtime.pod_sandbox_status(PodSandboxStatusRequest { pod_sandbox_id: id(), verbose: false }).await;
    assert_refused(answer, Code::NotFound, "an error occurred when try to find sandbox: not found");
    let answer = runtime.start_container(StartContainerRequest { container_id: id() }).await;
    assert_refused(answer, Code::NotFound, container);
    let answer = runtime.stop_container(StopContainerRequest { container_id: id(), timeout: 1 }).await;
    assert_refused(answer, Code::NotFound, container);
    let answer =
        runtime.container_status(ContainerStatusRequest { container_id: id(), verbose: false }).await;
    assert_refused(answer, Code::NotFound, container);
    let answer = runtime.reopen_container_log(ReopenContainerLogRequest { container_id: id() }).await;
    assert_refused(answer, Code::NotFound, container);
    let answer = runtime.container_stats(ContainerStatsRequest { container_id: id() }).await;
    assert_refused(answer, Code::NotFound, "failed to find container: not found");
    let update = UpdateContainerResourcesRequest { container_id: id(), ..Default::default() };
    assert_refused(
        runtime.update_container_resources(update).await,
        Code::NotFound,
        "failed to find container: not found",
    );
    let words = "failed to exec in container: failed to find container \"ffffffffffff\" in store: not found";
    assert_refused(bench.exec(NO, &["true"], 1).await, Code::NotFound, words);
    let words = "failed to find sandbox id \"ffffffffffff\": not found";
    assert_refused(bench.try_create(NO, shell("c", "")).await, Code::NotFound, words);
    bench.finish().await;
}

#[tokio::test]
async fn prefixes_that_fit_none_or_several() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    assert_refused(bench.try_status("").await, Code::Unknown, "container \"\": Prefix can't be empty");
    // Seventeen ids share a first digit at least once.
    let mut ids = Vec::new();
    for number in 0..17 {
        ids.push(bench.create(&sandbox, shell(&format!("c{number}"), "true")).await);
    }
    let shared = |digit: &char| ids.iter().filter(|id| id.starts_with(*digit)).count() > 1;
    let digit = "0123456789abcdef".chars().find(shared).unwrap().to_string();
    let words = format!("Multiple IDs found with provided prefix: {digit}");
    assert_refused(bench.try_status(&digit).await, Code::Unknown, &words);
    assert_refused(bench.remove(&digit).await, Code::Unknown, &words);
    bench.finish().await;
}

#[tokio::test]
async fn sandboxes_that_cannot_be() {
    let mut bench = Bench::new().await;
    let good = bench.sandbox_config("a");
    let linux = |linux: LinuxPodSandboxConfig| PodSandboxConfig { linux: Some(linux), ..good.clone() };
    let sysctl = |name: &str| LinuxPodSandboxConfig {
        sysctls: [(name.to_owned(), "1".to_owned())].into(),
        ..Default::default()
    };
    for (config, handler, code, words) in [
        (PodSandboxConfig::default(), "", Code::Unknown, "sandbox config must include metadata"),
        (good.clone(), "kata", Code::Unknown, "no runtime for \"kata\" is configured"),
        (
            PodSandboxConfig { hostname: "x".repeat(80), ..good.clone() },
            "",
            Code::Unknown,
            "sethostname: invalid argument",
        ),
        (linux(sysctl("kernel.nope")), "", Code::Unknown, "is not in a separate kernel namespace"),
        (linux(sysctl("net.ipv4.ip_forward")), "", Code::Unimplemented, "linux.sysctls"),
    ] {
        let request = RunPodSandboxRequest { config: Some(config), runtime_handler: handler.into() };
        assert_refused(bench.runtime.run_pod_sandbox(request).await, code, words);
    }
    let none = bench.runtime.run_pod_sandbox(RunPodSandboxRequest::default()).await;
    assert_refused(none, Code::Unknown, "sandbox config must include metadata");
    bench.finish().await;
}

#[tokio::test]
async fn containers_that_cannot_be_made() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let good = shell("c", "true");
    let image = |name: &str| Some(ImageSpec { image: name.into(), ..Default::default() });
    let security = |security: LinuxContainerSecurityContext| ContainerConfig {
        linux: Some(LinuxContainerConfig { security_context: Some(security), ..Default::default() }),
        ..good.clone()
    };
    let none = LinuxContainerSecurityContext::default;
    let capabilities =
        |name: &str| Some(Capability { add_capabilities: vec![name.into()], ..Default::default() });
    let profile = |path: &str| Some(SecurityProfile { profile_type: 2, localhost_ref: path.into() });
    let device = |path: &str| vec![Device { host_path: path.into(), ..Default::default() }];
    for (config, code, words) in [
        (
            ContainerConfig { metadata: None, ..good.clone() },
            Code::Unknown,
            "container config must include metadata",
        ),
        (
            ContainerConfig { image: image("localhost/nope:1"), ..good.clone() },
            Code::NotFound,
            "failed to resolve image \"localhost/nope:1\": not found",
        ),
        (
            ContainerConfig { image: image("UPPER:://x"), ..good.clone() },
            Code::NotFound,
            "failed to resolve image \"UPPER:://x\": not found",
        ),
        (ContainerConfig { devices: device("/dev/nope"), ..good.clone() }, Code::Unknown, "lstat /dev/nope"),
        (ContainerConfig { devices: device("/dev/null"), ..good.clone() }, Code::Unimplemented, "devices"),
        (
            ContainerConfig { labels: [("k".repeat(3000), "v".repeat(3000))].into(), ..good.clone() },
            Code::InvalidArgument,
            "label key and value greater than maximum size (4096 bytes), key: kkkkkkkkkk",
        ),
        (
            ContainerConfig {
                mounts: vec![Mount { container_path: "/m".into(), ..Default::default() }],
                ..good.clone()
            },
            Code::Unknown,
            "failed to mkdir \"\"",
        ),
        (
            security(LinuxContainerSecurityContext { privileged: true, ..none() }),
            Code::Unknown,
            "no privileged container allowed in sandbox",
        ),
        (
            security(LinuxContainerSecurityContext { run_as_group: Some(Int64Value { value: 5 }), ..none() }),
            Code::Unknown,
            "user group \"5\" is specified without user",
        ),
        (
            security(LinuxContainerSecurityContext { capabilities: capabilities("NET_ADMIN"), ..none() }),
            Code::Unimplemented,
            "linux.security_context.capabilities",
        ),
        (
            security(LinuxContainerSecurityContext { seccomp: profile("/no/such"), ..none() }),
            Code::Unknown,
            "cannot load seccomp profile \"/no/such\"",
        ),
        (
            security(LinuxContainerSecurityContext { apparmor: profile("x"), ..none() }),
            Code::Unknown,
            "apparmor is not supported",
        ),
    ] {
        assert_refused(bench.try_create(&sandbox, config).await, code, words);
    }
    assert_eq!(bench.fake.engine().containers().len(), 0);
    let harmless = security(LinuxContainerSecurityContext { capabilities: capabilities("NOPE"), ..none() });
    let id = bench.create(&sandbox, harmless).await;
    let words = format!("name \"c_a_ns_uid-a_0\" is reserved for \"{id}\"");
    assert_refused(bench.try_create(&sandbox, good.clone()).await, Code::Unknown, &words);
    let again = ContainerMetadata { name: "c".into(), attempt: 1 };
    bench.create(&sandbox, ContainerConfig { metadata: Some(again), ..good }).await;
    bench.finish().await;
}

#[tokio::test]
async fn containers_that_cannot_be_started() {
    let mut bench = Bench::new().await;
    let sandbox = bench.run("a").await;
    let good = || shell("c", "true");
    let resources = |resources: LinuxContainerResources| ContainerConfig {
        linux: Some(LinuxContainerConfig { resources: Some(resources), ..Default::default() }),
        ..good()
    };
    let none = LinuxContainerResources::default;
    for (number, (config, words)) in [
        (ContainerConfig { working_dir: "rel".into(), ..good() }, "Cwd must be an absolute path: unknown"),
        (
            ContainerConfig { envs: vec![KeyValue { key: String::new(), value: "v".into() }], ..good() },
            "environment variable name can't be empty: \"=v\"",
        ),
        (
            ContainerConfig {
                mounts: vec![Mount {
                    container_path: "/m".into(),
                    host_path: "rel".into(),
                    ..Default::default()
                }],
                ..good()
            },
            "error mounting \"rel\" to rootfs at \"/m\"",
        ),
        (
            resources(LinuxContainerResources { memory_limit_in_bytes: 512, ..none() }),
            "unable to set memory limit to 512",
        ),
        (
            resources(LinuxContainerResources { cpu_shares: 1, ..none() }),
            "the minimum allowed cpu-shares is 2",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let metadata = Some(ContainerMetadata { name: format!("c{number}"), attempt: 0 });
        let id = bench.create(&sandbox, ContainerConfig { metadata, ..config }).await;
        assert_refused(bench.start(&id).await, Code::Unknown, words);
        let status = bench.status(&id).await;
        assert_eq!((status.exit_code, status.reason.as_str()), (128, "StartError"), "{words}");
        assert!(status.message.contains(words), "{}", status.message);
    }
    bench.finish().await;
}

#[tokio::test]
async fn methods_that_are_not_there() {
    let mut bench = Bench::new().await;
    let runtime = &mut bench.runtime;
    let answer = runtime.get_container_events(GetEventsRequest {}).await.map(|_| ());
    assert_refused(answer, Code::Unimplemented, "method GetContainerEvents not implemented");
    let answer = runtime.runtime_config(RuntimeConfigRequest {}).await;
    assert_refused(
        answer,
        Code::Unimplemented,
        "unknown method RuntimeConfig for service runtime.v1.RuntimeService",
    );
    bench.finish().await;
}

#[tokio::test]
async fn images_that_are_not_there() {
    let mut bench = Bench::new().await;
    let image = |name: &str| Some(ImageSpec { image: name.into(), ..Default::default() });
    for name in ["localhost/nope:1", "UPPER:://x", "sha256:00", ""] {
        let request = ImageStatusRequest { image: image(name), verbose: false };
        assert_eq!(bench.images.image_status(request).await.unwrap().into_inner().image, None, "{name:?}");
        bench.images.remove_image(RemoveImageRequest { image: image(name) }).await.unwrap();
    }
    for (name, words) in [
        ("UPPER:://x", "failed to parse image reference \"UPPER:://x\": invalid reference format"),
        ("", "failed to parse image reference \"\": invalid reference format"),
        ("127.0.0.1:1/x:1", "failed to do request: Head \"http://127.0.0.1:1/v2/x/manifests/1\""),
    ] {
        let request = PullImageRequest { image: image(name), ..Default::default() };
        assert_refused(bench.images.pull_image(request).await, Code::Unknown, words);
    }
    bench.finish().await;
}
