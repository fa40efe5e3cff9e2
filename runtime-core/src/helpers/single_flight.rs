//! Work that is on its way once, however many want it.
//!
//! Callers who ask for the same key while a task for it runs wait for that task's result. Each may leave at any time; with
//! the last one the task is aborted. Nothing is kept of a task that has ended: who asks then starts another.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use tokio::{runtime::Handle, sync::watch};
use tokio_util::task::AbortOnDropHandle;

/// The tasks that somebody waits for, by key. `P` is what they tell on the way, `T` is their result.
pub struct SingleFlight<K, P, T>(Mutex<HashMap<K, Weak<Task<P, T>>>>);

/// A place among those who wait for a task. Dropping it is leaving.
pub struct Flight<P, T> {
    task: Arc<Task<P, T>>,
    state: watch::Receiver<State<P, T>>,
}

/// What those who wait are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<P, T> {
    /// How far the task is. Who is slow misses some.
    Progress(P),
    /// The result. Always the last step.
    Done(T),
}

/// Tells those who wait how far the task is.
#[derive(Clone)]
pub struct Reporter<P, T>(watch::Sender<State<P, T>>);

struct Task<P, T> {
    state: watch::Receiver<State<P, T>>,
    running: AbortOnDropHandle<()>,
}

enum State<P, T> {
    Going(P),
    Ended(T),
}

impl<K, P, T> SingleFlight<K, P, T>
where
    K: Eq + Hash,
    P: Clone + Default + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Waits for the task of this key; unless one runs, `start` makes it and it is spawned on `runtime`.
    pub fn join<F>(&self, runtime: &Handle, key: K, start: impl FnOnce(Reporter<P, T>) -> F) -> Flight<P, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut tasks = self.tasks();
        tasks.retain(|_, task| task.strong_count() > 0);
        if let Some(task) = tasks.get(&key).and_then(Weak::upgrade).filter(|task| task.is_going()) {
            return Flight::new(task);
        }
        let (sender, state) = watch::channel(State::Going(P::default()));
        let work = start(Reporter(sender.clone()));
        let running = AbortOnDropHandle::new(runtime.spawn(async move {
            let result = work.await;
            sender.send_replace(State::Ended(result));
        }));
        let task = Arc::new(Task { state, running });
        tasks.insert(key, Arc::downgrade(&task));
        Flight::new(task)
    }

    /// Aborts every task: those who wait get no result.
    pub fn clear(&self) {
        for task in self.tasks().drain().filter_map(|(_, task)| task.upgrade()) {
            task.running.abort();
        }
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<K, Weak<Task<P, T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Clone, T: Clone> Flight<P, T> {
    fn new(task: Arc<Task<P, T>>) -> Self {
        let mut state = task.state.clone();
        // The first step is how far it is now.
        state.mark_changed();
        Self { task, state }
    }

    /// The next step: at first how far the task is already. `None` when it was aborted, has panicked, or is told to its
    /// end. May be dropped without losing a step.
    pub async fn next(&mut self) -> Option<Step<P, T>> {
        // An end without a result drops the sender.
        self.state.changed().await.ok()?;
        Some(match &*self.state.borrow_and_update() {
            State::Going(progress) => Step::Progress(progress.clone()),
            State::Ended(result) => Step::Done(result.clone()),
        })
    }

    /// Waits for the result. `None` when the task was aborted or has panicked.
    pub async fn finish(mut self) -> Option<T> {
        while let Some(step) = self.next().await {
            if let Step::Done(result) = step {
                return Some(result);
            }
        }
        None
    }
}

impl<P, T> Reporter<P, T> {
    /// Tells everybody who waits.
    pub fn report(&self, progress: P) {
        self.0.send_replace(State::Going(progress));
    }
}

impl<P, T> Task<P, T> {
    fn is_going(&self) -> bool {
        matches!(*self.state.borrow(), State::Going(_)) && !self.running.is_finished()
    }
}

impl<K, P, T> Default for SingleFlight<K, P, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, P, T> fmt::Debug for SingleFlight<K, P, T> {
    /// Keys may hold what must not show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

impl<P, T> fmt::Debug for Flight<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("finished", &self.task.running.is_finished()).finish_non_exhaustive()
    }
}

impl<P, T> fmt::Debug for Reporter<P, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    type Flights = SingleFlight<&'static str, u32, u32>;

    fn join<F>(flights: &Flights, key: &'static str, work: F) -> Flight<u32, u32>
    where
        F: Future<Output = u32> + Send + 'static,
    {
        flights.join(&Handle::current(), key, |_| work)
    }

    #[tokio::test]
    async fn everybody_gets_the_result_of_one_task() {
        let (flights, started, go) =
            (Flights::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let (started, go) = (Arc::clone(&started), Arc::clone(&go));
                join(&flights, "a", async move {
                    started.fetch_add(1, Ordering::Relaxed);
                    go.notified().await;
                    7
                })
            })
            .collect();
        let other = join(&flights, "b", async { 8 });
        go.notify_one();
        assert_eq!(join_all(waiting.into_iter().map(Flight::finish)).await, [Some(7); 20]);
        assert_eq!((other.finish().await, started.load(Ordering::Relaxed)), (Some(8), 1));
        assert_eq!(join(&flights, "a", async { 9 }).finish().await, Some(9), "a result is not kept");
    }

    #[tokio::test]
    async fn the_last_one_who_leaves_ends_the_task() {
        let flights = Flights::default();
        let (dropped, was_dropped) = oneshot::channel::<()>();
        let first = join(&flights, "a", async move {
            let _until_dropped = dropped;
            std::future::pending().await
        });
        let second = join(&flights, "a", async { 0 });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!second.task.running.is_finished());
        drop(second);
        assert!(was_dropped.await.is_err());
        assert_eq!(join(&flights, "a", async { 1 }).finish().await, Some(1));
    }

    #[tokio::test]
    async fn progress_is_told_to_who_comes_late_too() {
        let (flights, go) = (Flights::default(), Arc::new(Notify::new()));
        let going = Arc::clone(&go);
        let mut first = flights.join(&Handle::current(), "a", |reporter| async move {
            reporter.report(5);
            going.notified().await;
            6
        });
        while first.next().await != Some(Step::Progress(5)) {}
        let mut late = join(&flights, "a", async { 0 });
        assert_eq!(late.next().await, Some(Step::Progress(5)));
        go.notify_one();
        assert_eq!(late.next().await, Some(Step::Done(6)));
        assert_eq!(late.next().await, None);
    }

    #[tokio::test]
    async fn an_end_without_a_result_is_told() {
        let flights = Flights::default();
        let cleared = join(&flights, "a", std::future::pending());
        flights.clear();
        assert_eq!(cleared.finish().await, None);
        assert_eq!(join(&flights, "a", async { 1 }).finish().await, Some(1));
    }
}
