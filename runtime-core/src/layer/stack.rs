//! A driver with layers around every call.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};

use super::{Layer, Next, stamped::Stamped};
use crate::{
    AttachOptions, ByteStream, Call, Capabilities, Container, ContainerFilter, ContainerId, ContainerStats,
    ContainerStatus, ContainerSummary, Context, CreateOptions, Driver, DriverInfo, Error, ErrorKind,
    EventStream, Exec, ExecOutput, ExecSession, ExitStatus, FilesystemUsage, Health, ImageFilter, ImageMount,
    ImageStatus, ImageStore, Leftover, LogOptions, LogStream, Operation, Pod, PodFilter, PodId, PodRun,
    PodStats, PodStatus, PodSummary, PortStream, PullOptions, PullStream, Result, RunOptions, StopOptions,
    helpers::image_ref::ImageReference,
    spec::{ContainerSpec, ExecSpec, ImageMountSpec, PodSpec, Resources},
};

/// A driver and its layers, outermost first; itself a driver. It is the one place where calls are taken apart, so that a
/// layer is one method.
#[derive(Debug)]
pub struct Stack {
    driver: Arc<dyn Driver>,
    layers: Vec<Arc<dyn Layer>>,
    capabilities: Capabilities,
}

impl Stack {
    /// `driver` under `layers`, outermost first.
    #[must_use]
    pub fn new(driver: Arc<dyn Driver>, layers: Vec<Arc<dyn Layer>>) -> Self {
        let bottom = driver.capabilities().clone();
        let capabilities = layers.iter().rev().fold(bottom, |below, layer| layer.capabilities(below));
        Self { driver, layers, capabilities }
    }

    pub(super) fn driver_info(&self) -> &DriverInfo {
        self.driver.info()
    }

    pub(super) fn effective_capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Runs a call through the layers; `driver` is what happens at the bottom.
    async fn call<'a, T, F>(&'a self, cx: &Context, call: &'a Call<'a>, driver: F) -> Result<T>
    where
        T: Send + 'a,
        F: Fn(Context) -> BoxFuture<'a, Result<T>> + Send + Sync,
    {
        // The layers know nothing of results; the bottom leaves its own here.
        let answer = Mutex::new(None);
        let bottom = |cx: Context| -> BoxFuture<'_, Result<()>> {
            let future = driver(cx);
            let answer = &answer;
            Box::pin(async move {
                let value = future.await?;
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok(())
            })
        };
        Next { layers: &self.layers, stack: self, call, driver: &bottom }.run(cx.clone()).await?;
        let value = answer.into_inner().unwrap_or_else(PoisonError::into_inner);
        value.ok_or_else(|| {
            Error::new(crate::ErrorKind::Unexpected, "a layer reported success without a call")
        })
    }

    /// Ends a stream with the call's context, and stamps its errors as those of the call.
    fn stream<T: Send + 'static>(
        &self,
        cx: &Context,
        call: &Call<'_>,
        stream: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let (operation, object, driver) = (call.operation(), call.object(), self.driver.info().name);
        cx.bound(stream)
            .map(move |item| item.map_err(|error| error.in_call(operation, driver, object.clone())))
            .boxed()
    }

    /// Stamps a session's errors as those of the call that began it.
    fn session(&self, call: &Call<'_>, session: ExecSession) -> ExecSession {
        let (operation, object, driver) = (call.operation(), call.object(), self.driver.info().name);
        session.map_control(|control| Stamped { control, operation, object, driver })
    }

    fn missing(&self, operation: Operation) -> Error {
        Error::unsupported(operation).with_operation(operation).with_driver(self.driver.info().name)
    }

    fn driver_pods(&self, operation: Operation) -> Result<&dyn Pod> {
        self.driver.pods().ok_or_else(|| self.missing(operation))
    }

    fn driver_containers(&self, operation: Operation) -> Result<&dyn Container> {
        self.driver.containers().ok_or_else(|| self.missing(operation))
    }

    fn driver_exec(&self, operation: Operation) -> Result<&dyn Exec> {
        self.driver.exec().ok_or_else(|| self.missing(operation))
    }

    fn driver_images(&self, operation: Operation) -> Result<&dyn ImageStore> {
        self.driver.images().ok_or_else(|| self.missing(operation))
    }
}

