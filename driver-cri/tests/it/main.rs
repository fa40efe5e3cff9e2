//! The driver against testkit's fake CRI server, over a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail them")]

mod bench;
mod connect;
mod containers;
mod events;
mod existing;
mod failures;
mod logs;
mod native;
mod pods;
mod secrets;
mod stopping;
mod streaming;
