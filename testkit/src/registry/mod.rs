//! An OCI registry on loopback, with its content in memory and faults to order.
//!
//! Real runtimes pull from it and tools push to it. [`Registry`] is the handle: it fills the registry, scripts
//! faults, shows the requests that came in, and ends the server when it is dropped.

mod answer;
mod auth;
mod handler;
mod log;
mod push;
mod refusal;
mod route;
mod script;
mod server;
mod store;
#[cfg(test)]
mod tests;

pub use auth::{Auth, Credentials};
pub use log::Request;
pub use script::{Action, Rule, Scripted};
pub use server::{Options, Registry};
