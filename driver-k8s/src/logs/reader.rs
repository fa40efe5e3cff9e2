//! Reading a log to its end over as many connections as it takes.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use kube::client::Body;
use runtime_core::{Context, Error, ErrorKind, LogLine, LogOptions, Result};
use tokio::time::{Instant, sleep, timeout};

use super::{
    lines::Lines,
    position::{Had, Position, whole_second},
};
use crate::{
    driver::K8sDriver,
    error::Refusal,
    id::ContainerKey,
    streaming,
    target::{Target, missing},
};

/// How long a log that is followed may be silent before it is asked for anew: a connection of which nothing is left but this
/// end is silent, too.
const SILENCE: Duration = Duration::from_secs(300);

/// How long a log that is not followed may take to go on.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// For how long it is tried to go on, when the log is followed, and when it isn't.
const PATIENCE_FOLLOWING: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon it is tried again, doubling up to the other.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_secs(2);

pub(super) struct Reader {
    driver: K8sDriver,
    cx: Context,
    key: ContainerKey,
    options: LogOptions,
    stage: Stage,
    /// How often the container had been started anew in the life whose log this is.
    restarts: i32,
    body: Option<Body>,
    lines: Lines,
    had: Had,
    position: Position,
    /// Since when nothing came, with what was to blame for it.
    lost: Option<Instant>,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The container has not started.
    Waiting,
    Reading,
    /// The container has ended: what there is now is all.
    Last {
        previous: bool,
    },
    Over,
}

impl Reader {
    pub(super) fn new(
        driver: &K8sDriver,
        cx: &Context,
        key: &ContainerKey,
        options: &LogOptions,
        target: &Target,
    ) -> Self {
        let stage = match options.previous {
            true => Stage::Last { previous: true },
            false if !options.follow => Stage::Last { previous: false },
            false if target.has_started() => Stage::Reading,
            false => Stage::Waiting,
        };
        Self {
            driver: driver.clone(),
            cx: cx.clone(),
            key: key.clone(),
            options: options.clone(),
            stage,
            restarts: target.restarts(),
            body: None,
            lines: Lines::default(),
            had: Had::default(),
            position: Position::default(),
            lost: None,
            pause: FIRST_PAUSE,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<LogLine>> {
        loop {
            while let Some(line) = self.lines.next() {
                match line {
                    Ok(line) if !self.is_wanted(&line) => {}
                    Ok(line) => {
                        self.position.note(line.timestamp);
                        return Some(Ok(line));
                    }
                    Err(error) => return Some(Err(self.explained(error).await)),
                }
            }
            if self.stage == Stage::Over {
                return None;
            }
            if let Err(error) = self.step().await {
                self.stage = Stage::Over;
                return Some(Err(error));
            }
        }
    }

    fn is_wanted(&mut self, line: &LogLine) -> bool {
        // Servers take whole seconds.
        self.options.since.is_none_or(|since| line.timestamp >= since) && !self.had.line(line.timestamp)
    }

    /// A kubelet that has no log says so in its place, without a code: it may be that the log went with its container.
    async fn explained(&mut self, error: Error) -> Error {
        match self.driver.find_target(&self.cx, &self.key).await {
            Ok(Some(target)) if target.pod_is_going() => {
                let message = "the pod was deleted, and its logs with it";
                Error::new(ErrorKind::NotFound, message).with_source(error)
            }
            Ok(None) => missing(&self.key).with_source(error),
            _ => error,
        }
    }

    async fn step(&mut self) -> Result<()> {
        let Some(body) = &mut self.body else {
            return if self.stage == Stage::Waiting {
                self.wait_for_start().await
            } else {
                self.open().await
            };
        };
        let following = self.stage == Stage::Reading;
        match timeout(if following { SILENCE } else { ANSWER_TIMEOUT }, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    self.lines.push(bytes);
                    (self.lost, self.pause) = (None, FIRST_PAUSE);
                }
                Ok(())
            }
            Ok(Some(Err(error))) => self.go_on_after(Refusal::of_transport(&error).into()).await,
            Ok(None) => self.read_to_the_end().await,
            Err(_) if following => {
                self.body = None;
                Ok(())
            }
            Err(_) => self.go_on_after(silent()).await,
        }
    }

    async fn wait_for_start(&mut self) -> Result<()> {
        match self.driver.find_target(&self.cx, &self.key).await {
            Ok(Some(target)) if target.has_started() => {
                (self.stage, self.restarts) = (Stage::Reading, target.restarts());
                (self.lost, self.pause) = (None, FIRST_PAUSE);
                Ok(())
            }
            Ok(Some(target)) if !target.pod_has_ended() => {
                self.rest().await;
                Ok(())
            }
            Ok(_) => {
                self.stage = Stage::Over;
                Ok(())
            }
            Err(error) => self.go_on_after(error).await,
        }
    }

