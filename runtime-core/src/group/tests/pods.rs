//! A system that has pods to list and to remove, and nothing else.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::sleep;

use crate::{
    Capabilities, Capability, Client, Container, Context, Driver, DriverInfo, Error, ErrorKind, EventStream,
    Exec, Health, ImageStore, Leftover, Operation, Pod, PodFilter, PodId, PodPhase, PodRun, PodStats,
    PodStatus, PodSummary, PortStream, Result, RunOptions, StopOptions, spec::PodSpec,
};

#[derive(Clone)]
pub(super) struct Pods(Arc<Shared>);

struct Shared {
    info: DriverInfo,
    capabilities: Capabilities,
    pods: Mutex<BTreeMap<PodId, PodSummary>>,
    /// Is told of every pod that is removed.
    on_remove: Box<dyn Fn(&PodSummary) + Send + Sync>,
    next: AtomicUsize,
    removing: AtomicUsize,
    most_removing: AtomicUsize,
}

impl Pods {
    pub(super) fn new(on_remove: impl Fn(&PodSummary) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            info: DriverInfo::new("pods", "pods://"),
            capabilities: Capabilities::none().native([Capability::PodList, Capability::PodRemove]),
            pods: Mutex::default(),
            on_remove: Box::new(on_remove),
            next: AtomicUsize::new(1),
            removing: AtomicUsize::new(0),
            most_removing: AtomicUsize::new(0),
        }))
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// A pod as it would be made from this spec.
    pub(super) fn add(&self, spec: &PodSpec) -> PodId {
        let id = PodId::new(self.0.next.fetch_add(1, Ordering::Relaxed).to_string());
        let mut pod = PodSummary::new(id.clone(), &spec.name, "default", PodPhase::Running);
        pod.labels = spec.labels.clone();
        self.0.pods.lock().unwrap().insert(id.clone(), pod);
        id
    }

    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.pods.lock().unwrap().values().map(|pod| pod.name.clone()).collect();
        names.sort();
        names
    }

    pub(super) fn most_removing(&self) -> usize {
        self.0.most_removing.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Pod for Pods {
    async fn list(&self, _: &Context, filter: &PodFilter) -> Result<Vec<PodSummary>> {
        Ok(self.0.pods.lock().unwrap().values().filter(|pod| filter.matches(pod)).cloned().collect())
    }

    /// Takes a second. A pod whose name begins with `stuck` can't be removed.
    async fn remove(&self, _: &Context, id: &PodId) -> Result<()> {
        let removing = self.0.removing.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.most_removing.fetch_max(removing, Ordering::Relaxed);
        sleep(Duration::from_secs(1)).await;
        self.0.removing.fetch_sub(1, Ordering::Relaxed);
        let mut pods = self.0.pods.lock().unwrap();
        let Some(pod) = pods.get(id) else { return Ok(()) };
        if pod.name.starts_with("stuck") {
            return Err(Error::new(ErrorKind::Unexpected, "it does not go"));
        }
        (self.0.on_remove)(pod);
        pods.remove(id);
        Ok(())
    }

    async fn run(&self, _: &Context, _: &PodSpec, _: &RunOptions) -> Result<PodRun> {
        Err(Error::unsupported(Operation::PodRun))
    }

    async fn stop(&self, _: &Context, _: &PodId, _: &StopOptions) -> Result<()> {
        Err(Error::unsupported(Operation::PodStop))
    }

    async fn status(&self, _: &Context, _: &PodId) -> Result<PodStatus> {
        Err(Error::unsupported(Operation::PodStatus))
    }

    async fn events(&self, _: &Context) -> Result<EventStream> {
        Err(Error::unsupported(Operation::PodEvents))
    }

    async fn stats(&self, _: &Context, _: &PodId) -> Result<PodStats> {
        Err(Error::unsupported(Operation::PodStats))
    }

    async fn list_stats(&self, _: &Context, _: &PodFilter) -> Result<Vec<PodStats>> {
        Err(Error::unsupported(Operation::PodListStats))
    }

    async fn port_forward(&self, _: &Context, _: &PodId, _: u16) -> Result<PortStream> {
        Err(Error::unsupported(Operation::PodPortForward))
    }
}

#[async_trait]
impl Driver for Pods {
    fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn ping(&self, _: &Context) -> Result<Health> {
        Err(Error::unsupported(Operation::Ping))
    }

    fn pods(&self) -> Option<&dyn Pod> {
        Some(self)
    }

    fn containers(&self) -> Option<&dyn Container> {
        None
    }

    fn exec(&self) -> Option<&dyn Exec> {
        None
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        None
    }

    async fn reap(&self, _: &Context, _: &[Leftover]) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pods")
    }
}
