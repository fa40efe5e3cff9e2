//! A fault proxy: sits on a unix socket or a loopback port before any server, real or fake, and breaks what passes.
//!
//! A [`Rule`] chooses connections, a direction and an [`Action`]. Rules can be added and removed while connections
//! live; byte counts of a rule start where the rule met the connection. Without rules the proxy is transparent:
//! bytes, half-close and end of stream are passed on as they are.
//!
//! A [`CallRule`] hits the n-th call of an HTTP/2 connection, which gRPC is, at its request or its answer.

mod call;
mod chunk;
mod endpoint;
mod frame;
mod pump;
mod rule;
mod server;

pub use call::{CallAction, CallRule, Moment};
pub use endpoint::Endpoint;
pub use rule::{Action, Connections, Direction, Rule, RuleId};
pub use server::{Counters, Down, FaultProxy, Options};

#[cfg(test)]
mod tests;
