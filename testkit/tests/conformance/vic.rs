//! The VIC driver, on the fake port layer.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use testkit::{
    conformance::{Connect, Connected, Reconnect, Runtime, state_dir},
    engine::{Engine, EngineOptions},
    fake_vic::{FakeVic, FakeVicOptions},
};
use url::Url;
use wharf::{Capability, Driver, Error, Result};

use crate::{PULLS, holdings::of_engine, unusable};

/// Why nothing passes through the fault proxy, which breaks single calls.
const NO_PROXY: &str = "the proxy tells calls apart by the streams of HTTP/2, and these have none";

/// What the fake can't show.
const LACKS: &[(Capability, &str)] = &[
    (Capability::PodNetwork, "the fake's addresses can't be reached"),
    (Capability::PodPorts, "the fake's addresses can't be reached"),
    (Capability::ContainerCpu, "the fake tells the size of a VM, and enforces none"),
    (Capability::ContainerMemoryLimit, "the fake tells the size of a VM, and enforces none"),
];

/// The fake port layer with a guest that runs commands and nothing else, as the real one.
pub(crate) async fn fake() -> Result<Connected> {
    connected("vic-fake", FakeVicOptions::default()).await
}

/// The same with a guest that applies all that a task asks for.
pub(crate) async fn fake_with_oci_guest() -> Result<Connected> {
    let mut options = FakeVicOptions::default();
    options.guest_applies_oci = true;
    connected("vic-fake-oci", options).await
}

async fn connected(name: &str, options: FakeVicOptions) -> Result<Connected> {
    let engine_dir = state_dir().join(format!("wharf-{name}-{}", std::process::id()));
    let engine = Engine::start(EngineOptions { state_dir: Some(engine_dir), ..EngineOptions::default() });
    let engine = engine.await.map_err(unusable)?;
    let fake = FakeVic::start(engine.clone(), &options).await.map_err(unusable)?;
    let host = Host { url: Url::parse(&fake.url()).map_err(unusable)? };
    Ok(Connected {
        namespace: crate::NAMESPACE.to_owned(),
        toolbox_in_images: true,
        driver: host.connect(&[]).await?,
        reconnect: host.reconnect(),
        connect_with: Ok(host.connect_with()),
        proxied: Err(NO_PROXY),
        runtime: Ok(Box::new(Fake(fake))),
        holdings: Ok(Box::new(move || Box::pin(std::future::ready(Ok(of_engine(&engine)))))),
        mountable: Err(PULLS),
        lacks: LACKS.to_vec(),
        guard: Box::new(()),
    })
}

/// A container host by its URL.
#[derive(Debug, Clone)]
struct Host {
    url: Url,
}

impl Host {
    fn connect(&self, options: &[(&str, &str)]) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
        let mut url = self.url.clone();
        if let Some((key, _)) = options.iter().find(|(key, _)| *key == "toolbox") {
            let error = Error::unsupported(format!("the option {key:?}"));
            return Box::pin(std::future::ready(Err(error)));
        }
        url.query_pairs_mut().extend_pairs(options.iter().filter(|(_, value)| !value.is_empty()));
        Box::pin(async move { wharf::registry().connect(url.as_str()).await })
    }

    fn reconnect(&self) -> Reconnect {
        let host = self.clone();
        Box::new(move || host.connect(&[]))
    }

    fn connect_with(&self) -> Connect {
        let host = self.clone();
        Box::new(move |options| host.connect(options))
    }
}

/// The fake as a server that can crash.
struct Fake(FakeVic);

#[async_trait]
impl Runtime for Fake {
    async fn kill(&self) -> Result<()> {
        self.0.stop().await;
        Ok(())
    }

    async fn start(&self) -> Result<()> {
        self.0.start_again().map_err(unusable)
    }
}
