//! The memory driver.

use std::sync::Arc;

use testkit::{
    conformance::Connected,
    memory::{MemoryDriver, MemoryOptions},
};
use wharf::{Driver, Result};

use crate::{PULLS, holdings::of_engine};

/// Why some cases make no sense with the memory driver.
const IS_THE_RUNTIME: &str =
    "the memory driver is its own runtime: there is no connection to break or URL to give";

/// The reference driver, on an engine of its own.
pub(crate) async fn connect() -> Result<Connected> {
    let driver = MemoryDriver::start(MemoryOptions::default()).await?;
    let engine = driver.engine().clone();
    let again = driver.clone();
    Ok(Connected {
        namespace: crate::NAMESPACE.to_owned(),
        toolbox_in_images: false,
        driver: Arc::new(driver),
        reconnect: Box::new(move || {
            let driver: Arc<dyn Driver> = Arc::new(again.clone());
            Box::pin(async move { Ok(driver) })
        }),
        connect_with: Err(IS_THE_RUNTIME),
        proxied: Err(IS_THE_RUNTIME),
        runtime: Err(IS_THE_RUNTIME),
        holdings: Ok(Box::new(move || Box::pin(std::future::ready(Ok(of_engine(&engine)))))),
        mountable: Err(PULLS),
        lacks: Vec::new(),
        guard: Box::new(()),
    })
}
