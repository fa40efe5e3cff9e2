//! The driver: its own calls mocked, its facets mocks.

use async_trait::async_trait;
use mockall::mock;
use runtime_core::{
    Capabilities, Container, Context, Driver, DriverInfo, Exec, Health, ImageStore, Leftover, Pod, Result,
};

use super::{MockContainer, MockExec, MockImageStore, MockPod};

/// A mock of [`runtime_core::Driver`]. A facet is given by reference, so it is a field here and not an expectation; one
/// that is `None` is missing.
#[derive(Debug)]
pub struct MockDriver {
    /// Who it says it is: `mock` at `mock://` unless changed.
    pub info: DriverInfo,
    /// What it declares.
    pub capabilities: Capabilities,
    /// Expectations of `ping`, `reap` and `settle`.
    pub calls: MockDriverCalls,
    /// Expectations of pods.
    pub pods: Option<MockPod>,
    /// Expectations of containers.
    pub containers: Option<MockContainer>,
    /// Expectations of commands.
    pub exec: Option<MockExec>,
    /// Expectations of images.
    pub images: Option<MockImageStore>,
}

impl MockDriver {
    /// A driver that declares `capabilities`, has every facet, and expects no call.
    #[must_use]
    pub fn new(capabilities: Capabilities) -> Self {
        Self {
            info: DriverInfo::new("mock", "mock://"),
            capabilities,
            calls: MockDriverCalls::new(),
            pods: Some(MockPod::new()),
            containers: Some(MockContainer::new()),
            exec: Some(MockExec::new()),
            images: Some(MockImageStore::new()),
        }
    }
}

mock! {
    /// What a driver does itself.
    #[derive(Debug)]
    pub DriverCalls {
        /// [`Driver::ping`].
        pub async fn ping(&self, cx: &Context) -> Result<Health>;
        /// [`Driver::reap`].
        pub async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()>;
        /// [`Driver::settle`].
        pub async fn settle(&self, cx: &Context) -> Result<()>;
    }
}

#[async_trait]
impl Driver for MockDriver {
    fn info(&self) -> &DriverInfo {
        &self.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        self.calls.ping(cx).await
    }

    fn pods(&self) -> Option<&dyn Pod> {
        self.pods.as_ref().map(|pods| pods as &dyn Pod)
    }

    fn containers(&self) -> Option<&dyn Container> {
        self.containers.as_ref().map(|containers| containers as &dyn Container)
    }

    fn exec(&self) -> Option<&dyn Exec> {
        self.exec.as_ref().map(|exec| exec as &dyn Exec)
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        self.images.as_ref().map(|images| images as &dyn ImageStore)
    }

    async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        self.calls.reap(cx, leftovers).await
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.calls.settle(cx).await
    }
}
