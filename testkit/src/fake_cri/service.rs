//! The two CRI services: one line a method, each answered in the file of its subject.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use k8s_cri::v1::image_service_server::ImageService;
use k8s_cri::v1::runtime_service_server::RuntimeService;
use k8s_cri::v1::*;
use tonic::{Request, Response, Status};

use super::fake::Fake;

#[derive(Clone)]
pub(super) struct Service(pub(super) Arc<Fake>);

/// Writes methods that a method of [`Fake`] answers.
macro_rules! answered {
    ($($method:ident $name:literal $request:ident => $response:ident;)*) => {$(
        // What `#[async_trait]` makes of an async method; it can't see into a macro.
        fn $method<'a, 'r>(
            &'a self,
            request: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 'r>>
        where
            'a: 'r,
            Self: 'r,
        {
            Box::pin(self.0.answer($name, request, |request| self.0.$method(request)))
        }
    )*};
}

/// Writes methods that containerd 1.6 does not have.
macro_rules! missing {
    ($($method:ident $name:literal $request:ident => $response:ty, $message:literal;)*) => {$(
        fn $method<'a, 'r>(
            &'a self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 'r>>
        where
            'a: 'r,
            Self: 'r,
        {
            self.0.calls.record($name);
            Box::pin(std::future::ready(Err(Status::unimplemented($message))))
        }
    )*};
}

impl RuntimeService for Service {
    type GetContainerEventsStream =
        Pin<Box<dyn Stream<Item = Result<ContainerEventResponse, Status>> + Send + 'static>>;

    answered! {
        version "Version" VersionRequest => VersionResponse;
        status "Status" StatusRequest => StatusResponse;
        update_runtime_config "UpdateRuntimeConfig" UpdateRuntimeConfigRequest => UpdateRuntimeConfigResponse;
        run_pod_sandbox "RunPodSandbox" RunPodSandboxRequest => RunPodSandboxResponse;
        stop_pod_sandbox "StopPodSandbox" StopPodSandboxRequest => StopPodSandboxResponse;
        remove_pod_sandbox "RemovePodSandbox" RemovePodSandboxRequest => RemovePodSandboxResponse;
        pod_sandbox_status "PodSandboxStatus" PodSandboxStatusRequest => PodSandboxStatusResponse;
        list_pod_sandbox "ListPodSandbox" ListPodSandboxRequest => ListPodSandboxResponse;
        create_container "CreateContainer" CreateContainerRequest => CreateContainerResponse;
        start_container "StartContainer" StartContainerRequest => StartContainerResponse;
        stop_container "StopContainer" StopContainerRequest => StopContainerResponse;
        remove_container "RemoveContainer" RemoveContainerRequest => RemoveContainerResponse;
        list_containers "ListContainers" ListContainersRequest => ListContainersResponse;
        container_status "ContainerStatus" ContainerStatusRequest => ContainerStatusResponse;
        update_container_resources "UpdateContainerResources"
            UpdateContainerResourcesRequest => UpdateContainerResourcesResponse;
        reopen_container_log "ReopenContainerLog" ReopenContainerLogRequest => ReopenContainerLogResponse;
        exec_sync "ExecSync" ExecSyncRequest => ExecSyncResponse;
        exec "Exec" ExecRequest => ExecResponse;
        attach "Attach" AttachRequest => AttachResponse;
        port_forward "PortForward" PortForwardRequest => PortForwardResponse;
        pod_sandbox_stats "PodSandboxStats" PodSandboxStatsRequest => PodSandboxStatsResponse;
        list_pod_sandbox_stats "ListPodSandboxStats" ListPodSandboxStatsRequest => ListPodSandboxStatsResponse;
        runtime_config "RuntimeConfig" RuntimeConfigRequest => RuntimeConfigResponse;
        container_stats "ContainerStats" ContainerStatsRequest => ContainerStatsResponse;
        list_container_stats "ListContainerStats" ListContainerStatsRequest => ListContainerStatsResponse;
    }

    fn get_container_events<'a, 'r>(
        &'a self,
        _: Request<GetEventsRequest>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Self::GetContainerEventsStream>, Status>> + Send + 'r>>
    where
        'a: 'r,
        Self: 'r,
    {
        let fake = Arc::clone(&self.0);
        Box::pin(async move {
            let events = fake.get_container_events().await?;
            Ok(Response::new(Box::pin(events) as Self::GetContainerEventsStream))
        })
    }

    missing! {
        checkpoint_container "CheckpointContainer" CheckpointContainerRequest => CheckpointContainerResponse,
            "method CheckpointContainer not implemented";
        list_metric_descriptors "ListMetricDescriptors"
            ListMetricDescriptorsRequest => ListMetricDescriptorsResponse,
            "unknown method ListMetricDescriptors for service runtime.v1.RuntimeService";
        list_pod_sandbox_metrics "ListPodSandboxMetrics"
            ListPodSandboxMetricsRequest => ListPodSandboxMetricsResponse,
            "unknown method ListPodSandboxMetrics for service runtime.v1.RuntimeService";
    }
}

impl ImageService for Service {
    answered! {
        list_images "ListImages" ListImagesRequest => ListImagesResponse;
        image_status "ImageStatus" ImageStatusRequest => ImageStatusResponse;
        pull_image "PullImage" PullImageRequest => PullImageResponse;
        remove_image "RemoveImage" RemoveImageRequest => RemoveImageResponse;
        image_fs_info "ImageFsInfo" ImageFsInfoRequest => ImageFsInfoResponse;
    }
}
