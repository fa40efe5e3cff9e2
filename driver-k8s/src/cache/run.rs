//! The work behind a cache: list, watch, and begin again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use kube::api::{ListParams, WatchParams};
use runtime_core::Context;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Change, Shared, State,
    lines::{Lines, Said},
    page,
};
use crate::{config::Config, error::Refusal};

/// How many pods a page of a list holds.
const PAGE: u32 = 500;

/// How long a page may take, and the answer to a watch.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The pauses between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The longest pause that a server is given which asks for one.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(16);

/// How soon a watch without a word is doubted while somebody waits; twice that the next time, until something comes.
const FIRST_SILENCE: Duration = Duration::from_secs(10);

/// How often a list is begun in pages whose end is too long after its beginning, before it is asked for as a whole.
const MAX_PAGED: u32 = 3;

/// How often what can't be read is asked for again before everything is listed anew.
const MAX_GARBLED: u32 = 2;

pub(super) struct Runner {
    shared: Arc<Shared>,
    watch: WatchParams,
    longest_silence: Duration,
    silence: Duration,
    pause: Duration,
    /// The last question before the server was asked last.
    asked: u64,
}

/// Why a watch ended.
enum End {
    /// It was its time, or it was silent: it can go on.
    Over,
    /// It failed, and can go on.
    Failed(Refusal),
    /// It can't go on.
    Stale(Refusal),
}

impl Runner {
    pub(super) fn new(shared: Arc<Shared>, config: &Config) -> Self {
        let seconds = u32::try_from(config.watch_timeout.as_secs()).unwrap_or(u32::MAX);
        // kube takes no longer ones.
        let watch = WatchParams::default().timeout(seconds.clamp(1, 294));
        Self {
            shared,
            watch,
            longest_silence: config.watch_silence,
            silence: FIRST_SILENCE,
            pause: FIRST_PAUSE,
            asked: 0,
        }
    }

    /// Never ends by itself.
    pub(super) async fn run(mut self) {
        let mut missed: Option<String> = None;
        loop {
            let version = match self.list().await {
                Ok(version) => version,
                Err(refusal) => {
                    self.away(refusal).await;
                    continue;
                }
            };
            if let Some(reason) = missed.take() {
                drop(self.shared.changes.send(Change::Missed(reason)));
            }
            missed = Some(self.watch(version).await.error.to_string());
        }
    }

    /// Lists everything. The version of the list.
    async fn list(&mut self) -> Result<String, Refusal> {
        for _ in 0..MAX_PAGED {
            match self.pages(Some(PAGE)).await {
                Err(refusal) if refusal.is_expired() => {}
                end => return end,
            }
        }
        self.pages(None).await
    }

    async fn pages(&mut self, limit: Option<u32>) -> Result<String, Refusal> {
        self.hear();
        self.shared.store().begin_list();
        let mut what = ListParams { limit, ..ListParams::default() };
        loop {
            let cx = Context::background().with_timeout(TIMEOUT);
            let text = self.shared.pods.list_text(&cx, &what).await?;
            let page = page::read(&text, |pod| self.shared.apply(pod))?;
            if let Some(next) = page.continue_.filter(|next| !next.is_empty()) {
                what.continue_token = Some(next);
                continue;
            }
            let version =
                page.resource_version.ok_or_else(|| Refusal::malformed("a list without a version"))?;
            let gone = self.shared.store().end_list(version.parse().ok());
            self.shared.tell(gone);
            return Ok(version);
        }
    }

    /// Watches from this version on, for as long as that is possible. Why it isn't any more.
    async fn watch(&mut self, mut version: String) -> Refusal {
        let mut garbled = 0;
        loop {
            let from = version.clone();
            match self.watch_once(&mut version).await {
                End::Over => {}
                End::Stale(refusal) => return refusal,
                End::Failed(refusal) => {
                    let is_garbled = refusal.code.is_none() && !refusal.error.is_transient();
                    garbled = if is_garbled && from == version { garbled + 1 } else { 0 };
                    if garbled >= MAX_GARBLED {
                        return refusal;
                    }
                    self.away(refusal).await;
                }
            }
        }
    }

    /// One watch, which keeps up to which version it has told everything.
    async fn watch_once(&mut self, version: &mut String) -> End {
        self.hear();
        let cx = Context::background().with_timeout(TIMEOUT);
        let body = match self.shared.pods.watch(&cx, &self.watch, version).await {
            Ok(body) => body,
            Err(refusal) if refusal.is_expired() => return End::Stale(refusal),
            Err(refusal) => return End::Failed(refusal),
        };
        self.shared.state.send_replace(State::Live);
        let mut lines = Lines::new(body);
        let mut heard = Instant::now();
        let began = heard;
        loop {
            let longest = if self.shared.store().is_followed() { self.silence } else { self.longest_silence };
            let said = tokio::select! {
                said = lines.next() => said,
                () = self.shared.hurry.notified() => {
                    self.silence = FIRST_SILENCE;
                    continue;
                }
                () = sleep_until(heard + longest.min(self.longest_silence)) => {
                    self.silence = self.longest_silence.min(self.silence * 2);
                    return End::Over;
                }
            };
            heard = Instant::now();
            match said {
                Ok(Some(said)) => {
                    self.pause = FIRST_PAUSE;
                    if let Err(refusal) = self.take(said, version) {
                        return if refusal.is_expired() { End::Stale(refusal) } else { End::Failed(refusal) };
                    }
                }
                // One that ends at once would be asked for over and over.
                Ok(None) if began.elapsed() < FIRST_PAUSE => {
                    sleep(FIRST_PAUSE).await;
                    return End::Over;
                }
                Ok(None) => return End::Over,
                Err(refusal) => return End::Failed(refusal),
            }
        }
    }

    fn take(&mut self, said: Said, version: &mut String) -> Result<(), Refusal> {
        let told = match said {
            Said::Applied(pod) => {
                let told = pod.metadata.resource_version.clone();
                self.shared.apply(*pod);
                self.silence = FIRST_SILENCE;
                told
            }
            Said::Deleted(pod) => {
                let told = pod.metadata.resource_version.clone();
                let gone = self.shared.store().delete(*pod);
                self.shared.tell(gone);
                self.silence = FIRST_SILENCE;
                told
            }
            Said::UpTo(told) => Some(told),
            Said::Ended(refusal) => return Err(refusal),
        };
        *version = told.ok_or_else(|| Refusal::malformed("an event without a version"))?;
        Ok(())
    }

    /// The server is about to be asked: what it says answers every question so far.
    fn hear(&mut self) {
        self.asked = self.shared.questions.load(Ordering::Relaxed);
    }

    /// The server can't be asked for this reason: says so, and waits before the next try, or until somebody wants to know.
    async fn away(&mut self, refusal: Refusal) {
        tracing::debug!(error = %refusal.error, "pods can't be watched");
        // A watch that is cut goes on with the next; only one that can't be made anew leaves nothing known.
        let is_first = self.pause == FIRST_PAUSE && refusal.error.is_transient();
        let was_live = matches!(*self.shared.state.borrow(), State::Live);
        if !(is_first && was_live) {
            self.shared.state.send_replace(State::Away(refusal.error, self.asked));
        }
        let pause = self.pause;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        if let Some(told) = refusal.retry_after {
            return sleep(told.max(pause).min(LONGEST_RETRY_AFTER)).await;
        }
        tokio::select! {
            () = self.shared.hurry.notified() => self.silence = FIRST_SILENCE,
            () = sleep(pause) => {}
        }
    }
}
