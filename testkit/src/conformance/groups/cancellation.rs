//! Nobody waits for the answer any more: the future is dropped at any await, the context is cancelled, the deadline passes.
//!
//! When depends on the seed. Whenever it is: the call ends at once, undo work ends, nothing is left, and what did not come
//! to be can be asked for again.

use std::{
    future::Future,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use runtime_core::{Capability, Context, Error, ErrorKind, Result};

use super::operation::Operation;
use crate::conformance::{Case, Env, Failure, Group, Verdict, case::ensure, draw::Draw};

/// How much later than it is told to a call may end on a busy machine.
const MARGIN: Duration = Duration::from_secs(5);
/// Rounds of each way to end a call.
const ROUNDS: usize = 3;
/// More often than this no call is polled, mostly; what is polled less often ends by itself.
const MAX_POLLS: usize = 24;
/// The range of times after which a call is cancelled or its deadline passes.
const TIMES: std::ops::Range<f64> = 0.0001..0.3;

macro_rules! cancellation_cases {
    ($($name:ident: $operation:ident, needs [$($needs:ident),*];)*) => {
        pub(super) const CASES: &[Case] = &[$(Case {
            group: Group::Cancellation,
            name: stringify!($name),
            proves: &[],
            needs: &[$(Capability::$needs),*],
            any_pod: false,
            alone: false,
            run: |env| every_way(env, Operation::$operation),
        },)*];
    };
}

cancellation_cases! {
    pod_run: PodRun, needs [PodRun, PodList];
    pod_stop: PodStop, needs [PodRun, PodStop, PodStatus];
    pod_remove: PodRemove, needs [PodRun, PodRemove, PodStatus];
    container_create: ContainerCreate, needs [PodRun, ContainerCreate, ContainerList];
    container_start: ContainerStart, needs [PodRun, ContainerCreate, ContainerStart, ContainerStatus];
    container_stop: ContainerStop, needs [PodRun, ContainerCreate, ContainerStop, ContainerStatus];
    container_remove: ContainerRemove, needs [PodRun, ContainerCreate, ContainerRemove, ContainerStatus];
    container_wait: ContainerWait, needs [PodRun, ContainerCreate, ContainerStart, ContainerWait];
    exec_sync: ExecSync, needs [PodRun, ExecSync];
    image_pull: ImagePull, needs [ImagePull, ImageStatus, ImageRemove];
    image_remove: ImageRemove, needs [ImagePull, ImageStatus, ImageRemove];
}

/// A way to end a call early.
#[derive(Debug, Clone, Copy)]
enum Way {
    DropAfterPolls(usize),
    CancelAfter(Duration),
    DeadlineAfter(Duration),
}

fn every_way(env: &Env, operation: Operation) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        let mut draw = Draw::new(env.seed(), operation as u64);
        let base = operation.base(env).await?;
        for _ in 0..ROUNDS {
            let ways = [Way::CancelAfter(draw.time(TIMES)), Way::DeadlineAfter(draw.time(TIMES))];
            for way in ways.into_iter().chain([Way::DropAfterPolls(1 + draw.below(MAX_POLLS))]) {
                let subject = operation.prepare(env, &base).await?;
                let result = call(env, operation, &subject, way).await;
                let undone = async {
                    let mut leftovers = Vec::new();
                    let result = result?;
                    if let Err(error) = &result {
                        ensure!(way.fits(error), "ended with {error:?}");
                        leftovers.extend(error.leftovers().iter().cloned());
                    }
                    if let Err(error) = env.client().settle().await {
                        ensure!(!error.leftovers().is_empty(), "undo work does not end: {error:?}");
                        leftovers.extend(error.leftovers().iter().cloned());
                    }
                    env.client().reap(&leftovers).await?;
                    operation.check(env, &subject, &result).await
                };
                undone.await.map_err(|failure| failure.at(&format!("{way:?}")))?;
            }
        }
        Ok(())
    })
}

impl Way {
    fn fits(self, error: &Error) -> bool {
        match self {
            // The call had no reason to fail by itself before it was dropped.
            Self::DropAfterPolls(_) | Self::CancelAfter(_) => error.kind() == ErrorKind::Cancelled,
            // A grace period that does not fit into the time is refused at once.
            Self::DeadlineAfter(_) => {
                error.kind() == ErrorKind::DeadlineExceeded || error.field() == Some("gracePeriod")
            }
        }
    }
}

/// Runs the operation and ends it; a dropped call counts as cancelled.
async fn call(
    env: &Env,
    operation: Operation,
    subject: &super::operation::Subject,
    way: Way,
) -> Result<Result<()>, Failure> {
    let started = Instant::now();
    let cx = Context::background();
    let cx = if let Way::DeadlineAfter(time) = way { cx.with_timeout(time) } else { cx };
    let client = env.client().with_context(cx.clone());
    let running = operation.run(&client, subject);
    let (ended, end) = match way {
        Way::DropAfterPolls(polls) => {
            let dropped = || Err(Error::new(ErrorKind::Cancelled, "dropped"));
            return Ok(up_to(polls, running).await.unwrap_or_else(dropped));
        }
        Way::DeadlineAfter(time) => (tokio::time::timeout(time + MARGIN, running).await, time),
        Way::CancelAfter(time) => {
            let cancel = async {
                tokio::time::sleep(time).await;
                cx.cancellation().cancel();
            };
            let both = async { tokio::join!(running, cancel).0 };
            (tokio::time::timeout(time + MARGIN, both).await, time)
        }
    };
    ended.map_err(|_| {
        Failure::Failed(format!("told to end after {end:?}, runs after {:?}", started.elapsed()))
    })
}

/// Polls a future so often; `None` if that was not enough, and the future is dropped.
pub(super) async fn up_to<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut polled) = (pin!(future), 0);
    std::future::poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            // The last await it comes to is where it is dropped.
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
