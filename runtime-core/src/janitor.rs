//! Creating as a transaction: what a failed or dropped call made is undone, by somebody who outlives the call.

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{Context, Error, ErrorKind, Leftover, Result};

/// Owns the work that must go on after a caller has gone: the rest of a create that was abandoned, and its undo.
///
/// A driver holds one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Janitor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tasks: Mutex<Vec<Task>>,
    undo_timeout: Duration,
    left: Mutex<Vec<Leftover>>,
}

/// A task of the janitor's.
#[derive(Debug, Clone)]
struct Task {
    /// Cancelled when the task has ended.
    done: CancellationToken,
    /// Cancelled when nobody waits for the task's answer any more.
    abandoned: CancellationToken,
}

impl Janitor {
    /// A janitor whose every undo step may take `undo_timeout`.
    #[must_use]
    pub fn new(undo_timeout: Duration) -> Self {
        Self(Arc::new(Shared { tasks: Mutex::default(), undo_timeout, left: Mutex::default() }))
    }

    /// Runs `body` as a transaction.
    ///
    /// The body runs with this future. A caller that drops it never interrupts the body in the middle of a step whose
    /// outcome would then be unknown: it goes on in a task of its own, its context cancelled, and ends at its next check.
    /// So a call that nobody drops costs no task, and takes no turn of the scheduler beside its own. Whatever
    /// happens, either the caller gets the value, or every recorded step is undone in reverse, each with a fresh
    /// deadline.
    ///
    /// # Errors
    /// The body's own, with what could not be undone as leftovers; or `DeadlineExceeded` or `Cancelled` as soon as `cx`
    /// ends, with what is being undone at that moment as leftovers.
    pub async fn transact<T, F, Fut>(&self, cx: &Context, body: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Context, Recorder) -> Fut,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        cx.check()?;
        let child = cx.child();
        let abandoned = child.cancellation().clone();
        let journal = Journal::new(self.clone());
        let recorder = journal.recorder.clone();
        let body = body(child, recorder.clone());
        let work = async move {
            match body.await {
                Ok(value) => Ok((value, journal)),
                Err(error) => Err(journal.undo(error).await),
            }
        };
        let mut running = Running {
            work: Some(AssertUnwindSafe(work.in_current_span()).catch_unwind().boxed()),
            janitor: self.clone(),
            runtime: Handle::current(),
            abandoned,
        };
        tokio::select! {
            biased;
            answer = &mut running => match answer {
                Ok(Ok((value, journal))) => {
                    journal.commit();
                    Ok(value)
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(Error::new(ErrorKind::Unexpected, "the call panicked")
                    .with_leftovers(recorder.leftovers())),
            },
            error = cx.ended() => Err(error.with_leftovers(recorder.leftovers())),
        }
    }

    /// Runs a request to its end, whoever drops this future, for one that must not be cut in the middle and leaves nothing to
    /// undo however it ends. It has a context of its own, as long as the caller's and at least as long as an undo step's; a
    /// caller that goes away, or whose context ends, leaves it to [`settle`](Self::settle).
    ///
    /// # Errors
    /// The request's own; `DeadlineExceeded` or `Cancelled` as soon as `cx` ends.
    pub async fn finish<T, F, Fut>(&self, cx: &Context, request: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Context) -> Fut,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let time = cx.remaining().unwrap_or_default().max(self.0.undo_timeout);
        let request = request(cx.fresh(time));
        self.transact(cx, |_, _| request).await
    }

    /// Waits until the calls that nobody waits for have ended and all undo work is done, and hands over what could not be
    /// undone. Calls that somebody waits for are not waited for here.
    ///
    /// # Errors
    /// `Unexpected` with the leftovers, or the context's end.
    pub async fn settle(&self, cx: &Context) -> Result<()> {
        cx.run(async {
            while let Some(task) = self.next_abandoned() {
                task.done.cancelled().await;
            }
            Ok(())
        })
        .await?;
        let left = std::mem::take(&mut *lock(&self.0.left));
        if left.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unexpected, "an abandoned call could not be undone").with_leftovers(left))
    }

    fn spawn(
        &self,
        runtime: &Handle,
        abandoned: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let done = CancellationToken::new();
        let ended = done.clone().drop_guard();
        {
            let mut tasks = lock(&self.0.tasks);
            tasks.retain(|task| !task.done.is_cancelled());
            tasks.push(Task { done, abandoned });
        }
        let work = async move {
            let _ended = ended;
            work.await;
        };
        runtime.spawn(work.in_current_span());
    }

    fn next_abandoned(&self) -> Option<Task> {
        let tasks = lock(&self.0.tasks);
        tasks.iter().find(|task| !task.done.is_cancelled() && task.abandoned.is_cancelled()).cloned()
    }
}

