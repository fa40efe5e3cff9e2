//! The driver: one virtual container host.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::BoxFuture;
use runtime_core::{
    Call, Capabilities, Condition, Container, Context, Driver, DriverInfo, Error, Exec, Health, ImageStore,
    Janitor, Leftover, Object, Pod, PodId, Result, admit,
    helpers::signal::Signal,
    persist::{Setback, for_up_to, persist},
    spec::{Bytes, MilliCpu, PodSpec},
};
use url::Url;

use crate::{
    capabilities, client::Client, config::Config, id::is_vm, image::Pulls, persona::Persona,
    translate::annotations::Vm, turns::Turns,
};

/// The driver's name, which is also its URL scheme.
pub(crate) const NAME: &str = "vic";

/// How long a server may take to be there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one that does not listen is asked again.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// A virtual container host. Cheap to clone.
#[derive(Clone)]
pub struct VicDriver(Arc<Inner>);

struct Inner {
    info: DriverInfo,
    capabilities: Capabilities,
    config: Config,
    client: Client,
    persona: Option<Persona>,
    janitor: Janitor,
    pulls: Pulls,
    turns: Turns,
}

/// What a host has and uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacity {
    /// Its processors. vSphere counts in MHz: 1 GHz is one processor here, and what is less is not counted.
    pub cpu: MilliCpu,
    /// What is used of them, by the same rule but in thousandths.
    pub cpu_used: MilliCpu,
    /// Its memory.
    pub memory: Bytes,
    /// What is used of it.
    pub memory_used: Bytes,
}

/// Connects to a port layer, and waits until it is there.
///
/// # Errors
/// `InvalidArgument` for certificates that can't be read; `Unavailable` when nobody is there.
pub async fn connect(config: Config) -> Result<VicDriver> {
    let info = DriverInfo::new(NAME, format!("vic://{}", config.portlayer));
    let at_endpoint = |error: Error| error.with_driver(NAME).with_object(Object::endpoint(&info.endpoint));
    let persona = Persona::new(&config).await.map_err(at_endpoint)?;
    let client = Client::new(&config.portlayer);
    let cx = Context::background().with_timeout(CONNECT_TIMEOUT);
    let pinging = persist(&cx, for_up_to(CONNECT_PATIENCE), |cx| {
        let client = client.clone();
        async move { client.ping(&cx).await.map_err(|refusal| Setback::if_transient(refusal.error)) }
    });
    pinging.await.map_err(at_endpoint)?;
    let capabilities = capabilities::of(&config);
    let (janitor, pulls, turns) = (Janitor::default(), Pulls::default(), Turns::default());
    Ok(VicDriver(Arc::new(Inner { info, capabilities, config, client, persona, janitor, pulls, turns })))
}

/// Connects to the port layer at a `vic:` URL; see [`Config`].
///
/// # Errors
/// Those of [`Config::from_url`] and [`connect`].
pub fn connect_url(url: Url) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
    Box::pin(async move {
        let driver = connect(Config::from_url(&url)?).await?;
        Ok(Arc::new(driver) as Arc<dyn Driver>)
    })
}

impl VicDriver {
    /// What the host has and uses.
    ///
    /// # Errors
    /// The server can't be asked.
    pub async fn capacity(&self, cx: &Context) -> Result<Capacity> {
        let host = self.client().host(cx).await.map_err(Error::from)?;
        let amount = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Capacity {
            cpu: MilliCpu(amount(host.cpu_mhz) / 1000 * 1000),
            cpu_used: MilliCpu(amount(host.cpu_usage)),
            memory: Bytes::mib(amount(host.memory)),
            memory_used: Bytes(amount(host.mem_usage)),
        })
    }

    /// Sends a signal to the first container of a pod. There is none to others. `SIGKILL` ends the whole VM.
    ///
    /// # Errors
    /// `NotFound`; `Unexpected` where the guest can't be told, such as when it does not run.
    pub async fn signal(&self, cx: &Context, id: &PodId, signal: Signal) -> Result<()> {
        let vm = self.require(cx, id).await?;
        Ok(self.client().signal(cx, vm.id().as_str(), signal.number()).await?)
    }

    /// Checks a call before any IO.
    pub(crate) fn admit(&self, cx: &Context, call: &Call<'_>) -> Result<()> {
        admit(NAME, &self.0.capabilities, cx, call)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn janitor(&self) -> &Janitor {
        &self.0.janitor
    }

    pub(crate) fn pulls(&self) -> &Pulls {
        &self.0.pulls
    }

    /// Whose turn it is to change a VM that runs.
    pub(crate) fn turns(&self) -> &Turns {
        &self.0.turns
    }

    /// The persona.
    ///
    /// # Errors
    /// `Unsupported` where the URL names none.
    pub(crate) fn persona(&self) -> Result<&Persona> {
        self.0.persona.as_ref().ok_or_else(|| Error::unsupported("pulling without a persona"))
    }

    /// A pod's VM as it is now; `None` if there is none, or it is not wharf's.
    pub(crate) async fn vm(&self, cx: &Context, id: &PodId) -> Result<Option<Vm>> {
        if !is_vm(id.as_str()) {
            return Ok(None);
        }
        Ok(self.client().info(cx, id.as_str()).await?.and_then(Vm::of))
    }

    /// The same for one that must be there.
    pub(crate) async fn require(&self, cx: &Context, id: &PodId) -> Result<Vm> {
        self.vm(cx, id).await?.ok_or_else(|| Error::not_found(Object::pod(id.as_str())))
    }

    /// The VMs of all pods.
    pub(crate) async fn vms(&self, cx: &Context) -> Result<Vec<Vm>> {
        Ok(self.client().list(cx).await?.into_iter().filter_map(Vm::of).collect())
    }

    /// The VMs of pods with this namespace, name, uid and attempt, the oldest first.
    pub(crate) async fn named(&self, cx: &Context, spec: &PodSpec) -> Result<Vec<Vm>> {
        let mut vms = self.vms(cx).await?;
        vms.retain(|vm| vm.kept.is_named_as(spec));
        vms.sort_by(|a, b| a.age().cmp(&b.age()));
        Ok(vms)
    }
}

