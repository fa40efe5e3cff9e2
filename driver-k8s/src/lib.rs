//! wharf's driver for Kubernetes, over the API server alone: nothing has to run in the cluster.
//!
//! [`connect`] gives a [`K8sDriver`]; programs usually reach it through a `Client` and a `k8s://CONTEXT/NAMESPACE` URL instead,
//! for which [`Config`] has the rules. Options of a pod that only Kubernetes has are [`K8sPodOptions`]; [`manifest`] reads and
//! writes pods as `kubectl` knows them.
//!
//! - *A pod* is a Pod object, made with all its containers at once. Three requests at most: a secret for its credentials, the
//!   pod, and the pod as the secret's owner. Waiting rides on one watch a namespace, which all pods share.
//! - *A failure that can't get better* ends a run at once with Kubernetes' own reason: image not found or not allowed, no such
//!   command, missing config map or secret, and no node that fits after [`K8sPodOptions::unschedulable_limit`]. The pod and its secret are
//!   gone then.
//! - *Permissions* are asked for before the first pod is made, and what is missing is named.
//! - *Stopping* is emulated: Kubernetes only knows deleting. A pod whose own grace period
//!   ([`K8sPodOptions::termination_grace_period_seconds`], 30 s unless said) is at least what is granted gets an active deadline of
//!   one second: its containers get their signal, and it stays with its logs. What still runs when less than that has passed,
//!   what is killed at once, and what is granted more is deleted, with a finalizer that keeps its object: it can be read as
//!   before, but its logs go with its containers. Grace is whole seconds, rounded up, and one at least: a stop at once takes a
//!   second where a container ignores its signal. A pod whose node is lost can't be stopped; that is told as soon as the cluster
//!   knows.
//! - *Removing* kills within a second, and waits for the node to confirm it. A node that is lost, or that has not confirmed it
//!   after 55 s, is not waited for: the pod is deleted by force, and what runs there may go on for a while.
//! - *A pod that wharf stopped* and that somebody else deletes stays until wharf removes it, if it has the finalizer
//!   `wharf.dev/stopped`.
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
//!
//! # What it does otherwise than the driver it comes from
//! The Kubernetes executor of agola was the beginning of this driver. What was wrong there, and what shows that it is not here:
//! cases of the conformance suite by group, tests of this crate by module.
//!
//! | there | shown by |
//! | --- | --- |
//! | 1. who waits knows of `Running` alone, and hangs on all else | `faults`: `an_image_that_is_not_there` to `no_node_fits_within_the_limit` |
//! | 2. a watch that closes counts as readiness; errors, bookmarks and 410 are passed over | `faults/a_watch_that_ends_is_no_readiness`, `faults/nothing_is_lost_or_made_up` |
//! | 3. the first status is taken for that of the main container | `translate`: `a_second_container_is_waited_for_by_name` |
//! | 4. a create that fails half-way leaves what it made | `faults/a_create_that_is_cut_at_each_request` |
//! | 5. a removal ends with the missing secret, and leaves the pod | `faults/a_removal_whose_requests_are_lost` |
//! | 6. no command can be run in a pod that was found again | `recovery/pods_live_on`, `contract/a_pod_of_another_process_is_taken_over` |
//! | 7. a wait can't be ended, and leaks its task | `cancellation/container_wait`, `exec/a_dropped_session_ends_its_command` |
//! | 8. users of commands and containers are ignored | `exec` and `security` groups; `translate`: `every_declared_field_is_sent_and_survives` |
//! | 9. the environment is in the URL of a command, and so in audit logs | `exec`: `a_command_is_told_what_it_is_over_its_input_and_never_by_url` |
//! | 10. two that make the group's id at once fail | `group::joining`: `many_who_open_a_group_at_once_make_one_id` |
//! | 11. a config map without the lease's annotation is a crash | `group::spoilt`: all |
//! | 12. staleness by the own clock, without fence: an outage lets pods be reaped that live | `group::outages`: all; `group::reaping`: `who_has_lost_its_lease_reaps_nothing` |
//! | 13. caches are used before they know anything, and never end | `cache`: `a_list_in_pages_then_changes`, `the_work_ends_with_the_caches` |
//! | 14. a list trips over a pod that goes meanwhile | `faults/nothing_is_lost_or_made_up` |
//! | 15. the init image needs a shell, `tar`, `touch` and `uname` | `translate`: `the_toolbox_comes_before_everything_and_goes_without_trace` |
//! | 16. terminals have no size; no logs, events, stats, resources, probes | `exec/a_terminal_has_a_size_that_changes`; the groups `logs`, `events`, `resources` |

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
mod ending;
mod error;
mod events;
mod exec;
mod group;
mod id;
mod image;
mod kubeconfig;
mod logs;
pub mod options;
mod permissions;
mod persist;
mod pod;
mod remove;
mod server;
mod stats;
mod stop;
mod streaming;
mod strict;
mod target;
#[cfg(test)]
mod testing;
mod translate;
mod volumes;
mod wait;

pub use config::Config;
pub use driver::{K8sDriver, connect, connect_url};
pub use options::{K8sContainerOptions, K8sPodOptions};
pub use translate::manifest;