impl Default for Janitor {
    fn default() -> Self {
        Self::new(Duration::from_secs(60))
    }
}

/// What a body comes to: its value with what would undo it; or its error once it is undone.
type Answer<T> = std::thread::Result<Result<(T, Journal)>>;

/// A body that its caller drives, and that goes on without it when it is dropped half done.
struct Running<T: Send + 'static> {
    /// `None` once it has ended. Panics come out of it as errors.
    work: Option<BoxFuture<'static, Answer<T>>>,
    janitor: Janitor,
    runtime: Handle,
    abandoned: CancellationToken,
}

impl<T: Send + 'static> Future for Running<T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        let answer = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(answer)
    }
}

impl<T: Send + 'static> Drop for Running<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        self.abandoned.cancel();
        let janitor = self.janitor.clone();
        let rest = async move {
            // A value that nobody takes is dropped with its journal, which undoes it. An error has been undone, as far as
            // that could be.
            if let Ok(Err(error)) = work.await {
                lock(&janitor.0.left).extend(error.leftovers().iter().cloned());
            }
        };
        self.janitor.spawn(&self.runtime, self.abandoned.clone(), rest);
    }
}

/// Undoes one step, given what the step made or may have made.
type Undo = Box<dyn FnOnce(Context, Leftover) -> BoxFuture<'static, Result<()>> + Send>;

struct Step {
    leftover: Leftover,
    undo: Undo,
}

/// Where a transaction records what it is about to do. Cheap to clone.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Step>>>);

impl Recorder {
    /// Records a step *before* it is done, since it may fail half done: what it may make, and how to undo it. `undo` is given
    /// what [`made`](Self::made) said last, which is also what is left if it fails.
    pub fn record<F, Fut>(&self, leftover: Leftover, undo: F)
    where
        F: FnOnce(Context, Leftover) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let undo: Undo = Box::new(move |cx, leftover| Box::pin(undo(cx, leftover)));
        lock(&self.0).push(Step { leftover, undo });
    }

    /// Says what the last step really made, once that is known.
    pub fn made(&self, leftover: Leftover) {
        if let Some(step) = lock(&self.0).last_mut() {
            step.leftover = leftover;
        }
    }

    /// What would be left if nothing were undone.
    #[must_use]
    pub fn leftovers(&self) -> Vec<Leftover> {
        lock(&self.0).iter().map(|step| step.leftover.clone()).collect()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recorder").field(&self.leftovers()).finish()
    }
}

/// The recorded steps of one transaction. Dropped without commit, it undoes them in the background.
struct Journal {
    recorder: Recorder,
    janitor: Janitor,
    runtime: Handle,
}

impl Journal {
    fn new(janitor: Janitor) -> Self {
        Self { recorder: Recorder::default(), janitor, runtime: Handle::current() }
    }

    fn commit(self) {
        lock(&self.recorder.0).clear();
    }

    async fn undo(self, error: Error) -> Error {
        let steps = std::mem::take(&mut *lock(&self.recorder.0));
        error.with_leftovers(undo_all(steps, self.janitor.0.undo_timeout).await)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let steps = std::mem::take(&mut *lock(&self.recorder.0));
        if steps.is_empty() {
            return;
        }
        let janitor = self.janitor.clone();
        let undo = async move {
            let left = undo_all(steps, janitor.0.undo_timeout).await;
            lock(&janitor.0.left).extend(left);
        };
        let abandoned = CancellationToken::new();
        abandoned.cancel();
        self.janitor.spawn(&self.runtime, abandoned, undo);
    }
}

/// Undoes in reverse, and returns what could not be undone.
async fn undo_all(steps: Vec<Step>, timeout: Duration) -> Vec<Leftover> {
    let mut left = Vec::new();
    for Step { leftover, undo } in steps.into_iter().rev() {
        let cx = Context::background().with_timeout(timeout);
        if let Err(error) = cx.clone().run(undo(cx, leftover.clone())).await {
            tracing::warn!(%leftover, %error, "could not undo");
            left.push(leftover);
        }
    }
    left
}

