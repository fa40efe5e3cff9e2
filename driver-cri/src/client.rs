//! The channel to the runtime, and its calls with deadlines.

use std::{
    os::unix::fs::FileTypeExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt};
use k8s_cri::v1::{
    self as cri, image_service_client::ImageServiceClient, runtime_service_client::RuntimeServiceClient,
};
use runtime_core::{Context, Error, ErrorKind, Result};
use tokio::net::{TcpStream, UnixStream};
use tonic::{
    Request,
    metadata::MetadataValue,
    transport::{Channel, Endpoint as Transport},
};

use crate::{
    config::Endpoint,
    error::{Refusal, found_the_connection_closed, unreachable},
};

/// The largest message sent or taken. A list of 20,000 containers is about 30 MiB.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// What may be under way before the other side must wait. The default of 64 KiB makes long lists slow.
const WINDOW_BYTES: u32 = 4 << 20;

/// The runtime's deadline is a little longer than the call's own, so that it doesn't answer at the same moment as the call
/// ends here; and in whole steps, so that the header is mostly one that the connection has seen before and indexed.
const DEADLINE_STEP_MILLIS: u64 = 100;

/// How often a call is tried whose connection turns out to have been closed before anything of it was sent. One that can't
/// connect is not tried again: that is up to the caller.
const MAX_TRIES: u32 = 3;

/// Both services over one channel. Cheap to clone. A connection that was lost is made anew by the next call, and so is one
/// on which a call got no answer until its deadline: that may be the runtime's, but also a peer that is gone without a word,
/// or nonsense in which everything after it is lost.
#[derive(Debug, Clone)]
pub(crate) struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    transport: Transport,
    current: Mutex<Services>,
}

/// The services over one connection.
#[derive(Debug, Clone)]
struct Services {
    runtime: RuntimeServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    /// Tells this connection from those before it.
    number: u64,
}

/// Makes a method for each call of the protocol.
macro_rules! calls {
    ($($service:ident . $call:ident($request:ident) -> $response:ident;)*) => {
        impl Client {
            $(pub(crate) async fn $call(
                &self,
                cx: &Context,
                request: cri::$request,
            ) -> Result<cri::$response, Refusal> {
                let mut tries = 1;
                loop {
                    let (mut services, request) = (self.services(), with_context(cx, request.clone()));
                    match cx.run(async { Ok(services.$service.$call(request).await) }).await {
                        Ok(Ok(response)) => return Ok(response.into_inner()),
                        Ok(Err(status)) if tries < MAX_TRIES && found_the_connection_closed(&status) => tries += 1,
                        Ok(Err(status)) => return Err(Refusal::new(&status)),
                        Err(error) => {
                            if error.kind() == ErrorKind::DeadlineExceeded {
                                self.give_up(services.number);
                            }
                            return Err(Refusal::ended(error));
                        }
                    }
                }
            })*
        }
    };
}

calls! {
    runtime.version(VersionRequest) -> VersionResponse;
    runtime.status(StatusRequest) -> StatusResponse;
    runtime.run_pod_sandbox(RunPodSandboxRequest) -> RunPodSandboxResponse;
    runtime.stop_pod_sandbox(StopPodSandboxRequest) -> StopPodSandboxResponse;
    runtime.remove_pod_sandbox(RemovePodSandboxRequest) -> RemovePodSandboxResponse;
    runtime.pod_sandbox_status(PodSandboxStatusRequest) -> PodSandboxStatusResponse;
    runtime.list_pod_sandbox(ListPodSandboxRequest) -> ListPodSandboxResponse;
    runtime.create_container(CreateContainerRequest) -> CreateContainerResponse;
    runtime.start_container(StartContainerRequest) -> StartContainerResponse;
    runtime.stop_container(StopContainerRequest) -> StopContainerResponse;
    runtime.remove_container(RemoveContainerRequest) -> RemoveContainerResponse;
    runtime.container_status(ContainerStatusRequest) -> ContainerStatusResponse;
    runtime.list_containers(ListContainersRequest) -> ListContainersResponse;
    runtime.exec(ExecRequest) -> ExecResponse;
    runtime.attach(AttachRequest) -> AttachResponse;
    runtime.update_container_resources(UpdateContainerResourcesRequest) -> UpdateContainerResourcesResponse;
    runtime.reopen_container_log(ReopenContainerLogRequest) -> ReopenContainerLogResponse;
    runtime.port_forward(PortForwardRequest) -> PortForwardResponse;
    runtime.exec_sync(ExecSyncRequest) -> ExecSyncResponse;
    runtime.container_stats(ContainerStatsRequest) -> ContainerStatsResponse;
    runtime.list_container_stats(ListContainerStatsRequest) -> ListContainerStatsResponse;
    runtime.pod_sandbox_stats(PodSandboxStatsRequest) -> PodSandboxStatsResponse;
    runtime.list_pod_sandbox_stats(ListPodSandboxStatsRequest) -> ListPodSandboxStatsResponse;
    runtime.update_runtime_config(UpdateRuntimeConfigRequest) -> UpdateRuntimeConfigResponse;
    runtime.checkpoint_container(CheckpointContainerRequest) -> CheckpointContainerResponse;
    runtime.list_metric_descriptors(ListMetricDescriptorsRequest) -> ListMetricDescriptorsResponse;
    runtime.list_pod_sandbox_metrics(ListPodSandboxMetricsRequest) -> ListPodSandboxMetricsResponse;
    runtime.runtime_config(RuntimeConfigRequest) -> RuntimeConfigResponse;
    images.pull_image(PullImageRequest) -> PullImageResponse;
    images.image_status(ImageStatusRequest) -> ImageStatusResponse;
    images.list_images(ListImagesRequest) -> ListImagesResponse;
    images.remove_image(RemoveImageRequest) -> RemoveImageResponse;
    images.image_fs_info(ImageFsInfoRequest) -> ImageFsInfoResponse;
}

