//! A Kubernetes API server over HTTPS, backed by the engine: answers as a 1.36 cluster does.
//!
//! What that one answers, and where it was seen, is in `kubernetes-1.36.md`, beside this file.

mod clock;
mod nodes;
mod random;
mod refusal;
pub mod store;

pub use clock::Clock;
pub use nodes::{Body, Nodes, PodRequest, PodSubresource};
pub use refusal::Refusal;
