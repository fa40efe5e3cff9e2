//! What all cases of a run share.

use std::{
    collections::BTreeSet,
    sync::{Mutex, RwLock},
};

use runtime_core::{Client, PodFilter};

use super::{Connected, Failure, Held, capture::Capture};
use crate::{
    image::{guest, standard},
    registry::{Options, Registry},
};

/// The label with the run's name, by which its pods are found.
pub(super) const LABEL_RUN: &str = "conformance/run";

/// The system under test, and what is around it.
pub(super) struct Shared {
    pub(super) connected: Connected,
    pub(super) registry: Registry,
    pub(super) capture: Capture,
    pub(super) seed: u64,
    pub(super) run: String,
    /// What the runtime lost when it was killed in the middle of something: nobody can clear it through its API.
    pub(super) forgiven: Mutex<BTreeSet<Held>>,
    /// Cases read; those that run alone write.
    pub(super) turns: RwLock<()>,
    pub(super) base: crate::image::Layer,
}

impl Shared {
    /// Starts the registry with the images and waits for nothing else.
    pub(super) async fn new(connected: Connected, capture: Capture, seed: u64) -> Result<Self, Failure> {
        let registry = Registry::start(Options::default()).await?;
        let toolbox_in_images = connected.toolbox_in_images;
        let (base, images) = tokio::task::spawn_blocking(move || {
            let program = guest::binary()?;
            let images = match toolbox_in_images {
                true => standard::all_with_toolbox(&program, &guest::toolbox()?)?,
                false => standard::all(&program)?,
            };
            Ok::<_, crate::image::Error>((standard::base_layer(&program)?, images))
        })
        .await??;
        for named in &images {
            registry.push(named.name, standard::TAG, &named.image);
        }
        let run = format!("r{:x}", jiff::Timestamp::now().as_nanosecond());
        Ok(Self {
            connected,
            registry,
            capture,
            seed,
            run,
            forgiven: Mutex::default(),
            turns: RwLock::new(()),
            base,
        })
    }

    /// Removes every pod of this run, and names those that resist.
    pub(super) async fn clean(&self, client: &Client) -> Vec<String> {
        remove_all(client, &PodFilter::default().with_label(LABEL_RUN, &self.run)).await
    }
}

/// Removes the pods that fit, and names those that resist.
pub(super) async fn remove_all(client: &Client, filter: &PodFilter) -> Vec<String> {
    let mut left = Vec::new();
    match client.list_pods(filter).await {
        Err(error) => left.push(error.to_string()),
        Ok(pods) => {
            for pod in pods {
                if let Err(error) = client.pod(pod.id.clone()).remove().await {
                    left.push(error.to_string());
                }
            }
        }
    }
    match client.list_pods(filter).await {
        Ok(pods) => left.extend(pods.into_iter().map(|pod| format!("pod {}", pod.id))),
        Err(error) => left.push(error.to_string()),
    }
    left
}
