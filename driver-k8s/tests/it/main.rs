//! The driver against testkit's fake API server, over TLS on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail them")]

mod group;
mod support;
