//! wharf's driver for Kubernetes, over the API server alone: nothing has to run in the cluster.
//!
//! [`connect`] gives a [`K8sDriver`]; programs usually reach it through a `Client` and a `k8s://CONTEXT/NAMESPACE` URL instead,
//! for which [`Config`] has the rules. Options of a pod that only Kubernetes has are [`K8sPodOptions`]; [`manifest`] reads and
//! writes pods as `kubectl` knows them.
//!
//! - *A pod* is a Pod object, made with all its containers at once. Three requests at most: a secret for its credentials, the
//!   pod, and the pod as the secret's owner. Waiting rides on one watch a namespace, which all pods share.
//! - *A failure that can't get better* ends a run at once with Kubernetes' own reason: image not found or not allowed, no such
//!   command, missing config map, and no node that fits after [`K8sPodOptions::unschedulable_limit`]. The pod and its secret are
//!   gone then.
//! - *Permissions* are asked for before the first pod is made, and what is missing is named.
//! - *Stopping* is emulated: Kubernetes only knows deleting. The pod gets an active deadline of one second, so that its
//!   containers are ended with the pod's own grace period, and it can still be read. See `stop`.
//! - *Commands* go over the pod's `exec` subresource as a WebSocket. Environment, working directory and user travel over their
//!   input, by the toolbox or a POSIX shell in the container: URLs of commands are in audit logs. Without either, a command that
//!   needs none of these runs, but can't be signalled.
//! - *Input* that has an end needs version 5 of the channel protocol (Kubernetes 1.30). Where the server has only version 4, it is
//!   refused before the command starts.
//! - *Logs* don't tell standard output and error apart. A follow that is lost goes on where it was.
//! - *Ports*: one connection each. Kubernetes has no way to end one direction alone.
//! - *Lists* and events come from the watch: they cover the namespace of the client, or that of the filter.
//! - *Images* are what nodes report. There is no pulling but by running a pod.
//! - *Executors* that share a cluster find each other through [`K8sDriver::group_store`].
//!
//! Adding a container to a running pod, starting and stopping a single one, pausing, and changing resources are not declared.

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
