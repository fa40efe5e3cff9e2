//! nydusd 2.2.0, as its client sees it: the API over a unix socket, and a program of it with the real command line.
//!
//! Answers are those of the real daemon, byte for byte; `nydusd-2.2.0.jsonl` beside this file is what it was recorded to
//! answer, and a test compares. `nydusd-2.2.md` tells what no recording shows. It mounts nothing: images are looked at as far
//! as a refusal needs it, and no file can be read through it. [`LACKS`] says which capabilities that costs.

mod answer;
mod arguments;
mod configuration;
mod daemon;
mod fault;
mod lacks;
mod log;
mod metrics;
mod mounts;
mod process;
mod request;
mod routes;
mod server;

pub use arguments::Mode;
pub use fault::{Fault, UnknownFault, Wrong};
pub use lacks::{LACKS, bootstrap};
pub use process::main;
pub use server::{FakeNydusd, FakeNydusdOptions};

#[cfg(test)]
mod tests;
