//! What every call is given: until when, unless cancelled, and on whose trace.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{Stream, StreamExt, stream::BoxStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind, Result};

/// Deadline, cancellation and trace of one call. Cheap to clone; passed down, never stored.
#[derive(Debug, Clone, Default)]
pub struct Context {
    deadline: Option<Instant>,
    cancellation: CancellationToken,
    trace_parent: Option<Arc<str>>,
}

impl Context {
    /// No deadline, nobody to cancel it, no trace.
    #[must_use]
    pub fn background() -> Self {
        Self::default()
    }

    /// Ends `timeout` from now, or at the deadline it has already if that is earlier.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.with_deadline(deadline),
            None => self,
        }
    }

    /// Ends at `deadline`, or at the deadline it has already if that is earlier.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |own| own.min(deadline)));
        self
    }

    /// Ends when `cancellation` is cancelled.
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: CancellationToken) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// Carries a W3C `traceparent`, for systems that accept one.
    #[must_use]
    pub fn with_trace_parent(mut self, trace_parent: impl Into<Arc<str>>) -> Self {
        self.trace_parent = Some(trace_parent.into());
        self
    }

    /// A context that ends with this one, and can be ended alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { cancellation: self.cancellation.child_token(), ..self.clone() }
    }

    /// A fresh context with a deadline of its own and this one's trace: for undoing what this one's end interrupted.
    #[must_use]
    pub fn fresh(&self, timeout: Duration) -> Self {
        Self {
            deadline: None,
            cancellation: CancellationToken::new(),
            trace_parent: self.trace_parent.clone(),
        }
        .with_timeout(timeout)
    }

    /// When the call must have ended.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How long is left; `None` without a deadline.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The token that cancels the call.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// The W3C `traceparent`.
    #[must_use]
    pub fn trace_parent(&self) -> Option<&str> {
        self.trace_parent.as_deref()
    }

    /// Fails with `Cancelled` or `DeadlineExceeded` if the context has ended.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self) -> Result<()> {
        if self.cancellation.is_cancelled() {
            return Err(cancelled());
        }
        match self.deadline {
            Some(deadline) if deadline <= Instant::now() => Err(deadline_exceeded()),
            _ => Ok(()),
        }
    }

    /// Waits until the context ends, and says how.
    pub async fn ended(&self) -> Error {
        let at_deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancellation.cancelled() => cancelled(),
            () = at_deadline => deadline_exceeded(),
        }
    }

    /// Runs `future`, which is dropped when the context ends first.
    ///
    /// # Errors
    /// The future's own, `Cancelled` or `DeadlineExceeded`.
    pub async fn run<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.check()?;
        tokio::select! {
            biased;
            result = future => result,
            error = self.ended() => Err(error),
        }
    }

    /// Passes `stream` on until the context ends, which is its last item, an error.
    pub fn bound<T: Send + 'static>(
        &self,
        stream: impl Stream<Item = Result<T>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let state = Some((stream.boxed(), self.clone()));
        futures::stream::unfold(state, |state| async {
            let (mut stream, cx) = state?;
            // The end is looked at first, so that a stream that is always ready can be ended too.
            tokio::select! {
                biased;
                error = cx.ended() => Some((Err(error), None)),
                item = stream.next() => item.map(|item| (item, Some((stream, cx)))),
            }
        })
        .boxed()
    }
}

fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled by the caller")
}

fn deadline_exceeded() -> Error {
    Error::new(ErrorKind::DeadlineExceeded, "the deadline of the call passed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earlier_deadline_wins_and_ends_the_future() {
        let context =
            Context::background().with_timeout(Duration::from_secs(1)).with_timeout(Duration::from_secs(60));
        let started = Instant::now();
        let error = context.run(std::future::pending::<Result<()>>()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_child_ends_with_its_parent_but_not_the_other_way() {
        let parent = Context::background();
        let child = parent.child();
        child.cancellation().cancel();
        assert!(parent.check().is_ok());
        let child = parent.child();
        parent.cancellation().cancel();
        assert_eq!(child.check().unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(parent.fresh(Duration::from_secs(1)).check().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bound_stream_ends_by_itself_or_with_an_error() {
        let context = Context::background().with_timeout(Duration::from_secs(5));
        let own_end: Vec<_> = context.bound(futures::stream::iter([Ok(1), Ok(2)])).collect().await;
        assert_eq!(own_end.len(), 2);
        let cut: Vec<_> = context.bound(futures::stream::pending::<Result<()>>()).collect().await;
        assert_eq!(cut.len(), 1);
        assert_eq!(cut[0].as_ref().unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    }
}
