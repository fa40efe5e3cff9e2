//! A driver with layers around every call.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};

use super::{Layer, Next};
use crate::{
    Call, Capabilities, Container, ContainerFilter, ContainerId, ContainerStatus, ContainerSummary, Context,
    Driver, DriverInfo, Error, Exec, ExecOutput, ExitStatus, FilesystemUsage, Health, ImageFilter,
    ImageStatus, ImageStore, Leftover, LogOptions, LogStream, Operation, Pod, PodFilter, PodId, PodRun,
    PodStatus, PodSummary, PullOptions, PullStream, Result, RunOptions, StopOptions,
    helpers::image_ref::ImageReference,
    spec::{ContainerSpec, ExecSpec, PodSpec},
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
}

#[async_trait]
impl Container for Stack {
    async fn create(&self, cx: &Context, pod: &PodId, spec: &ContainerSpec) -> Result<ContainerId> {
        through!(self, cx, Call::ContainerCreate { pod, spec }, driver_containers.create(pod, spec))
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
}

#[async_trait]
impl Exec for Stack {
    async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput> {
        through!(self, cx, Call::ExecSync { id, spec }, driver_exec.sync(id, spec))
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
}
