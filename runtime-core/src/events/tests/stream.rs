//! The stream: pauses, a system that goes away, hints, a slow consumer, its end.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::known::{container, pod};
use crate::{
    ContainerPhase, Context, Error, ErrorKind, Event, EventStream, PodId, PodPhase, Result,
    events::{
        Change, Hint, Hints, Snapshot, Source, follow,
        follow::{LONGEST_PAUSE, ROOM},
    },
};

/// A system as the test wants it.
#[derive(Clone, Default)]
struct System(Arc<State>);

#[derive(Default)]
struct State {
    now: Mutex<Snapshot>,
    trouble: Mutex<Option<fn() -> Error>>,
    hints: Mutex<Option<mpsc::UnboundedReceiver<Result<Hint>>>>,
    lists: AtomicUsize,
    looks: AtomicUsize,
}

impl System {
    fn set(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.0.now.lock().unwrap());
    }

    fn fail(&self, trouble: Option<fn() -> Error>) {
        *self.0.trouble.lock().unwrap() = trouble;
    }

    fn hints(&self) -> mpsc::UnboundedSender<Result<Hint>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.0.hints.lock().unwrap() = Some(receiver);
        sender
    }

    fn lists(&self) -> usize {
        self.0.lists.load(Ordering::SeqCst)
    }

    fn answer(&self) -> Result<Snapshot> {
        match *self.0.trouble.lock().unwrap() {
            Some(trouble) => Err(trouble()),
            None => Ok(self.0.now.lock().unwrap().clone()),
        }
    }
}

#[async_trait]
impl Source for System {
    async fn list(&self, _: &Context) -> Result<Snapshot> {
        self.0.lists.fetch_add(1, Ordering::SeqCst);
        self.answer()
    }

    async fn look(&self, _: &Context, pod: &PodId) -> Result<Snapshot> {
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        let mut now = self.answer()?;
        now.pods.retain(|one| one.id == *pod);
        now.containers.retain(|one| one.pod.as_ref() == Some(pod));
        Ok(now)
    }

    fn hints(&self, _: &Context) -> Option<Hints> {
        let hints = self.0.hints.lock().unwrap().take()?;
        Some(as_stream(hints).boxed())
    }
}

fn as_stream(hints: mpsc::UnboundedReceiver<Result<Hint>>) -> impl futures::Stream<Item = Result<Hint>> {
    futures::stream::unfold(hints, |mut hints| async { Some((hints.recv().await?, hints)) })
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "nobody listens").transient()
}

async fn next(events: &mut EventStream) -> Event {
    events.next().await.unwrap().unwrap()
}

async fn begun(system: &System) -> EventStream {
    let mut events = follow(system.clone(), &Context::background());
    assert_eq!(next(&mut events).await, Event::Init);
    while next(&mut events).await != Event::Synced {}
    events
}

#[tokio::test(start_paused = true)]
async fn what_exists_comes_first_then_what_changes() {
    let system = System::default();
    let (p, c) = (pod("p", PodPhase::Running), container("c", "p", ContainerPhase::Created));
    system.set(|now| *now = Snapshot::new(vec![p.clone()], vec![c.clone()]));
    let mut events = follow(system.clone(), &Context::background());
    for expected in [Event::Init, Event::PodApplied(p), Event::ContainerApplied(c), Event::Synced] {
        assert_eq!(next(&mut events).await, expected);
    }
    let running = container("c", "p", ContainerPhase::Running);
    system.set(|now| now.containers = vec![running.clone()]);
    assert_eq!(next(&mut events).await, Event::ContainerApplied(running));
    system.set(|now| *now = Snapshot::default());
    assert_eq!(next(&mut events).await, Event::ContainerDeleted("c".into()));
    assert_eq!(next(&mut events).await, Event::PodDeleted("p".into()));
}

