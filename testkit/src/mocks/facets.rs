//! The facets.

#![allow(missing_docs, reason = "mockall makes the methods, which are those of the traits")]

use async_trait::async_trait;
use mockall::mock;
use runtime_core::{
    AttachOptions, ByteStream, Container, ContainerFilter, ContainerId, ContainerStats, ContainerStatus,
    ContainerSummary, Context, CreateOptions, EventStream, Exec, ExecOutput, ExecSession, ExitStatus,
    FilesystemUsage, ImageFilter, ImageMount, ImageStatus, ImageStore, LogOptions, LogStream, Pod, PodFilter,
    PodId, PodRun, PodStats, PodStatus, PodSummary, PortStream, PullOptions, PullStream, Result, RunOptions,
    StopOptions,
    helpers::image_ref::ImageReference,
    spec::{ContainerSpec, ExecSpec, ImageMountSpec, PodSpec, Resources},
};

mock! {
    /// A mock of [`runtime_core::Pod`].
    #[derive(Debug)]
    pub Pod {}

    #[async_trait]
    impl Pod for Pod {
        async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun>;
        async fn stop(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()>;
        async fn remove(&self, cx: &Context, id: &PodId) -> Result<()>;
        async fn status(&self, cx: &Context, id: &PodId) -> Result<PodStatus>;
        async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>>;
        async fn events(&self, cx: &Context) -> Result<EventStream>;
        async fn stats(&self, cx: &Context, id: &PodId) -> Result<PodStats>;
        async fn list_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>>;
        async fn port_forward(&self, cx: &Context, id: &PodId, port: u16) -> Result<PortStream>;
    }
}

mock! {
    /// A mock of [`runtime_core::Container`].
    #[derive(Debug)]
    pub Container {}

    #[async_trait]
    impl Container for Container {
        async fn create(
            &self,
            cx: &Context,
            pod: &PodId,
            spec: &ContainerSpec,
            options: &CreateOptions,
        ) -> Result<ContainerId>;
        async fn start(&self, cx: &Context, id: &ContainerId) -> Result<()>;
        async fn stop(&self, cx: &Context, id: &ContainerId, options: &StopOptions) -> Result<()>;
        async fn remove(&self, cx: &Context, id: &ContainerId) -> Result<()>;
        async fn status(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStatus>;
        async fn list(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>>;
        async fn wait(&self, cx: &Context, id: &ContainerId) -> Result<ExitStatus>;
        async fn logs(&self, cx: &Context, id: &ContainerId, options: &LogOptions) -> Result<LogStream>;
        async fn reopen_log(&self, cx: &Context, id: &ContainerId) -> Result<()>;
        async fn update(&self, cx: &Context, id: &ContainerId, resources: &Resources) -> Result<()>;
        async fn stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats>;
        async fn list_stats(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerStats>>;
        async fn copy_out(&self, cx: &Context, id: &ContainerId, path: &str) -> Result<ByteStream>;
        async fn copy_in(
            &self,
            cx: &Context,
            id: &ContainerId,
            directory: &str,
            archive: ByteStream,
        ) -> Result<()>;
    }
}

mock! {
    /// A mock of [`runtime_core::Exec`].
    #[derive(Debug)]
    pub Exec {}

    #[async_trait]
    impl Exec for Exec {
        async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput>;
        async fn start(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecSession>;
        async fn attach(&self, cx: &Context, id: &ContainerId, options: &AttachOptions) -> Result<ExecSession>;
    }
}

mock! {
    /// A mock of [`runtime_core::ImageStore`].
    #[derive(Debug)]
    pub ImageStore {}

    #[async_trait]
    impl ImageStore for ImageStore {
        async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream>;
        async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus>;
        async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>>;
        async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()>;
        async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>>;
        async fn mount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount>;
        async fn unmount(&self, cx: &Context, pod: &PodId, id: &str) -> Result<()>;
        async fn remount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount>;
        async fn mounts(&self, cx: &Context, pod: &PodId) -> Result<Vec<ImageMount>>;
    }
}