/// A panic in another task must not keep this one from cleaning up.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;

    type Log = Arc<Mutex<Vec<String>>>;

    fn record(recorder: &Recorder, log: &Log, name: &'static str, works: bool) {
        let log = Arc::clone(log);
        recorder.record(Leftover::pod(name), move |_, _| async move {
            lock(&log).push(format!("undo {name}"));
            if works { Ok(()) } else { Err(Error::new(ErrorKind::Unavailable, "down")) }
        });
    }

    #[tokio::test]
    async fn success_undoes_nothing() {
        let (janitor, log) = (Janitor::default(), Log::default());
        let cx = Context::background();
        let of_body = Arc::clone(&log);
        let value = janitor.transact(&cx, |_, recorder| async move {
            record(&recorder, &of_body, "a", true);
            Ok(7)
        });
        assert_eq!(value.await.unwrap(), 7);
        janitor.settle(&cx).await.unwrap();
        assert!(lock(&log).is_empty());
    }

    #[tokio::test]
    async fn failure_undoes_in_reverse_and_names_what_it_could_not() {
        let (janitor, log) = (Janitor::default(), Log::default());
        let cx = Context::background();
        let of_body = Arc::clone(&log);
        let result: Result<()> = janitor
            .transact(&cx, |_, recorder| async move {
                record(&recorder, &of_body, "a", true);
                record(&recorder, &of_body, "b", false);
                record(&recorder, &of_body, "c", true);
                Err(Error::new(ErrorKind::Failed, "no"))
            })
            .await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert_eq!(error.leftovers(), [Leftover::pod("b")]);
        assert_eq!(*lock(&log), ["undo c", "undo b", "undo a"]);
    }

    #[tokio::test]
    async fn a_dropped_call_is_finished_and_undone_and_settle_says_what_is_left() {
        for fails in [false, true] {
            dropped(fails).await;
        }
    }

    async fn dropped(fails: bool) {
        let (janitor, log) = (Janitor::default(), Log::default());
        let cx = Context::background();
        let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (of_body, entered_body, go_on_body) =
            (Arc::clone(&log), Arc::clone(&entered), Arc::clone(&go_on));
        let call = janitor.transact(&cx, |cx, recorder| async move {
            record(&recorder, &of_body, "a", false);
            entered_body.notify_one();
            go_on_body.notified().await;
            lock(&of_body).push("step done".into());
            assert_eq!(cx.check().unwrap_err().kind(), ErrorKind::Cancelled);
            if fails { cx.check() } else { Ok(()) }
        });
        tokio::select! {
            biased;
            _ = call => unreachable!("it waits"),
            () = entered.notified() => {}
        }
        go_on.notify_one();
        let error = janitor.settle(&cx).await.unwrap_err();
        assert_eq!(error.leftovers(), [Leftover::pod("a")]);
        assert_eq!(*lock(&log), ["step done", "undo a"]);
        janitor.settle(&cx).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_what_was_done_is_undone() {
        let (janitor, log) = (Janitor::default(), Log::default());
        let (cx, of_body) = (Context::background(), Arc::clone(&log));
        let call = janitor.transact::<(), _, _>(&cx, |_, recorder| async move {
            record(&recorder, &of_body, "a", true);
            panic!("a panic")
        });
        assert_eq!(call.await.unwrap_err().kind(), ErrorKind::Unexpected);
        janitor.settle(&cx).await.unwrap();
        assert_eq!(*lock(&log), ["undo a"]);
    }

    #[tokio::test]
    async fn a_request_is_never_cut() {
        let janitor = Janitor::default();
        for cancelled in [false, true] {
            let cx = Context::background();
            let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (of_request, go_on_request) = (Arc::clone(&entered), Arc::clone(&go_on));
            let log = Log::default();
            let of_log = Arc::clone(&log);
            let call = janitor.finish(&cx, |own| async move {
                of_request.notify_one();
                go_on_request.notified().await;
                own.check()?;
                lock(&of_log).push("done".into());
                Ok(())
            });
            if cancelled {
                let cancel = async {
                    entered.notified().await;
                    cx.cancellation().cancel();
                };
                let (ended, ()) = tokio::join!(call, cancel);
                assert_eq!(ended.unwrap_err().kind(), ErrorKind::Cancelled);
            } else {
                tokio::select! {
                    biased;
                    _ = call => unreachable!("it waits"),
                    () = entered.notified() => {}
                }
            }
            go_on.notify_one();
            janitor.settle(&Context::background()).await.unwrap();
            assert_eq!(*lock(&log), ["done"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_caller_is_answered_at_its_deadline_with_what_is_being_undone() {
        let janitor = Janitor::default();
        let cx = Context::background().with_timeout(Duration::from_secs(1));
        let error = janitor
            .transact::<(), _, _>(&cx, |_, recorder| async move {
                record(&recorder, &Log::default(), "a", true);
                tokio::time::sleep(Duration::from_secs(30)).await;
                Ok(())
            })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert_eq!(error.leftovers(), [Leftover::pod("a")]);
        janitor.settle(&Context::background()).await.unwrap();
    }
}
