//! A session whose errors say which call began it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{ExitStatus, Object, Operation, Result, SessionControl, TerminalSize, helpers::signal::Signal};

pub(super) struct Stamped {
    pub(super) control: Arc<dyn SessionControl>,
    pub(super) operation: Operation,
    pub(super) object: Option<Object>,
    pub(super) driver: &'static str,
}

impl Stamped {
    fn stamp<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.in_call(self.operation, self.driver, self.object.clone()))
    }
}

#[async_trait]
impl SessionControl for Stamped {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        self.stamp(self.control.resize(size).await)
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        self.stamp(self.control.signal(signal).await)
    }

    async fn wait(&self) -> Result<ExitStatus> {
        self.stamp(self.control.wait().await)
    }

    fn end(&self) {
        self.control.end();
    }

    fn time_is_up(&self) {
        self.control.time_is_up();
    }
}
