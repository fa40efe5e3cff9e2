//! One connection through the proxy: two directions, each pumped by the rules of the moment.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::call::{ActiveCall, Awaited, CallAction, CallWatch};
use super::chunk::{CHUNK_BYTES, Course, Plan, Stop};
use super::endpoint::{Reader, Stream};
use super::rule::{Direction, RuleSet};

pub(super) type Rules = watch::Receiver<RuleSet>;

/// What one connection needs from the proxy.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub(super) connection: u64,
    pub(super) seed: u64,
    pub(super) rules: Rules,
    pub(super) to_server_bytes: &'a AtomicU64,
    pub(super) to_client_bytes: &'a AtomicU64,
}

/// Why a connection ended before both sides had finished.
enum Broken {
    Cut,
    Reset,
    Lost,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Lost
    }
}

/// Pumps both ways until both have ended, or one breaks.
pub(super) async fn run(link: Link<'_>, mut client: Stream, mut server: Stream) {
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let awaited = Awaited::default();
        let course = |direction| Course::new(link.connection, direction, link.seed);
        let calls = |direction| CallWatch::new(direction, awaited.clone(), link.seed);
        tokio::try_join!(
            pump(
                course(Direction::ToServer),
                calls(Direction::ToServer),
                link.rules.clone(),
                from_client,
                to_server,
                link.to_server_bytes
            ),
            pump(
                course(Direction::ToClient),
                calls(Direction::ToClient),
                link.rules.clone(),
                from_server,
                to_client,
                link.to_client_bytes
            ),
        )
    };
    if let Err(Broken::Reset | Broken::Lost) = ended {
        client.reset();
        server.reset();
    }
}

async fn pump(
    mut course: Course,
    mut calls: CallWatch,
    mut rules: Rules,
    mut reader: Reader<'_>,
    mut writer: impl AsyncWrite + Unpin,
    counter: &AtomicU64,
) -> Result<(), Broken> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut is_garbled = false;
    let mut cut_at: Option<(Instant, Arc<ActiveCall>)> = None;
    loop {
        let plan = course.plan(&rules.borrow_and_update().bytes);
        if let Some((0, stop)) = plan.stop {
            match stop {
                Stop::Cut => return Err(Broken::Cut),
                Stop::Hang => changed(&mut rules).await,
                Stop::Reset => tokio::select! {
                    () = changed(&mut rules) => {}
                    more = reader.has_more() => {
                        if more? {
                            return Err(Broken::Reset);
                        }
                        return Ok(writer.shutdown().await?);
                    }
                },
            }
            continue;
        }
        let size = tokio::select! {
            biased;
            () = changed(&mut rules) => continue,
            () = time(cut_at.as_ref()) => {
                if cut_at.take().is_some_and(|(_, rule)| !rule.removed.is_cancelled()) {
                    return Err(Broken::Cut);
                }
                continue;
            }
            size = reader.read(&mut buffer[..plan.chunk_bytes()]) => size?,
        };
        if size == 0 {
            return Ok(writer.shutdown().await?);
        }
        slow_down(&plan, size, &mut rules).await;
        let hits = calls.hits(&buffer[..size], &rules.borrow().calls);
        let mut passed = 0;
        // What comes before a hit is passed on first.
        for (end, hit) in hits.into_iter().map(|(at, rule)| (at, Some(rule))).chain([(size, None)]) {
            let chunk = &mut buffer[passed..end];
            passed = end;
            course.pass(chunk, &plan);
            if is_garbled {
                calls.garble(chunk);
            }
            writer.write_all(chunk).await?;
            counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            let Some(rule) = hit else { continue };
            match rule.rule.action {
                CallAction::Cut => return Err(Broken::Cut),
                CallAction::Reset => return Err(Broken::Reset),
                CallAction::CutAfter(after) => cut_at = Some((Instant::now() + after, rule)),
                CallAction::Hang => rule.removed.cancelled().await,
                CallAction::Delay(delay) => {
                    // Removing the rule ends the wait.
                    let _ = timeout(delay, rule.removed.cancelled()).await;
                }
                CallAction::Garble => is_garbled = true,
            }
        }
    }
}

/// Waits as the plan says; healing the proxy ends the wait.
async fn slow_down(plan: &Plan, size: usize, rules: &mut Rules) {
    let wait = plan.delay.saturating_add(plan.pause(size));
    if wait.is_zero() {
        return;
    }
    tokio::select! {
        () = sleep(wait) => {}
        () = async { while rules.borrow().len() > 0 { changed(rules).await } } => {}
    }
}

/// Waits for a moment, if there is one.
async fn time(moment: Option<&(Instant, Arc<ActiveCall>)>) {
    match moment {
        Some((moment, _)) => sleep_until(*moment).await,
        None => std::future::pending().await,
    }
}

/// Waits for another set of rules; for ever once nobody can set them any more.
async fn changed(rules: &mut Rules) {
    if rules.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
