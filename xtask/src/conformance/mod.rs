//! Conformance runs: the setups, the runner that is called for each, and the reports.

mod html;
mod report;
mod runner;
mod setup;

pub(crate) use report::{Outcome, Record, Report, Totals};
pub(crate) use runner::{RealSystem, Runner, Selection};
pub(crate) use setup::{Environment, SETUPS, Setup, group_named};
