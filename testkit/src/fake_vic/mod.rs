//! The port layer of vSphere Integrated Containers and its docker persona, over HTTP on loopback, with the engine for a
//! hypervisor: as the server of the branch `feature/wolfpack` answers, on which a container VM is a pod of several tasks.
//!
//! A container VM is a pod of the engine's, a task of it a container of the engine's, a command that joins it an exec there. The
//! persona pulls by the engine, from registries on loopback. What is done as the real server does it: handles as copies with
//! optimistic concurrency, of which a thousand are kept; versions that count up with every change, the guest's own included;
//! states, commits and the waits in them; addresses that are given and taken apart from any commit, in both of the forms that
//! endpoints have; bodies of errors as empty as they are; what panics there ([`Bugs`]) drops the connection here. What a task asks
//! for of environment, working directory, user and terminal is ignored, as by the real guest, unless
//! [`FakeVicOptions::guest_applies_oci`] says otherwise.
//!
//! Not here: volumes and archives, which are answered as operations without a handler are (501); scopes of type `external`;
//! restarts that find on the VM's disks what an earlier run has written there; limits of memory and processors, which are told
//! and not enforced; addresses that can be reached. An image is one layer. Two tasks of one image have files of their own, though
//! on a real VM they are mixed up; a command that names their layer is run in the first of them.

mod bugs;
mod call;
mod capacity;
mod commit;
mod containers;
mod devices;
mod dispatch;
mod events;
mod exchanges;
mod fake;
pub mod fault;
mod guest;
mod handles;
mod interaction;
mod kv;
mod logs;
mod persona;
mod port_layer;
mod reply;
mod route;
mod scopes;
mod stats;
mod storage;
pub mod swagger;
mod tasks;

pub use bugs::Bugs;
pub use exchanges::{Exchange, Exchanges};
pub use fake::{Capacity, FakeVic, FakeVicOptions};
pub use route::Operation;

#[cfg(test)]
mod tests;
