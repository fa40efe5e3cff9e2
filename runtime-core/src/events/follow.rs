//! The work behind a stream of events: look, tell the difference, wait for a reason to look again.

use std::{convert::Infallible, time::Duration};

use futures::stream;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Known, Snapshot, Source,
    listen::{Hinted, Listening},
};
use crate::{Context, Error, ErrorKind, Event, EventStream, PodId, Result};

/// How many events wait for the consumer.
pub(super) const ROOM: usize = 1024;
/// The first pause between two lists, and between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest, without hints and while the system is away.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest between two lists with hints: some systems lose theirs without a word.
const LONGEST_PAUSE_WITH_HINTS: Duration = Duration::from_secs(10);
/// How long a list may take before the system counts as away.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// How long errors are borne that aren't said to be passing: a runtime that is starting answers strange things.
const PATIENCE: Duration = Duration::from_secs(30);

/// The events of a system, by the contract of [`Pod::events`](crate::Pod::events). To be called within a tokio runtime.
pub fn follow(source: impl Source, cx: &Context) -> EventStream {
    let (queue, events) = mpsc::channel(ROOM);
    let follower = Follower {
        source,
        cx: cx.clone(),
        queue,
        known: Known::default(),
        run: None,
        hints: Listening::default(),
    };
    // Ended with the stream.
    let task = AbortOnDropHandle::new(tokio::spawn(follower.run()));
    let stream = stream::unfold((events, task), |(mut events, task)| async {
        let event = events.recv().await?;
        Some((event, (events, task)))
    });
    cx.bound(stream)
}

struct Follower<S> {
    source: S,
    cx: Context,
    queue: mpsc::Sender<Result<Event>>,
    /// What a consumer knows once it has had the last event in the queue.
    known: Known,
    run: Option<String>,
    hints: Listening,
}

/// Why it can't go on as it does.
enum Break {
    /// Changes may have been missed, for this reason.
    Missed(String),
    /// Nobody listens any more.
    Gone,
    /// It can't get better.
    Failed(Error),
}

impl<S: Source> Follower<S> {
    async fn run(mut self) {
        let mut beginning = Event::Init;
        loop {
            let Err(why) = self.turn(beginning).await;
            match why {
                Break::Missed(reason) => beginning = Event::Resync { reason },
                Break::Gone => return,
                Break::Failed(error) => {
                    // Gone meanwhile is fine.
                    drop(self.queue.send(Err(error)).await);
                    return;
                }
            }
        }
    }

    /// Tells everything, then changes for as long as none is missed.
    async fn turn(&mut self, beginning: Event) -> Result<Infallible, Break> {
        let now = self.first_list().await?;
        // However long the consumer takes: there is no more of it than there is in the system.
        for event in self.known.everything(beginning, &now) {
            self.known.told(&event);
            self.queue.send(Ok(event)).await.map_err(|_| Break::Gone)?;
        }
        self.run = now.run;
        let mut pause = FIRST_PAUSE;
        let mut next_list = Instant::now() + pause;
        loop {
            self.hints.begin_again(&self.source, &self.cx);
            let hinted = tokio::select! {
                () = self.queue.closed() => return Err(Break::Gone),
                hinted = self.hints.next() => hinted.map_err(Break::Missed)?,
                () = sleep_until(next_list) => Hinted { somewhere: true, ..Hinted::default() },
            };
            if self.follow_hints(&hinted).await? {
                let changed = self.look_everywhere().await?;
                let longest = if self.hints.are_there() { LONGEST_PAUSE_WITH_HINTS } else { LONGEST_PAUSE };
                pause = if changed { FIRST_PAUSE } else { longest.min(pause * 2) };
                next_list = Instant::now() + pause;
            }
        }
    }

    /// Lists until it works.
    async fn first_list(&mut self) -> Result<Snapshot, Break> {
        let (mut pause, mut odd_since) = (FIRST_PAUSE, None);
        loop {
            // Before the list, so that nothing falls in between.
            self.hints.begin(&self.source, &self.cx);
            let error = match self.source.list(&self.of_list()).await {
                Ok(now) => return Ok(now),
                Err(error) => error,
            };
            if is_away(&error) {
                odd_since = None;
            } else if is_final(&error) || odd_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE {
                return Err(Break::Failed(error));
            }
            tokio::select! {
                () = self.queue.closed() => return Err(Break::Gone),
                () = sleep(pause) => {}
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Tells what hints are about; whether everything has to be looked at as well.
    async fn follow_hints(&mut self, hinted: &Hinted) -> Result<bool, Break> {
        let mut everywhere = hinted.somewhere;
        for change in &hinted.changes {
            match self.known.change(change) {
                Some(events) => self.tell(events).await?,
                None => everywhere = true,
            }
        }
        if !everywhere {
            for pod in &hinted.pods {
                self.look_at(pod).await?;
            }
        }
        Ok(everywhere)
    }

    async fn look_at(&mut self, pod: &PodId) -> Result<(), Break> {
        let now = self.source.look(&self.of_list(), pod).await.map_err(failed)?;
        self.check_run(&now)?;
        self.tell(self.known.changes_in_pod(pod, &now)).await
    }

    /// Whether there was something new.
    async fn look_everywhere(&mut self) -> Result<bool, Break> {
        let now = self.source.list(&self.of_list()).await.map_err(failed)?;
        self.check_run(&now)?;
        let events = self.known.changes_to(&now);
        let changed = !events.is_empty();
        self.tell(events).await?;
        Ok(changed)
    }

    fn check_run(&self, now: &Snapshot) -> Result<(), Break> {
        if now.run == self.run {
            return Ok(());
        }
        Err(Break::Missed("the system was started anew".to_owned()))
    }

    /// Gives events to the consumer, who has to be fast enough.
    async fn tell(&mut self, events: Vec<Event>) -> Result<(), Break> {
        for event in events {
            let Ok(room) = self.queue.try_reserve() else { return Err(self.caught_up().await) };
            self.known.told(&event);
            room.send(Ok(event));
        }
        Ok(())
    }

    /// Waits until a slow consumer has had half of what waits for it, or is gone.
    async fn caught_up(&mut self) -> Break {
        match self.queue.reserve_many(ROOM / 2).await {
            Ok(_) => Break::Missed(format!("the consumer was more than {ROOM} events behind")),
            Err(_) => Break::Gone,
        }
    }

    fn of_list(&self) -> Context {
        self.cx.clone().with_timeout(LIST_TIMEOUT)
    }
}

/// What a look that failed means to a stream that was going on.
fn failed(error: Error) -> Break {
    if is_final(&error) { Break::Failed(error) } else { Break::Missed(error.to_string()) }
}

/// Whether the system is there again some time, however long that takes.
fn is_away(error: &Error) -> bool {
    error.is_transient() || error.kind() == ErrorKind::DeadlineExceeded
}

/// Whether asking again can't help.
fn is_final(error: &Error) -> bool {
    let strange = matches!(
        error.kind(),
        ErrorKind::Failed
            | ErrorKind::Protocol
            | ErrorKind::Unexpected
            | ErrorKind::ResourceExhausted
            | ErrorKind::InvalidState
            | ErrorKind::NotFound
            | ErrorKind::Cancelled
    );
    !is_away(error) && !strange
}