    /// Asks for the log, from where the reader is.
    async fn open(&mut self) -> Result<()> {
        let following = self.stage == Stage::Reading;
        let mut query = Vec::new();
        match self.stage {
            Stage::Reading => query.push(("follow", "true".to_owned())),
            Stage::Last { previous: true } => query.push(("previous", "true".to_owned())),
            _ => {}
        }
        let mut since = self.options.since.map(whole_second);
        if let Some((from, had)) = self.position.resume() {
            since = since.max(Some(from));
            self.had = had;
        } else if let Some(tail) = self.options.tail {
            query.push(("tailLines", tail.to_string()));
        }
        query.extend(since.map(|since| ("sinceTime", since.to_string())));
        let request = Request::get(streaming::log(&self.key, &query)).body(Vec::new());
        let request = request.map_err(|error| Error::new(ErrorKind::InvalidArgument, error.to_string()))?;
        self.lines = Lines::default();
        // The answer to a log that is followed begins with its first line. So that is no deadline of the context's, which would
        // be taken for a connection that is lost.
        let patience = if following { SILENCE } else { ANSWER_TIMEOUT };
        match timeout(patience, self.driver.client().send(&self.cx, &request)).await {
            Ok(Ok(answer)) => {
                self.body = Some(answer.into_body());
                Ok(())
            }
            Ok(Err(refusal)) => self.refused(refusal).await,
            Err(_) if following => Ok(()),
            Err(_) => self.go_on_after(silent()).await,
        }
    }

    /// What a refusal means, from how the container is.
    async fn refused(&mut self, refusal: Refusal) -> Result<()> {
        if refusal.error.is_transient() || refusal.code.is_some_and(|code| code >= 500) {
            return self.go_on_after(refusal.into()).await;
        }
        if !matches!(refusal.code, Some(400 | 404)) {
            return Err(refusal.into());
        }
        match self.driver.find_target(&self.cx, &self.key).await {
            // Removed, with what it wrote last.
            Ok(None) => Err(missing(&self.key)),
            Ok(Some(target)) if !target.has_started() && self.stage == Stage::Reading => {
                self.stage = Stage::Waiting;
                Ok(())
            }
            Ok(Some(target)) if !target.has_started() => {
                self.stage = Stage::Over;
                Ok(())
            }
            Ok(Some(_)) => Err(refusal.into()),
            Err(error) => self.go_on_after(error).await,
        }
    }

    /// The server sent all that it had. A container that has ended may have written more meanwhile, if it was the server that
    /// ended first.
    async fn read_to_the_end(&mut self) -> Result<()> {
        self.body = None;
        if self.stage != Stage::Reading {
            return self.finish();
        }
        match self.driver.find_target(&self.cx, &self.key).await {
            Ok(None) => self.finish(),
            Ok(Some(target)) if target.restarts() > self.restarts => {
                // The log of a life that is neither the present nor the previous one is gone.
                let is_previous = target.restarts() == self.restarts + 1 && target.has_previous();
                if !is_previous {
                    return self.finish();
                }
                self.stage = Stage::Last { previous: true };
                Ok(())
            }
            Ok(Some(target)) if target.is_running() => {
                self.rest().await;
                Ok(())
            }
            Ok(Some(_)) => {
                self.stage = Stage::Last { previous: false };
                Ok(())
            }
            Err(error) => self.go_on_after(error).await,
        }
    }

    fn finish(&mut self) -> Result<()> {
        self.lines.finish();
        self.stage = Stage::Over;
        Ok(())
    }

    /// Goes on a moment after a failure, unless there were only failures for too long.
    async fn go_on_after(&mut self, error: Error) -> Result<()> {
        self.body = None;
        let lost = *self.lost.get_or_insert_with(Instant::now);
        let patience = if self.options.follow { PATIENCE_FOLLOWING } else { PATIENCE };
        let is_hopeless = !error.is_transient() && error.kind() != ErrorKind::Unexpected;
        if is_hopeless || lost.elapsed() > patience {
            return Err(error);
        }
        tracing::debug!(%error, "a log is asked for anew");
        self.rest().await;
        Ok(())
    }

    async fn rest(&mut self) {
        sleep(self.pause).await;
        self.pause = MAX_PAUSE.min(self.pause * 2);
    }
}

fn silent() -> Error {
    Error::new(ErrorKind::Unavailable, "the server sends nothing of the log").transient()
}