/// One method of a facet: names the call, sends it through the layers, calls the driver at the bottom.
macro_rules! through {
    ($self:ident, $cx:ident, $call:expr, $facet:ident . $method:ident ( $($argument:expr),* )) => {{
        let call = $call;
        let operation = call.operation();
        $self
            .call($cx, &call, |cx| {
                Box::pin(async move { $self.$facet(operation)?.$method(&cx, $($argument),*).await })
            })
            .await
    }};
}

#[async_trait]
impl Driver for Stack {
    fn info(&self) -> &DriverInfo {
        self.driver.info()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        self.call(cx, &Call::Ping, |cx| Box::pin(async move { self.driver.ping(&cx).await })).await
    }

    fn pods(&self) -> Option<&dyn Pod> {
        self.driver.pods().map(|_| self as &dyn Pod)
    }

    fn containers(&self) -> Option<&dyn Container> {
        self.driver.containers().map(|_| self as &dyn Container)
    }

    fn exec(&self) -> Option<&dyn Exec> {
        self.driver.exec().map(|_| self as &dyn Exec)
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        self.driver.images().map(|_| self as &dyn ImageStore)
    }

    async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        let call = Call::Reap { leftovers };
        self.call(cx, &call, |cx| Box::pin(async move { self.driver.reap(&cx, leftovers).await })).await
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.call(cx, &Call::Settle, |cx| Box::pin(async move { self.driver.settle(&cx).await })).await
    }
}

#[async_trait]
impl Pod for Stack {
    async fn run(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        through!(self, cx, Call::PodRun { spec, options }, driver_pods.run(spec, options))
    }

    async fn stop(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        through!(self, cx, Call::PodStop { id, options }, driver_pods.stop(id, options))
    }

    async fn remove(&self, cx: &Context, id: &PodId) -> Result<()> {
        through!(self, cx, Call::PodRemove { id }, driver_pods.remove(id))
    }

    async fn status(&self, cx: &Context, id: &PodId) -> Result<PodStatus> {
        through!(self, cx, Call::PodStatus { id }, driver_pods.status(id))
    }

    async fn list(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        through!(self, cx, Call::PodList { filter }, driver_pods.list(filter))
    }

    async fn events(&self, cx: &Context) -> Result<EventStream> {
        let call = Call::PodEvents;
        let stream = through!(self, cx, call, driver_pods.events())?;
        Ok(self.stream(cx, &call, stream))
    }

    async fn stats(&self, cx: &Context, id: &PodId) -> Result<PodStats> {
        through!(self, cx, Call::PodStats { id }, driver_pods.stats(id))
    }

    async fn list_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>> {
        through!(self, cx, Call::PodListStats { filter }, driver_pods.list_stats(filter))
    }

    async fn port_forward(&self, cx: &Context, id: &PodId, port: u16) -> Result<PortStream> {
        through!(self, cx, Call::PodPortForward { id, port }, driver_pods.port_forward(id, port))
    }
}

#[async_trait]
impl Container for Stack {
    async fn create(
        &self,
        cx: &Context,
        pod: &PodId,
        spec: &ContainerSpec,
        options: &CreateOptions,
    ) -> Result<ContainerId> {
        let call = Call::ContainerCreate { pod, spec, options };
        through!(self, cx, call, driver_containers.create(pod, spec, options))
    }

    async fn start(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        through!(self, cx, Call::ContainerStart { id }, driver_containers.start(id))
    }

    async fn stop(&self, cx: &Context, id: &ContainerId, options: &StopOptions) -> Result<()> {
        through!(self, cx, Call::ContainerStop { id, options }, driver_containers.stop(id, options))
    }

    async fn remove(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        through!(self, cx, Call::ContainerRemove { id }, driver_containers.remove(id))
    }

