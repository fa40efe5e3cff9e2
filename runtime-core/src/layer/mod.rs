//! Layers: what is done around every call, whatever the driver.
//!
//! The default order, outermost first, and why:
//!
//! 1. [`ErrorContext`]: outermost, so that the refusals of the other layers are stamped as well.
//! 2. [`Gate`]: refuses before anything is started, and before the timeout adds a deadline of its own, since a grace period
//!    is checked against the caller's deadline.
//! 3. [`Timeout`]: innermost, so that a layer that repeats calls gives each try its own time. Outside it, one hanging try
//!    would eat the time of all.
//!
//! Not among them, for callers who want it: [`Retry`], between `Gate` and `Timeout`. What is refused is refused once, and
//! each try has its own time.

mod error_context;
mod gate;
mod retry;
mod stack;
mod stamped;
mod timeout;

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;

use crate::{Call, Capabilities, Context, DriverInfo, Result};

pub use error_context::ErrorContext;
pub use gate::Gate;
pub use retry::Retry;
pub use stack::Stack;
pub use timeout::Timeout;

/// Something done around every call.
///
/// A layer sees the call as data, and decides whether, when, how often and with which context the rest of the stack runs.
/// It never touches results, so one method is enough for the whole API.
#[async_trait]
pub trait Layer: Debug + Send + Sync + 'static {
    /// What the stack can do with this layer on top, given what it can do below it.
    fn capabilities(&self, below: Capabilities) -> Capabilities;

    /// Does the call by running `next`, or refuses it.
    async fn around(&self, cx: Context, call: &Call<'_>, next: Next<'_>) -> Result<()>;
}

/// The rest of the stack below a layer. It can be run any number of times.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "it is a function")]
pub struct Next<'a> {
    layers: &'a [Arc<dyn Layer>],
    stack: &'a Stack,
    call: &'a Call<'a>,
    driver: &'a (dyn Fn(Context) -> BoxFuture<'a, Result<()>> + Send + Sync),
}

impl<'a> Next<'a> {
    /// Runs the rest of the stack with this context.
    ///
    /// # Errors
    /// What a layer below refuses with, or the driver's own.
    pub fn run(self, cx: Context) -> BoxFuture<'a, Result<()>> {
        match self.layers.split_first() {
            Some((layer, below)) => layer.around(cx, self.call, Next { layers: below, ..self }),
            None => (self.driver)(cx),
        }
    }

    /// Who the driver at the bottom is.
    #[must_use]
    pub fn driver(&self) -> &'a DriverInfo {
        self.stack.driver_info()
    }

    /// What the whole stack can do.
    #[must_use]
    pub fn capabilities(&self) -> &'a Capabilities {
        self.stack.effective_capabilities()
    }
}

/// The layers of a client unless it is built with others.
#[must_use]
pub fn default_layers() -> Vec<Arc<dyn Layer>> {
    vec![Arc::new(ErrorContext), Arc::new(Gate), Arc::new(Timeout::default())]
}
