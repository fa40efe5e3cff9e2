//! The reference: CRI's generated client, called by hand.

use std::{fmt, path::Path, time::Duration};

use futures::{
    StreamExt,
    future::{try_join, try_join_all},
};
use k8s_cri::v1::{
    self as cri, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tonic::{
    Request,
    transport::{Channel, Endpoint as Transport},
};
use wharf::{
    cri::{Config, Endpoint, translate},
    spec::{ContainerSpec, PodSpec},
};

use crate::Result;

/// No call is without a deadline, which the runtime is told too, as wharf does.
const DEADLINE: Duration = Duration::from_secs(120);

/// A connection without wharf.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
}

/// Which calls of a pod are made at the same time, once its sandbox is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// None: one after the other, container by container.
    Sequence,
    /// Those of different containers.
    AtOnce,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sequence => "sequence",
            Self::AtOnce => "parallel",
        })
    }
}

/// A pod with its first container.
#[derive(Debug)]
pub(crate) struct RawPod {
    sandbox: String,
    container: String,
}

/// A sandbox that containers are put into.
#[derive(Debug)]
struct Sandbox {
    id: String,
    config: cri::PodSandboxConfig,
}

impl Raw {
    pub(crate) async fn connect(config: &Config) -> Result<Self> {
        let address = match &config.endpoint {
            Endpoint::Unix(path) => format!("unix://{}", path.display()),
            Endpoint::Tcp(address) => format!("http://{address}"),
            other => return Err(format!("don't know how to reach {other}").into()),
        };
        let channel = Transport::from_shared(address)?.connect().await?;
        let runtime = RuntimeServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
        Ok(Self { runtime, images: ImageServiceClient::new(channel) })
    }

    /// Runs a pod, whose images are present, with its logs below `logs`: one call after the other.
    pub(crate) async fn run(&self, spec: &PodSpec, logs: &Path) -> Result<RawPod> {
        self.run_in(Order::Sequence, spec, logs).await
    }

    /// Runs a pod, whose images are present, with its logs below `logs`.
    pub(crate) async fn run_in(&self, order: Order, spec: &PodSpec, logs: &Path) -> Result<RawPod> {
        let made = self.sandbox(spec, logs).await?;
        let ups = spec.containers.iter().map(|container| self.bring_up(spec, container, &made));
        let ids = match order {
            Order::AtOnce => try_join_all(ups).await?,
            Order::Sequence => {
                let mut ids = Vec::new();
                for up in ups {
                    ids.push(up.await?);
                }
                ids
            }
        };
        let container = ids.into_iter().next().ok_or("a container is missing")?;
        Ok(RawPod { sandbox: made.id, container })
    }

    /// Runs a pod with its logs below `logs`: the sandbox, then for each container its image, itself and its start.
    pub(crate) async fn pull_and_run(&self, spec: &PodSpec, logs: &Path) -> Result<RawPod> {
        let made = self.sandbox(spec, logs).await?;
        let mut first = None;
        for container in &spec.containers {
            let image = cri::ImageSpec { image: container.image.reference.clone(), ..Default::default() };
            let request = cri::PullImageRequest {
                image: Some(image),
                auth: None,
                sandbox_config: Some(made.config.clone()),
            };
            self.images.clone().pull_image(until_deadline(request)).await?;
            let id = self.bring_up(spec, container, &made).await?;
            first.get_or_insert(id);
        }
        Ok(RawPod { sandbox: made.id, container: first.ok_or("a container is missing")? })
    }

