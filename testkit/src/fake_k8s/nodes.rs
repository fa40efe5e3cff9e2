//! What the API server leaves to the nodes.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::Value;

use super::Refusal;

/// The body of an answer. Streams for as long as it must.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What of a pod its node serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodSubresource {
    /// `attach`
    Attach,
    /// `exec`
    Exec,
    /// `log`
    Log,
    /// `portforward`
    PortForward,
}

/// A request that the API server passes on: authenticated, and its pod found.
#[derive(Debug)]
pub struct PodRequest {
    /// The pod as it is.
    pub pod: Arc<Value>,
    /// What is asked of it.
    pub subresource: PodSubresource,
    /// The request as it came: its query, its body, its upgrade.
    pub request: Request<Incoming>,
}

/// The nodes of a cluster, as the API server sees them.
#[async_trait]
pub trait Nodes: Debug + Send + Sync + 'static {
    /// Serves a subresource. An answer that switches protocols goes on by itself.
    ///
    /// # Errors
    /// What is refused before anything is streamed.
    async fn serve(&self, request: PodRequest) -> Result<Response<Body>, Refusal>;

    /// The `PodMetrics` of what runs, as the metrics API has them.
    async fn pod_metrics(&self) -> Vec<Value>;
}

/// A cluster of which nobody serves the pods.
#[derive(Debug)]
pub(super) struct NoNodes;

#[async_trait]
impl Nodes for NoNodes {
    async fn serve(&self, request: PodRequest) -> Result<Response<Body>, Refusal> {
        let name = request.pod["metadata"]["name"].as_str().unwrap_or_default();
        Err(Refusal::bad_request(format!("pod {name} does not have a host assigned")))
    }

    async fn pod_metrics(&self) -> Vec<Value> {
        Vec::new()
    }
}
