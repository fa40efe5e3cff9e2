//! Being attached to a container's first process.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use runtime_core::{
    ContainerId, Error, ErrorKind, ExecSession, ExitStatus, Result, SessionControl, TerminalSize,
    helpers::signal::Signal,
};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{MemoryDriver, error::convert, session::with_output};
use crate::engine::{Attachment, EngineError, SharedInput};

/// How many bytes of input wait for the process.
const INPUT_BYTES: usize = 64 * 1024;

impl MemoryDriver {
    /// A session of what is attached. Shutting its input down, or dropping that alone, ends the process' input; dropping the
    /// session does not.
    pub(super) fn attached(
        &self,
        id: &ContainerId,
        attachment: Attachment,
        wants_stdin: bool,
    ) -> Result<ExecSession> {
        let Attachment { stdin, stdout, stderr } = attachment;
        let (driver, container) = (self.clone(), id.clone());
        let ended = async move {
            // One that is removed has ended.
            drop(driver.engine().wait_container(container.as_str()).await);
        };
        let released = CancellationToken::new();
        let mut input = None;
        let mut feeding = None;
        if wants_stdin {
            let Some(stdin) = stdin else {
                let message = "the container has no standard input";
                return Err(Error::new(ErrorKind::InvalidState, message));
            };
            let (near, far) = tokio::io::duplex(INPUT_BYTES);
            feeding = Some(AbortOnDropHandle::new(tokio::spawn(feed(far, stdin, released.clone()))));
            input = Some(near);
        }
        let control =
            Arc::new(Control { driver: self.clone(), container: id.clone(), released, _feeding: feeding });
        let session = ExecSession::new(Arc::clone(&control));
        let session = with_output(session, Some(stdout), stderr, ended.boxed().shared());
        Ok(match input {
            Some(input) => session.with_stdin(input),
            None => session,
        })
    }
}

/// Passes input on, and then its end, unless it ends because the session does.
async fn feed(mut from: DuplexStream, to: SharedInput, released: CancellationToken) {
    let mut piece = vec![0; INPUT_BYTES];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        if to.write_all(piece.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
    if !released.is_cancelled() {
        to.close().await;
    }
}

struct Control {
    driver: MemoryDriver,
    container: ContainerId,
    /// The session is dropped, which leaves the process' input open.
    released: CancellationToken,
    _feeding: Option<AbortOnDropHandle<()>>,
}

#[async_trait]
impl SessionControl for Control {
    async fn resize(&self, size: TerminalSize) -> Result<()> {
        let size = crate::engine::TerminalSize { rows: size.rows, columns: size.columns };
        self.driver.engine().resize_container(self.container.as_str(), size).map_err(|error| match error {
            EngineError::Unsupported { .. } => {
                Error::new(ErrorKind::InvalidState, "the container has no terminal")
            }
            error => convert(error),
        })
    }

    async fn signal(&self, signal: Signal) -> Result<()> {
        let engine = self.driver.engine();
        match engine.signal_container(self.container.as_str(), signal.number()).await {
            // It has ended.
            Err(EngineError::NotFound { .. } | EngineError::InvalidState { .. }) => Ok(()),
            sent => sent.map_err(convert),
        }
    }

    async fn wait(&self) -> Result<ExitStatus> {
        self.driver.wait_for_exit(&self.container).await.map_err(convert)
    }

    fn end(&self) {
        self.released.cancel();
    }

    fn time_is_up(&self) {}
}