impl Client {
    /// What happens to containers, as the runtime tells it. The answer may come with the first event only. It has no
    /// deadline: whoever asks lets go of it.
    pub(crate) async fn container_events(
        &self,
    ) -> Result<impl Stream<Item = Result<cri::ContainerEventResponse, Refusal>> + use<>, Refusal> {
        let answer = self.services().runtime.get_container_events(cri::GetEventsRequest {}).await;
        let events = answer.map_err(|status| Refusal::new(&status))?.into_inner();
        Ok(events.map(|event| event.map_err(|status| Refusal::new(&status))))
    }

    /// Opens a channel to an endpoint that is there.
    pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Self> {
        let address = match endpoint {
            Endpoint::Unix(path) => {
                try_socket(path).await?;
                let path = path.to_str().ok_or_else(|| Error::invalid("url", "the path is not UTF-8"))?;
                format!("unix://{path}")
            }
            Endpoint::Tcp(address) => {
                TcpStream::connect(address).await.map_err(|error| unreachable(&error))?;
                format!("http://{address}")
            }
        };
        let transport = Transport::from_shared(address).map_err(|error| Error::invalid("url", error))?;
        let transport = transport
            .user_agent("wharf")
            .map_err(|error| Error::invalid("url", error))?
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let current = Mutex::new(Services::over(transport.connect_lazy(), 0));
        Ok(Self(Arc::new(Shared { transport, current })))
    }

    fn services(&self) -> Services {
        self.current().clone()
    }

    /// Calls to come use another connection than this. Those that are under way on it go on.
    fn give_up(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            *current = Services::over(self.0.transport.connect_lazy(), number + 1);
        }
    }

    fn current(&self) -> MutexGuard<'_, Services> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Services {
    fn over(channel: Channel, number: u64) -> Self {
        Self {
            runtime: RuntimeServiceClient::new(channel.clone())
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            images: ImageServiceClient::new(channel)
                .max_decoding_message_size(MAX_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_MESSAGE_BYTES),
            number,
        }
    }
}

/// Finds out what is wrong with a socket in terms of files, which the transport would not tell apart.
async fn try_socket(path: &Path) -> Result<()> {
    let metadata = tokio::fs::metadata(path).await.map_err(|error| unreachable(&error))?;
    if !metadata.file_type().is_socket() {
        let what = if metadata.is_dir() { "a directory" } else { "a file" };
        return Err(Error::invalid("url", format!("{} is {what}, not a socket", path.display())));
    }
    UnixStream::connect(path).await.map(drop).map_err(|error| unreachable(&error))
}

fn with_context<Q>(cx: &Context, message: Q) -> Request<Q> {
    let mut request = Request::new(message);
    if let Some(remaining) = cx.remaining() {
        request.set_timeout(runtime_deadline(remaining));
    }
    if let Some(trace) = cx.trace_parent().and_then(|trace| MetadataValue::try_from(trace).ok()) {
        request.metadata_mut().insert("traceparent", trace);
    }
    request
}

/// The longest deadline that a runtime is told, ten years: the header has room for eight digits.
const MAX_DEADLINE_MILLIS: u64 = 10 * 365 * 24 * 3_600_000;

/// What is left of a call's time, up to the next step but one.
fn runtime_deadline(remaining: Duration) -> Duration {
    let millis = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX).min(MAX_DEADLINE_MILLIS);
    Duration::from_millis(
        (millis / DEADLINE_STEP_MILLIS).saturating_add(2).saturating_mul(DEADLINE_STEP_MILLIS),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_deadline_is_later_in_whole_steps() {
        for (remaining, expected) in
            [(0, 200), (1, 200), (99, 200), (100, 300), (29_950, 30_100), (30_000, 30_200)]
        {
            let deadline = runtime_deadline(Duration::from_millis(remaining));
            assert_eq!(deadline, Duration::from_millis(expected), "{remaining}");
        }
        let longest = runtime_deadline(Duration::MAX);
        assert!(longest > Duration::from_secs(9 * 365 * 24 * 3600));
        Request::new(()).set_timeout(longest);
    }
}
