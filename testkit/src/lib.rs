//! Fakes, mocks, registry, fault proxy and the conformance suite of wharf.

#[cfg(feature = "full")]
mod accept;
#[cfg(feature = "full")]
pub mod conformance;
#[cfg(feature = "full")]
mod connection;
pub mod engine;
#[cfg(feature = "full")]
pub mod fake_cri;
#[cfg(feature = "full")]
pub mod fake_k8s;
#[cfg(feature = "full")]
pub mod fake_nydusd;
#[cfg(feature = "full")]
pub mod fake_vic;
#[cfg(feature = "full")]
pub mod image;
#[cfg(feature = "full")]
mod log_time;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "full")]
pub mod mocks;
#[cfg(feature = "full")]
pub mod proxy;
#[cfg(feature = "full")]
pub mod registry;
#[cfg(feature = "full")]
pub mod scripted;
#[cfg(feature = "full")]
mod serving;
#[cfg(feature = "full")]
mod streaming;
#[cfg(feature = "full")]
mod tls;
