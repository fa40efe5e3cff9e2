//! wharf's driver for Kubernetes. Begun.
//!
//! What comes, with the URL `k8s://CONTEXT/NAMESPACE`: a pod is a Pod object, run with all its containers at once;
//! commands go over the pod's exec subresource as a WebSocket; images are what nodes report. One shared watch serves all
//! pods. A failure that can't get better (image not found, no such command, unschedulable) ends the run at once with the
//! system's own reason.
//!
//! Adding a container to a running pod, and starting or stopping a single one, will be undeclared: Kubernetes has no such
//! calls.

#![allow(dead_code, reason = "what is there is used by what follows")]

mod api;
mod cache;
mod capabilities;
mod client;
mod config;
mod container;
mod copy;
mod create;
mod driver;
mod emulation;
mod error;
mod events;
mod exec;
mod group;
mod id;
mod image;
mod kubeconfig;
mod logs;
#[cfg(test)]
mod loopback;
pub mod options;
mod permissions;
mod persist;
mod pod;
mod remove;
#[cfg(test)]
mod scripted;
mod server;
mod stats;
mod stop;
mod streaming;
mod strict;
mod target;
mod translate;
mod wait;

pub use config::Config;
pub use driver::{K8sDriver, connect, connect_url};
pub use options::{K8sContainerOptions, K8sPodOptions};
pub use translate::manifest;
