//! What a carrier of sessions makes of a connection, whatever it is.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use runtime_core::{TerminalSize, helpers::remote_status::RemoteStatus};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime::Handle,
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::unread::Traffic;

/// How long a connection that is given up may take to say goodbye.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A command's input.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A command's output.
pub type Output = Pin<Box<dyn AsyncRead + Send>>;

/// The streams of a session, and its connection.
pub struct Parts {
    /// The input, if it was asked for.
    pub stdin: Option<Input>,
    /// The output.
    pub stdout: Output,
    /// Standard error, unless there is a terminal.
    pub stderr: Option<Output>,
    /// What keeps the connection.
    pub link: Link,
}

/// How a session ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// As the system says.
    Told(RemoteStatus),
    /// Before the system said.
    Lost(String),
    /// The command has ended, and the system never says how.
    Untold,
}

/// What keeps a connection. Dropping it closes the connection.
pub struct Link {
    pub(crate) ended: watch::Receiver<Option<Ended>>,
    pub(crate) resize: Option<mpsc::Sender<TerminalSize>>,
    /// What goes through a connection that doesn't tell when an output ends.
    pub(crate) traffic: Option<Arc<Traffic>>,
    farewell: Option<BoxFuture<'static, ()>>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Link {
    /// A connection that lives in these tasks, and the session's end as one of them tells it.
    #[must_use]
    pub fn new(ended: watch::Receiver<Option<Ended>>, tasks: Vec<AbortOnDropHandle<()>>) -> Self {
        Self { ended, resize: None, traffic: None, farewell: None, _tasks: tasks }
    }

    /// Where sizes of the terminal go; `None` without a terminal.
    #[must_use]
    pub fn with_sizes(mut self, sizes: Option<mpsc::Sender<TerminalSize>>) -> Self {
        self.resize = sizes;
        self
    }

    /// The end of a command that leaves input is looked for by what goes through here.
    #[must_use]
    pub(crate) fn with_traffic(mut self, traffic: Option<Arc<Traffic>>) -> Self {
        self.traffic = traffic;
        self
    }

    /// What closes the connection in order, for carriers whose streams would hold it open as long as the caller has them.
    #[must_use]
    pub fn with_farewell(mut self, farewell: impl Future<Output = ()> + Send + 'static) -> Self {
        self.farewell = Some(Box::pin(farewell));
        self
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let (Some(farewell), Ok(runtime)) = (self.farewell.take(), Handle::try_current()) {
            runtime.spawn(timeout(CLOSE_TIMEOUT, farewell));
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("ended", &self.ended.borrow().is_some()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("link", &self.link).finish_non_exhaustive()
    }
}
