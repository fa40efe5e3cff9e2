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
}

/// All requests so far, in the order in which they came.
#[derive(Debug)]
pub(super) struct Log(watch::Sender<Vec<Request>>);

impl Log {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    /// Notes a request and returns its number.
    pub(super) fn begin(&self, request: Request) -> usize {
        let mut number = 0;
        self.0.send_modify(|requests| {
            number = requests.len();
            requests.push(request);
        });
        number
    }

    /// Notes how a request was answered.
    pub(super) fn answered(&self, number: usize, status: u16) {
        self.0.send_modify(|requests| {
            if let Some(request) = requests.get_mut(number) {
                request.status = Some(status);
            }
        });
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