    /// Makes a sandbox, and the log directories that runtimes want to be there.
    async fn sandbox(&self, spec: &PodSpec, logs: &Path) -> Result<Sandbox> {
        let mut config = translate::pod_config(spec)?;
        let directory = logs.join(&spec.name);
        config.log_directory = directory.to_string_lossy().into_owned();
        for container in &spec.containers {
            tokio::fs::create_dir_all(directory.join(&container.name)).await?;
        }
        let request =
            cri::RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: String::new() };
        let answer = self.runtime.clone().run_pod_sandbox(until_deadline(request)).await?;
        Ok(Sandbox { id: answer.into_inner().pod_sandbox_id, config })
    }

    /// Creates a container and starts it.
    async fn bring_up(&self, spec: &PodSpec, container: &ContainerSpec, sandbox: &Sandbox) -> Result<String> {
        let mut client = self.runtime.clone();
        let mut config = translate::container_config(container, &spec.security)?;
        config.log_path = format!("{}/0.log", container.name);
        let request = cri::CreateContainerRequest {
            pod_sandbox_id: sandbox.id.clone(),
            config: Some(config),
            sandbox_config: Some(sandbox.config.clone()),
        };
        let id = client.create_container(until_deadline(request)).await?.into_inner().container_id;
        let request = cri::StartContainerRequest { container_id: id.clone() };
        client.start_container(until_deadline(request)).await?;
        Ok(id)
    }

    pub(crate) async fn exec(&self, pod: &RawPod, command: &[&str]) -> Result<()> {
        let request = cri::ExecSyncRequest {
            container_id: pod.container.clone(),
            cmd: command.iter().map(|&word| word.to_owned()).collect(),
            timeout: 0,
        };
        let answer = self.runtime.clone().exec_sync(until_deadline(request)).await?.into_inner();
        if answer.exit_code == 0 { Ok(()) } else { Err(format!("exit code {}", answer.exit_code).into()) }
    }

    pub(crate) async fn stop(&self, pod: &RawPod, grace_seconds: i64) -> Result<()> {
        let mut client = self.runtime.clone();
        let request =
            cri::StopContainerRequest { container_id: pod.container.clone(), timeout: grace_seconds };
        client.stop_container(until_deadline(request)).await?;
        let request = cri::StopPodSandboxRequest { pod_sandbox_id: pod.sandbox.clone() };
        client.stop_pod_sandbox(until_deadline(request)).await?;
        Ok(())
    }

    /// Removes the pod with its container, and its logs.
    pub(crate) async fn remove(&self, pod: &RawPod, name: &str, logs: &Path) -> Result<()> {
        let request = cri::RemovePodSandboxRequest { pod_sandbox_id: pod.sandbox.clone() };
        self.runtime.clone().remove_pod_sandbox(until_deadline(request)).await?;
        Ok(tokio::fs::remove_dir_all(logs.join(name)).await?)
    }

    /// The output of a command by the streaming protocol, thrown away; returns how long it is.
    pub(crate) async fn stream(&self, container: &str, command: &[String]) -> Result<usize> {
        let request = cri::ExecRequest {
            container_id: container.to_owned(),
            cmd: command.to_vec(),
            stdout: true,
            stderr: true,
            ..Default::default()
        };
        let url = self.runtime.clone().exec(until_deadline(request)).await?.into_inner().url;
        let mut request = url.replacen("http", "ws", 1).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "v4.channel.k8s.io".parse()?);
        let address = request.uri().authority().ok_or("the URL names no host")?.to_string();
        let (mut socket, _) = client_async(request, TcpStream::connect(address).await?).await?;
        stdout_bytes(&mut socket).await
    }

    /// All containers; returns how many bytes the answer has.
    pub(crate) async fn list_containers(&self) -> Result<usize> {
        let request = cri::ListContainersRequest { filter: None };
        let answer = self.runtime.clone().list_containers(until_deadline(request)).await?.into_inner();
        Ok(prost::Message::encoded_len(&answer))
    }

    /// The two calls that tell a pod's status with its containers, at the same time.
    pub(crate) async fn pod_status(&self, sandbox: &str) -> Result<()> {
        let (mut of_pod, mut of_containers) = (self.runtime.clone(), self.runtime.clone());
        let filter = cri::ContainerFilter { pod_sandbox_id: sandbox.to_owned(), ..Default::default() };
        let status = cri::PodSandboxStatusRequest { pod_sandbox_id: sandbox.to_owned(), verbose: false };
        try_join(
            of_pod.pod_sandbox_status(until_deadline(status)),
            of_containers
                .list_containers(until_deadline(cri::ListContainersRequest { filter: Some(filter) })),
        )
        .await?;
        Ok(())
    }

    /// The two calls that tell a container's status with its pod, which only lists name, at the same time.
    pub(crate) async fn container_status(&self, container: &str) -> Result<()> {
        let (mut status, mut list) = (self.runtime.clone(), self.runtime.clone());
        let request = cri::ContainerStatusRequest { container_id: container.to_owned(), verbose: false };
        let filter = cri::ContainerFilter { id: container.to_owned(), ..Default::default() };
        try_join(
            status.container_status(until_deadline(request)),
            list.list_containers(until_deadline(cri::ListContainersRequest { filter: Some(filter) })),
        )
        .await?;
        Ok(())
    }
}

fn until_deadline<Q>(message: Q) -> Request<Q> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

/// How much of standard output comes over a WebSocket of the channel protocol.
pub(crate) async fn stdout_bytes<S>(socket: &mut WebSocketStream<S>) -> Result<usize>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = 0;
    while let Some(message) = socket.next().await {
        match message? {
            Message::Binary(data) if data.first() == Some(&1) => bytes += data.len() - 1,
            // What the server may still send after it is nothing of the command's.
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(bytes)
}
