//! A Kubernetes API server over HTTPS, backed by the engine: answers as a 1.36 cluster does.
//!
//! What that one answers, and where it was seen, is in `kubernetes-1.36.md`, beside this file.

mod access;
mod answer;
mod call;
mod clock;
mod cluster;
mod create;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod dispatch;
mod fault;
mod kubeconfig;
pub mod kubelet;
mod nodes;
mod patch;
mod problems;
mod quantity;
mod query;
mod random;
mod read;
mod refusal;
mod requests;
mod review;
mod route;
mod server;
pub mod store;
mod update;
mod validate;
mod watch;

pub use clock::Clock;
pub use fault::{WatchFault, cut, refuse};
pub use nodes::{Body, Nodes, PodRequest, PodSubresource};
pub use refusal::Refusal;
pub use requests::{Request, Requests};
pub use server::{FakeK8s, FakeK8sOptions};

#[cfg(test)]
mod tests;
