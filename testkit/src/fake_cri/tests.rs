//! Over the socket, with the generated client.

mod containers;
mod exec;
mod faults;
mod lists;
mod pulled;
mod refusals;
mod resources;
mod sandboxes;
mod streaming;
mod walls;

use std::time::Duration;

use k8s_cri::v1::image_service_client::ImageServiceClient;
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::*;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use super::{FakeCri, FakeCriOptions};
use crate::engine::{Engine, EngineOptions, HOST_IMAGE, Isolation};

/// A fake with clients, on an engine of its own.
struct Bench {
    fake: FakeCri,
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    logs: TempDir,
}

impl Bench {
    /// Without walls, so that it runs for everybody; containers are made from the host's own files.
    async fn new() -> Self {
        Self::with(FakeCriOptions::default(), Some(Isolation::None)).await
    }

    async fn with(options: FakeCriOptions, isolation: Option<Isolation>) -> Self {
        let engine = Engine::start(EngineOptions { isolation, ..Default::default() }).await.unwrap();
        let fake = FakeCri::start(engine, options).await.unwrap();
        let (runtime, images) = connect(&fake).await;
        Self { fake, runtime, images, logs: tempfile::tempdir().unwrap() }
    }

    fn sandbox_config(&self, name: &str) -> PodSandboxConfig {
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: name.into(),
                uid: format!("uid-{name}"),
                namespace: "ns".into(),
                attempt: 0,
            }),
            log_directory: self.logs.path().join(name).to_string_lossy().into_owned(),
            labels: [("app".to_owned(), name.to_owned())].into(),
            ..Default::default()
        }
    }

    async fn run(&mut self, name: &str) -> String {
        let request = RunPodSandboxRequest { config: Some(self.sandbox_config(name)), ..Default::default() };
        self.runtime.run_pod_sandbox(request).await.unwrap().into_inner().pod_sandbox_id
    }

    async fn try_create(&mut self, sandbox: &str, config: ContainerConfig) -> Result<String, Status> {
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox.into(),
            config: Some(config),
            sandbox_config: Some(self.sandbox_config("a")),
        };
        Ok(self.runtime.create_container(request).await?.into_inner().container_id)
    }

    async fn create(&mut self, sandbox: &str, config: ContainerConfig) -> String {
        self.try_create(sandbox, config).await.unwrap()
    }

    async fn start(&mut self, id: &str) -> Result<Response<StartContainerResponse>, Status> {
        self.runtime.start_container(StartContainerRequest { container_id: id.into() }).await
    }

    async fn stop(&mut self, id: &str, timeout: i64) -> Result<Response<StopContainerResponse>, Status> {
        self.runtime.stop_container(StopContainerRequest { container_id: id.into(), timeout }).await
    }

    async fn remove(&mut self, id: &str) -> Result<Response<RemoveContainerResponse>, Status> {
        self.runtime.remove_container(RemoveContainerRequest { container_id: id.into() }).await
    }

    async fn exec(&mut self, id: &str, cmd: &[&str], timeout: i64) -> Result<ExecSyncResponse, Status> {
        let cmd = cmd.iter().map(|&part| part.to_owned()).collect();
        let request = ExecSyncRequest { container_id: id.into(), cmd, timeout };
        Ok(self.runtime.exec_sync(request).await?.into_inner())
    }

    async fn try_status(&mut self, id: &str) -> Result<ContainerStatus, Status> {
        let request = ContainerStatusRequest { container_id: id.into(), verbose: false };
        Ok(self.runtime.container_status(request).await?.into_inner().status.unwrap())
    }

    async fn status(&mut self, id: &str) -> ContainerStatus {
        self.try_status(id).await.unwrap()
    }

    /// Waits for its end, which the engine knows first.
    async fn exited(&mut self, id: &str) -> ContainerStatus {
        self.fake.engine().wait_container(id).await.unwrap();
        self.status(id).await
    }

    async fn run_to_end(&mut self, sandbox: &str, name: &str, script: &str) -> ContainerStatus {
        let id = self.create(sandbox, shell(name, script)).await;
        self.start(&id).await.unwrap();
        self.exited(&id).await
    }

    /// The end: nothing may be left but the built-in image.
    async fn finish(self) {
        let Self { fake, runtime, images, .. } = self;
        let sandboxes = fake.engine().pods();
        for pod in sandboxes {
            fake.engine().remove_pod(&pod.id).await.unwrap();
        }
        let ledger = fake.engine().ledger();
        assert!(ledger.is_empty_except_images(), "{ledger:?}");
        let (engine, socket) = (fake.engine().clone(), fake.socket().to_owned());
        drop((runtime, images, fake));
        assert!(!socket.exists() && !socket.parent().unwrap().exists());
        let state = engine.state_dir().to_owned();
        engine.shutdown().await.unwrap();
        assert!(!state.exists());
    }
}

async fn connect(fake: &FakeCri) -> (RuntimeServiceClient<Channel>, ImageServiceClient<Channel>) {
    let endpoint = Endpoint::from_shared(format!("unix://{}", fake.socket().display())).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let runtime = RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    (runtime, ImageServiceClient::new(channel))
}

/// A container of the host's shell.
fn shell(name: &str, script: &str) -> ContainerConfig {
    ContainerConfig {
        metadata: Some(ContainerMetadata { name: name.into(), attempt: 0 }),
        image: Some(ImageSpec { image: HOST_IMAGE.into(), ..Default::default() }),
        command: vec!["sh".into(), "-c".into(), script.into()],
        log_path: format!("{name}.log"),
        labels: [("c".to_owned(), name.to_owned())].into(),
        ..Default::default()
    }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, words: &str) {
    let error = answer.expect_err(words);
    assert_eq!(error.code(), code, "{error:?}");
    assert!(error.message().contains(words), "{:?} is not in {:?}", words, error.message());
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let mut pause = Duration::from_millis(1);
    while !condition() {
        assert!(pause < Duration::from_secs(5), "never: {what}");
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