#[tokio::test(start_paused = true)]
async fn pauses_double_to_the_cap_and_begin_again() {
    let system = System::default();
    let mut events = begun(&system).await;
    let quiet = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    // 50, 100, …, 800 ms, then one a second.
    let lists = system.lists();
    assert!((60..=66).contains(&lists), "{lists} lists in a minute");
    let started = Instant::now();
    system.set(|now| now.pods = vec![pod("p", PodPhase::Running)]);
    next(&mut events).await;
    assert!(started.elapsed() <= LONGEST_PAUSE);
    let started = Instant::now();
    system.set(|now| now.pods.clear());
    next(&mut events).await;
    assert!(started.elapsed() <= Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_system_that_went_away_is_waited_for_and_told_anew() {
    let system = System::default();
    system.set(|now| now.pods = vec![pod("a", PodPhase::Running), pod("b", PodPhase::Running)]);
    let mut events = begun(&system).await;
    system.fail(Some(gone));
    let quiet = tokio::time::timeout(Duration::from_secs(3600), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    system.set(|now| now.pods.truncate(1));
    system.fail(None);
    let resync = next(&mut events).await;
    assert!(matches!(&resync, Event::Resync { reason } if reason.contains("nobody listens")), "{resync:?}");
    assert_eq!(next(&mut events).await, Event::PodDeleted("b".into()));
    assert_eq!(next(&mut events).await, Event::PodApplied(pod("a", PodPhase::Running)));
    assert_eq!(next(&mut events).await, Event::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_system_that_is_away_at_first_is_waited_for() {
    let system = System::default();
    system.fail(Some(gone));
    let mut events = follow(system.clone(), &Context::background());
    let quiet = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    system.fail(None);
    assert_eq!(next(&mut events).await, Event::Init);
}

#[tokio::test(start_paused = true)]
async fn another_run_of_the_system_is_a_resync() {
    let system = System::default();
    system.set(|now| now.run = Some("one".into()));
    let mut events = begun(&system).await;
    system.set(|now| now.run = Some("two".into()));
    assert!(matches!(next(&mut events).await, Event::Resync { .. }));
    assert_eq!(next(&mut events).await, Event::Synced);
    let quiet = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    assert!(quiet.is_err(), "once: {quiet:?}");
}

#[tokio::test(start_paused = true)]
async fn refusals_end_it_at_once_and_strange_answers_after_a_while() {
    for (trouble, at_least) in [
        ((|| Error::new(ErrorKind::PermissionDenied, "no")) as fn() -> Error, Duration::ZERO),
        (|| Error::new(ErrorKind::Unavailable, "shut down for good"), Duration::ZERO),
        (|| Error::new(ErrorKind::Failed, "not initialized yet"), Duration::from_secs(30)),
    ] {
        let system = System::default();
        let mut events = begun(&system).await;
        let started = Instant::now();
        system.fail(Some(trouble));
        let error = events.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), trouble().kind());
        assert!(started.elapsed() >= at_least && started.elapsed() < at_least + 2 * LONGEST_PAUSE);
        assert!(events.next().await.is_none(), "an error is the end");
    }
}

#[tokio::test(start_paused = true)]
async fn hints_are_followed_at_once_and_looked_at_where_they_say() {
    let system = System::default();
    let hints = system.hints();
    let mut events = begun(&system).await;
    // Until lists are rare.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let (lists, started) = (system.lists(), Instant::now());
    system.set(|now| now.pods = vec![pod("p", PodPhase::Running)]);
    for _ in 0..3 {
        hints.send(Ok(Hint::InPod("p".into()))).unwrap();
    }
    assert_eq!(next(&mut events).await, Event::PodApplied(pod("p", PodPhase::Running)));
    let changed = pod("p", PodPhase::Stopped);
    hints.send(Ok(Hint::Changed(Change::Pod(changed.clone())))).unwrap();
    assert_eq!(next(&mut events).await, Event::PodApplied(changed.clone()));
    assert_eq!(system.lists(), lists);
    assert_eq!(system.0.looks.load(Ordering::SeqCst), 1, "hints that came together are followed together");
    system.set(|now| now.pods = vec![changed, pod("q", PodPhase::Running)]);
    hints.send(Ok(Hint::Somewhere)).unwrap();
    assert_eq!(next(&mut events).await, Event::PodApplied(pod("q", PodPhase::Running)));
    assert!(started.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_hint_told_is_found() {
    let system = System::default();
    let hints = system.hints();
    let mut events = begun(&system).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    system.set(|now| now.pods = vec![pod("p", PodPhase::Running)]);
    let started = Instant::now();
    next(&mut events).await;
    assert!(started.elapsed() <= Duration::from_secs(10));
    drop(hints);
}

#[tokio::test(start_paused = true)]
async fn hints_that_end_or_are_lost_are_a_resync_and_hints_that_are_not_there_none() {
    let system = System::default();
    let hints = system.hints();
    let mut events = begun(&system).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let again = system.hints();
    drop(hints);
    assert!(matches!(next(&mut events).await, Event::Resync { .. }));
    assert_eq!(next(&mut events).await, Event::Synced);
    again.send(Ok(Hint::Lost { reason: "too many".into() })).unwrap();
    assert_eq!(next(&mut events).await, Event::Resync { reason: "too many".into() });
    assert_eq!(next(&mut events).await, Event::Synced);

    let system = System::default();
    let hints = system.hints();
    let mut events = begun(&system).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    hints.send(Err(Error::unsupported("events"))).unwrap();
    let quiet = tokio::time::timeout(Duration::from_secs(60), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    system.set(|now| now.pods = vec![pod("p", PodPhase::Running)]);
    let started = Instant::now();
    next(&mut events).await;
    assert!(started.elapsed() <= LONGEST_PAUSE, "as often as without hints");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_too_slow_is_told_so_and_misses_nothing_that_stays() {
    let system = System::default();
    let hints = system.hints();
    let mut events = begun(&system).await;
    let phases = [PodPhase::Running, PodPhase::Stopped];
    for count in 0..2 * ROOM {
        hints.send(Ok(Hint::Changed(Change::Pod(pod("p", phases[count % 2]))))).unwrap();
    }
    let last = pod("p", PodPhase::Failed);
    system.set(|now| now.pods = vec![last.clone()]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut told = 0;
    loop {
        match next(&mut events).await {
            Event::PodApplied(_) => told += 1,
            Event::Resync { reason } => {
                assert!(reason.contains("behind"), "{reason}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, ROOM);
    assert_eq!(next(&mut events).await, Event::PodApplied(last));
    assert_eq!(next(&mut events).await, Event::Synced);
}

#[tokio::test(start_paused = true)]
async fn more_than_there_is_room_for_is_told_to_a_consumer_that_takes_its_time() {
    let system = System::default();
    system.set(|now| now.pods = (0..3 * ROOM).map(|id| pod(&id.to_string(), PodPhase::Running)).collect());
    let mut events = follow(system.clone(), &Context::background());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(next(&mut events).await, Event::Init);
    for _ in 0..3 * ROOM {
        assert!(matches!(next(&mut events).await, Event::PodApplied(_)));
    }
    assert_eq!(next(&mut events).await, Event::Synced);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_ends_the_work() {
    let system = System::default();
    let events = begun(&system).await;
    drop(events);
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&system.0), 1, "the work holds on to the system");
}

#[tokio::test(start_paused = true)]
async fn the_contexts_end_is_its_end() {
    let cancellation = CancellationToken::new();
    let cx = Context::background().with_cancellation(cancellation.clone());
    let mut events = follow(System::default(), &cx);
    assert_eq!(next(&mut events).await, Event::Init);
    cancellation.cancel();
    assert_eq!(events.next().await.unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(events.next().now_or_never().unwrap().is_none());
}