#[async_trait]
impl Driver for VicDriver {
    fn info(&self) -> &DriverInfo {
        &self.0.info
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    async fn ping(&self, cx: &Context) -> Result<Health> {
        self.admit(cx, &Call::Ping)?;
        self.client().ping(cx).await?;
        let host = self.client().host(cx).await;
        let mut health = Health::new("VIC port layer", "");
        let mut of_host = Condition::new("HostReady", host.is_ok());
        match host {
            Ok(host) => health.version = host.host_product_name,
            Err(refusal) => of_host.message = Some(refusal.error.to_string()),
        }
        health.conditions.push(of_host);
        if let Some(persona) = &self.0.persona {
            let answer = persona.info(cx).await;
            let mut condition = Condition::new("PersonaReady", answer.is_ok());
            condition.message = answer.err().map(|refusal| refusal.error.to_string());
            health.conditions.push(condition);
        }
        Ok(health)
    }

    fn pods(&self) -> Option<&dyn Pod> {
        Some(self)
    }

    fn containers(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn exec(&self) -> Option<&dyn Exec> {
        Some(self)
    }

    fn images(&self) -> Option<&dyn ImageStore> {
        Some(self)
    }

    async fn reap(&self, cx: &Context, leftovers: &[Leftover]) -> Result<()> {
        self.admit(cx, &Call::Reap { leftovers })?;
        self.reap_all(cx, leftovers).await
    }

    async fn settle(&self, cx: &Context) -> Result<()> {
        self.admit(cx, &Call::Settle)?;
        self.janitor().settle(cx).await
    }
}

impl fmt::Debug for VicDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VicDriver").field("endpoint", &self.0.info.endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use runtime_core::ErrorKind;
    use serde_json::json;

    use super::*;
    use crate::testing::{Answer, Host, id, refusal};

    #[tokio::test]
    async fn capacity_is_in_whole_numbers() {
        let host = Host::start(|_, kind, _, _| {
            let info = json!({"cpuMhz": 9_999, "memory": 30_000, "cpuUsage": 1_500, "memUsage": 4_096});
            (kind == "GET /vch/info").then(|| Answer::json(200, info))
        });
        let host = host.await;
        let capacity = host.driver.capacity(&host.cx).await.unwrap();
        assert_eq!((capacity.cpu, capacity.cpu_used), (MilliCpu(9_000), MilliCpu(1_500)));
        assert_eq!((capacity.memory, capacity.memory_used), (Bytes::mib(30_000), Bytes(4_096)));
    }

    #[tokio::test]
    async fn a_host_that_does_not_answer_is_an_error() {
        let host = Host::start(|_, kind, _, _| (kind == "GET /vch/info").then(|| refusal(500, "no")));
        let host = host.await;
        assert_eq!(host.driver.capacity(&host.cx).await.unwrap_err().kind(), ErrorKind::Unexpected);
        let health = host.driver.ping(&host.cx).await.unwrap();
        assert!(!health.is_ok() && health.conditions[0].name == "HostReady");
    }

    #[tokio::test]
    async fn a_signal_goes_to_a_pod_that_is_there() {
        let host = Host::start(|_, _, _, _| None).await;
        let error = host.driver.signal(&host.cx, &id(1), Signal::TERM).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        runtime_core::Pod::run(&host.driver, &host.cx, &crate::testing::pod("p"), &Default::default())
            .await
            .unwrap();
        host.driver.signal(&host.cx, &id(1), Signal::TERM).await.unwrap();
        assert!(host.asked("POST /containers/*/signal")[0].line.ends_with("?signal=15"));
    }

    #[tokio::test]
    async fn nobody_there_is_told_with_the_endpoint() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = connect(Config::new(&address, "u")).await.unwrap_err();
        assert_eq!((error.kind(), error.driver()), (ErrorKind::Unavailable, Some("vic")));
        assert!(error.to_string().contains(&address), "{error}");
    }
}
