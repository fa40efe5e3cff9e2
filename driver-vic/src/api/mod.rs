//! The calls of the port layer, one file for each of its parts, and what they carry.

mod containers;
mod interaction;
mod kv;
mod misc;
pub(crate) mod models;
mod scopes;
mod storage;
mod tasks;
#[cfg(test)]
mod tests;

pub(crate) use containers::Target;
pub(crate) use interaction::{Output, PRIMER};
pub(crate) use misc::LogRange;
pub(crate) use models::Handle;
