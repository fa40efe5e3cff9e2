//! What the server is: its version, and what it serves beside its own resources.

use hyper::Request;
use runtime_core::{Context, Error, Health, Result, helpers::kube_version::KubeVersion};
use serde::Deserialize;

use crate::{
    client::Client,
    error::Refusal,
    translate::{ARCH_LABEL, OLD_ARCH_LABEL},
};

/// A server's own words about its version.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Told {
    git_version: String,
    major: String,
    minor: String,
}

/// What is known of a server since the connection to it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// `None` where it doesn't say, or nobody can read it.
    pub(crate) version: Option<KubeVersion>,
    /// Whether it serves what pods use.
    pub(crate) has_metrics: bool,
}

impl Server {
    /// Asks a server. That it doesn't tell its version is only worth a warning.
    ///
    /// # Errors
    /// There is no server, or it doesn't know who asks.
    pub(crate) async fn of(client: &Client, cx: &Context) -> Result<Self> {
        let version = match get::<Told>(client, cx, "/version").await {
            Ok(told) => parsed(&told),
            Err(refusal) if refusal.code.is_none() || refusal.code == Some(401) => return Err(refusal.into()),
            Err(refusal) => {
                tracing::warn!(error = %refusal.error, "the server does not tell its version");
                None
            }
        };
        let metrics = get::<serde_json::Value>(client, cx, "/apis/metrics.k8s.io/v1beta1").await;
        Ok(Self { version, has_metrics: metrics.is_ok() })
    }

    /// The label of a node's architecture.
    pub(crate) fn arch_label(&self) -> &'static str {
        match &self.version {
            Some(version) if !version.is_placeholder() && !version.at_least(1, 14) => OLD_ARCH_LABEL,
            _ => ARCH_LABEL,
        }
    }

    pub(crate) fn health(&self) -> Health {
        let version = self.version.as_ref().map_or_else(|| "unknown".to_owned(), ToString::to_string);
        let mut health = Health::new("kubernetes", version);
        health.protocol = Some("v1".to_owned());
        health
    }
}

fn parsed(told: &Told) -> Option<KubeVersion> {
    let version = KubeVersion::from_server(&told.git_version, &told.major, &told.minor);
    version.inspect_err(|error| tracing::warn!(%error, "the server's version can't be read")).ok()
}

async fn get<T: serde::de::DeserializeOwned>(
    client: &Client,
    cx: &Context,
    path: &str,
) -> Result<T, Refusal> {
    let request = Request::get(path).body(Vec::new());
    client.call(cx, &request.map_err(|error| Refusal::unsent(Error::invalid("path", error)))?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(git: &str, major: &str, minor: &str) -> Server {
        let told = Told { git_version: git.into(), major: major.into(), minor: minor.into() };
        Server { version: parsed(&told), has_metrics: false }
    }

    #[test]
    fn versions_and_the_label_that_goes_with_them() {
        for (git, major, minor, shown, label) in [
            ("v0.0.0-master+$Format:%H$", "1", "36", "v1.36.0", ARCH_LABEL),
            ("v1.13.5-gke.10", "1", "13+", "v1.13.5-gke.10", OLD_ARCH_LABEL),
            ("v1.14.0", "1", "14", "v1.14.0", ARCH_LABEL),
            ("v0.0.0-master+$Format:%H$", "", "", "v0.0.0-master+$Format:%H$", ARCH_LABEL),
            ("what?", "x", "", "unknown", ARCH_LABEL),
        ] {
            let server = server(git, major, minor);
            assert_eq!((server.health().version.as_str(), server.arch_label()), (shown, label), "{git}");
        }
    }
}
