//! The conformance suite: one set of cases that every driver passes, on every system it runs against.
//!
//! A [`Case`] is data: what it is called, which capabilities it proves and which it needs beside them, and what it does.
//! A [`Setup`] is a driver with an environment. [`main`] runs the cases against one setup; cases that need what the
//! driver does not declare are skipped with the reason printed, and for every capability there is a generated case that
//! it is refused where it is not declared.

mod arguments;
mod capture;
mod case;
mod draw;
mod ending;
mod env;
mod groups;
mod matrix;
mod refusal;
mod report;
mod runner;
mod setup;
mod shared;

pub use case::{Case, Failure, Group, Verdict};
pub use draw::Draw;
pub use env::{Env, kind_of, until};
pub use runner::main;
pub use setup::{
    Able, Connect, Connected, Held, Holdings, Mountable, Proxied, RealSystem, Reconnect, Runtime, Setup,
    state_dir,
};
