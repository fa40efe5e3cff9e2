//! The reference: kube's client, called by hand, and a WebSocket read without anything between.

use std::fmt;

use futures::{StreamExt, TryStreamExt};
use hyper::Request;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams},
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::client::generate_key, protocol::Role},
};
use url::form_urlencoded::Serializer;

use super::cluster::NAMESPACE;
use crate::{Result, raw::stdout_bytes};

/// A connection without wharf.
#[derive(Clone)]
pub(super) struct Raw(Client);

impl Raw {
    /// As a kubeconfig says.
    pub(super) async fn connect(kubeconfig: &str) -> Result<Self> {
        let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Self(Client::try_from(config)?))
    }

    /// Makes the pod that wharf makes of the same words, and watches it until it runs.
    pub(super) async fn run(&self, name: &str, image: &str) -> Result<()> {
        let main = json!({
            "name": "main", "image": image, "imagePullPolicy": "Always", "command": ["/guest", "pause"],
        });
        let pod = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [main], "restartPolicy": "Never", "automountServiceAccountToken": false},
        }))?;
        let made = self.pods().create(&PostParams::default(), &pod).await?;
        let version = made.metadata.resource_version.ok_or("a pod without a version")?;
        let only = WatchParams::default().fields(&format!("metadata.name={name}"));
        let mut events = self.pods().watch(&only, &version).await?.boxed();
        while let Some(event) = events.try_next().await? {
            if let WatchEvent::Modified(pod) = event
                && pod.status.is_some_and(|status| status.phase.as_deref() == Some("Running"))
            {
                return Ok(());
            }
        }
        Err(format!("the watch ended, and {name} does not run").into())
    }

    /// Deletes a pod at once.
    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        self.pods().delete(name, &DeleteParams::default().grace_period(0)).await?;
        Ok(())
    }

    /// All pods; returns how many there are.
    pub(super) async fn list(&self) -> Result<usize> {
        Ok(self.pods().list(&ListParams::default()).await?.items.len())
    }

    /// The output of a command in a pod's container, thrown away; returns how long it is.
    pub(super) async fn stream(&self, pod: &str, command: &[String]) -> Result<usize> {
        let mut query = Serializer::new(String::new());
        query.append_pair("container", "main").append_pair("stdout", "true").append_pair("stderr", "true");
        query.extend_pairs(command.iter().map(|word| ("command", word)));
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/exec?{}", query.finish());
        let request = Request::get(path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key())
            .header("sec-websocket-protocol", "v5.channel.k8s.io")
            .body(Body::empty())?;
        let upgraded = hyper::upgrade::on(self.0.send(request).await?).await?;
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        stdout_bytes(&mut socket).await
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.0.clone(), NAMESPACE)
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw")
    }
}
