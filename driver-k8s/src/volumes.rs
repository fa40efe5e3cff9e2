//! Finding out that the volumes of a pod can't be had. Kubernetes waits for ever, and says why in words alone: so what they show
//! is looked for.

use std::{collections::BTreeSet, future::pending, time::Duration};

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use runtime_core::{Context, Error};
use tokio::time::{Instant, sleep_until};

use crate::{
    api::Api,
    client::Client,
    error::Refusal,
    translate::failure::volumes::{Kind, Source, awaited},
};

/// How long volumes may take before it is looked for the first time: a pod that starts as it should costs no request.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two looks. Each is twice as long as the one before.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// The volumes of a pod that is waited for.
#[derive(Debug)]
pub(crate) struct Volumes {
    config_maps: Api<ConfigMap>,
    secrets: Api<Secret>,
    pause: Duration,
    next: Instant,
}

impl Volumes {
    /// Those of a pod in this namespace, from now on.
    pub(crate) fn of(client: &Client, namespace: &str) -> Self {
        Self {
            config_maps: Api::of(client, namespace),
            secrets: Api::of(client, namespace),
            pause: FIRST_PAUSE,
            next: Instant::now() + FIRST_PAUSE,
        }
    }

    /// Why the volumes that a pod waits for can't be had, when it is time to look. Never ends for a pod that has what it needs
    /// from others. Can be called again after it was dropped.
    pub(crate) async fn missing(&mut self, cx: &Context, pod: &Pod) -> Option<Error> {
        let awaited = awaited(pod);
        if awaited.is_empty() {
            return pending().await;
        }
        sleep_until(self.next).await;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        self.next = Instant::now() + self.pause;
        for source in awaited {
            match self.keys(cx, &source).await {
                Ok(keys) => {
                    if let Some(error) = source.missing(pod, keys.as_ref()) {
                        return Some(error);
                    }
                }
                // The wait goes on without: it only ends later. Who may not look is none the wiser.
                Err(refusal) => tracing::debug!(error = %refusal.error, "can't look for a volume's source"),
            }
        }
        None
    }

    /// The keys of a source; none if it is not there.
    async fn keys(&self, cx: &Context, source: &Source<'_>) -> Result<Option<BTreeSet<String>>, Refusal> {
        Ok(match source.kind {
            Kind::ConfigMap => self.config_maps.find(cx, source.name).await?.map(|map| {
                let binary = map.binary_data.unwrap_or_default().into_keys();
                map.data.unwrap_or_default().into_keys().chain(binary).collect()
            }),
            Kind::Secret => {
                let secret = self.secrets.find(cx, source.name).await?;
                secret.map(|secret| secret.data.unwrap_or_default().into_keys().collect())
            }
        })
    }
}
