//! Daemons as processes: programs of a few lines stand in for nydusd, each with a fault that the real one can't be made to show.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail them")]

mod life;
mod starting;
mod support;
