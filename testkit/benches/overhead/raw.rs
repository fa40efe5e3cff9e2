//! The reference: CRI's generated client, called by hand.

use std::{path::Path, time::Duration};

use futures::{StreamExt, future::try_join};
use k8s_cri::v1::{self as cri, runtime_service_client::RuntimeServiceClient};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tonic::{
    Request,
    transport::{Channel, Endpoint as Transport},
};
use wharf::{
    cri::{Config, Endpoint, translate},
    spec::PodSpec,
};

use crate::Result;

/// No call is without a deadline, which the runtime is told too, as wharf does.
const DEADLINE: Duration = Duration::from_secs(120);

/// A connection without wharf.
#[derive(Debug, Clone)]
pub(crate) struct Raw(RuntimeServiceClient<Channel>);

/// A pod with its first container.
#[derive(Debug)]
pub(crate) struct RawPod {
    sandbox: String,
    container: String,
}

impl Raw {
    pub(crate) async fn connect(config: &Config) -> Result<Self> {
        let address = match &config.endpoint {
            Endpoint::Unix(path) => format!("unix://{}", path.display()),
            Endpoint::Tcp(address) => format!("http://{address}"),
            other => return Err(format!("don't know how to reach {other}").into()),
        };
        let client = RuntimeServiceClient::new(Transport::from_shared(address)?.connect().await?);
        Ok(Self(client.max_decoding_message_size(usize::MAX)))
    }

    /// Runs a pod, whose images are present, with its logs below `logs`: one call after the other. Runtimes want the log
    /// directories to be there.
    pub(crate) async fn run(&self, spec: &PodSpec, logs: &Path) -> Result<RawPod> {
        let mut config = translate::pod_config(spec)?;
        let directory = logs.join(&spec.name);
        config.log_directory = directory.to_string_lossy().into_owned();
        for container in &spec.containers {
            tokio::fs::create_dir_all(directory.join(&container.name)).await?;
        }
        let mut client = self.0.clone();
        let request =
            cri::RunPodSandboxRequest { config: Some(config.clone()), runtime_handler: String::new() };
        let sandbox = client.run_pod_sandbox(until_deadline(request)).await?.into_inner().pod_sandbox_id;
        let mut ids = Vec::new();
        for container in &spec.containers {
            let mut of_container = translate::container_config(container, &spec.security)?;
            of_container.log_path = format!("{}/0.log", container.name);
            let request = cri::CreateContainerRequest {
                pod_sandbox_id: sandbox.clone(),
                config: Some(of_container),
                sandbox_config: Some(config.clone()),
            };
            let id = client.create_container(until_deadline(request)).await?.into_inner().container_id;
            let request = cri::StartContainerRequest { container_id: id.clone() };
            client.start_container(until_deadline(request)).await?;
            ids.push(id);
        }
        let container = ids.into_iter().next().ok_or("a container is missing")?;
        Ok(RawPod { sandbox, container })
    }

    pub(crate) async fn exec(&self, pod: &RawPod, command: &[&str]) -> Result<()> {
        let request = cri::ExecSyncRequest {
            container_id: pod.container.clone(),
            cmd: command.iter().map(|&word| word.to_owned()).collect(),
            timeout: 0,
        };
        let answer = self.0.clone().exec_sync(until_deadline(request)).await?.into_inner();
        if answer.exit_code == 0 { Ok(()) } else { Err(format!("exit code {}", answer.exit_code).into()) }
    }

    pub(crate) async fn stop(&self, pod: &RawPod, grace_seconds: i64) -> Result<()> {
        let mut client = self.0.clone();
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
        self.0.clone().remove_pod_sandbox(until_deadline(request)).await?;
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
        let url = self.0.clone().exec(until_deadline(request)).await?.into_inner().url;
        let mut request = url.replacen("http", "ws", 1).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "v4.channel.k8s.io".parse()?);
        let address = request.uri().authority().ok_or("the URL names no host")?.to_string();
        let (mut socket, _) = client_async(request, TcpStream::connect(address).await?).await?;
        let mut bytes = 0;
        while let Some(message) = socket.next().await {
            if let Message::Binary(data) = message?
                && data.first() == Some(&1)
            {
                bytes += data.len() - 1;
            }
        }
        Ok(bytes)
    }

    /// All containers; returns how many bytes the answer has.
    pub(crate) async fn list_containers(&self) -> Result<usize> {
        let request = cri::ListContainersRequest { filter: None };
        let answer = self.0.clone().list_containers(until_deadline(request)).await?.into_inner();
        Ok(prost::Message::encoded_len(&answer))
    }

    /// The two calls that tell a pod's status with its containers, at the same time.
    pub(crate) async fn pod_status(&self, sandbox: &str) -> Result<()> {
        let (mut of_pod, mut of_containers) = (self.0.clone(), self.0.clone());
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
        let (mut status, mut list) = (self.0.clone(), self.0.clone());
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