    async fn status(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStatus> {
        through!(self, cx, Call::ContainerStatus { id }, driver_containers.status(id))
    }

    async fn list(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>> {
        through!(self, cx, Call::ContainerList { filter }, driver_containers.list(filter))
    }

    async fn wait(&self, cx: &Context, id: &ContainerId) -> Result<ExitStatus> {
        through!(self, cx, Call::ContainerWait { id }, driver_containers.wait(id))
    }

    async fn logs(&self, cx: &Context, id: &ContainerId, options: &LogOptions) -> Result<LogStream> {
        let call = Call::ContainerLogs { id, options };
        let stream = through!(self, cx, call, driver_containers.logs(id, options))?;
        Ok(self.stream(cx, &call, stream))
    }

    async fn reopen_log(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        through!(self, cx, Call::ContainerReopenLog { id }, driver_containers.reopen_log(id))
    }

    async fn update(&self, cx: &Context, id: &ContainerId, resources: &Resources) -> Result<()> {
        through!(self, cx, Call::ContainerUpdate { id, resources }, driver_containers.update(id, resources))
    }

    async fn stats(&self, cx: &Context, id: &ContainerId) -> Result<ContainerStats> {
        through!(self, cx, Call::ContainerStats { id }, driver_containers.stats(id))
    }

    async fn list_stats(&self, cx: &Context, filter: &ContainerFilter) -> Result<Vec<ContainerStats>> {
        through!(self, cx, Call::ContainerListStats { filter }, driver_containers.list_stats(filter))
    }

    async fn copy_out(&self, cx: &Context, id: &ContainerId, path: &str) -> Result<ByteStream> {
        let call = Call::ContainerCopyOut { id, path };
        let stream = through!(self, cx, call, driver_containers.copy_out(id, path))?;
        Ok(self.stream(cx, &call, stream))
    }

    async fn copy_in(
        &self,
        cx: &Context,
        id: &ContainerId,
        directory: &str,
        archive: ByteStream,
    ) -> Result<()> {
        let call = Call::ContainerCopyIn { id, directory };
        // A stream can be read once; the call is not idempotent, so no layer repeats it.
        let archive = Mutex::new(Some(archive));
        let take = || archive.lock().unwrap_or_else(PoisonError::into_inner).take();
        let take = &take;
        self.call(cx, &call, |cx| {
            Box::pin(async move {
                let archive = take().ok_or_else(|| {
                    Error::new(ErrorKind::Unexpected, "a layer repeated a call that can't be repeated")
                })?;
                self.driver_containers(call.operation())?.copy_in(&cx, id, directory, archive).await
            })
        })
        .await
    }
}

#[async_trait]
impl Exec for Stack {
    async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput> {
        through!(self, cx, Call::ExecSync { id, spec }, driver_exec.sync(id, spec))
    }

    async fn start(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecSession> {
        let call = Call::ExecStart { id, spec };
        let session = through!(self, cx, call, driver_exec.start(id, spec))?;
        Ok(self.session(&call, session))
    }

    async fn attach(&self, cx: &Context, id: &ContainerId, options: &AttachOptions) -> Result<ExecSession> {
        let call = Call::ExecAttach { id, options };
        let session = through!(self, cx, call, driver_exec.attach(id, options))?;
        Ok(self.session(&call, session))
    }
}

#[async_trait]
impl ImageStore for Stack {
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream> {
        let call = Call::ImagePull { image, options };
        let stream = through!(self, cx, call, driver_images.pull(image, options))?;
        Ok(self.stream(cx, &call, stream))
    }

    async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus> {
        through!(self, cx, Call::ImageStatus { image }, driver_images.status(image))
    }

    async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>> {
        through!(self, cx, Call::ImageList { filter }, driver_images.list(filter))
    }

    async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()> {
        through!(self, cx, Call::ImageRemove { image }, driver_images.remove(image))
    }

    async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>> {
        through!(self, cx, Call::ImageFilesystem, driver_images.filesystem())
    }

    async fn mount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        through!(self, cx, Call::ImageMount { pod, spec }, driver_images.mount(pod, spec))
    }

    async fn unmount(&self, cx: &Context, pod: &PodId, id: &str) -> Result<()> {
        through!(self, cx, Call::ImageUnmount { pod, id }, driver_images.unmount(pod, id))
    }

    async fn remount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        through!(self, cx, Call::ImageRemount { pod, spec }, driver_images.remount(pod, spec))
    }

    async fn mounts(&self, cx: &Context, pod: &PodId) -> Result<Vec<ImageMount>> {
        through!(self, cx, Call::ImageMounts { pod }, driver_images.mounts(pod))
    }
}
