//! The requests that came in.

use tokio::sync::watch;

/// One request, as a test may look at it. It never holds a secret: neither header nor query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The status of the answer; `None` while there is none.
    pub status: Option<u16>,
    /// Whether it had an `Authorization` header.
    pub has_authorization: bool,
    /// Whether the client went away before it was answered.
    pub hung_up: bool,
}

/// All requests so far, in the order in which they came.
#[derive(Debug)]
pub(super) struct Log(watch::Sender<Vec<Request>>);

impl Log {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    /// Notes a request and returns its number.
    fn begin(&self, request: Request) -> usize {
        let mut number = 0;
        self.0.send_modify(|requests| {
            number = requests.len();
            requests.push(request);
        });
        number
    }

    /// Notes a request, which is hung up on if this is dropped before it is answered.
    pub(super) fn open(&self, request: Request) -> Open<'_> {
        Open { log: self, number: self.begin(request), status: None }
    }

    pub(super) fn all(&self) -> Vec<Request> {
        self.0.borrow().clone()
    }

    /// Waits until a request fits.
    pub(super) async fn wait_for(&self, fits: impl Fn(&Request) -> bool) {
        // The sender lives in `self`, so the wait cannot end early.
        let _ = self.0.subscribe().wait_for(|requests| requests.iter().any(&fits)).await;
    }
}

/// A request that is being answered.
pub(super) struct Open<'l> {
    log: &'l Log,
    number: usize,
    status: Option<u16>,
}

impl Open<'_> {
    /// Notes how it was answered.
    pub(super) fn answered(mut self, status: u16) {
        self.status = Some(status);
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.log.0.send_modify(|requests| {
            if let Some(request) = requests.get_mut(self.number) {
                request.status = self.status;
                request.hung_up = self.status.is_none();
            }
        });
    }
}
