//! Learning of a daemon's end, whoever caused it, and clearing away what it leaves.
//!
//! The process that started a daemon reaps it, and writes down how it ended. Others only see that it did, and wait a moment for
//! that word. Whoever sees it first takes the sockets and the mount away, which nydusd leaves behind.

use std::{process::ExitStatus as Code, time::Duration};

use jiff::Timestamp;
use runtime_core::{ExitCause, ExitStatus, Result};
use tokio::{
    process::Child,
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    fuse,
    identity::Held,
    log::{Follower, From, is_followed, last_words},
    sockets,
};
use crate::{
    io_error::failed,
    state::{Claim, Ended, Record, Store, blocking},
};

/// How long the process that started a daemon may take to write down how it ended, and how often it is looked for that.
const WORD_TIMEOUT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Watches a daemon to its end, and follows its log. It ends when this is dropped; the daemon doesn't.
#[derive(Debug)]
pub(crate) struct Watching {
    /// Becomes true when the end is written down and everything is cleared away.
    ended: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Watching {
    /// A daemon that this process has started just now. To be called within a runtime.
    pub(crate) fn child(store: Store, record: Record, child: Child) -> Self {
        Self::begin(|ended| async move {
            let (how, follower) = reaped(&store, &record, child).await;
            finish(&store, &record, Some(how)).await;
            // Others wait for the word for as long as the log is followed.
            drop(follower);
            ended.send_replace(true);
        })
    }

    /// A daemon that another process has started, or another driver in this one.
    pub(crate) fn other(store: Store, record: Record, process: Held) -> Self {
        Self::begin(|ended| async move {
            seen(&store, &record, &process).await;
            let how = word(&store, &record).await;
            finish(&store, &record, how).await;
            ended.send_replace(true);
        })
    }

    fn begin<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(watch::Sender<bool>) -> F) -> Self {
        let (sender, ended) = watch::channel(false);
        Self { ended, _task: AbortOnDropHandle::new(tokio::spawn(work(sender))) }
    }

    pub(crate) fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// Told when it has ended.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }
}

/// Waits until a daemon has ended, and what it left is cleared away.
pub(crate) async fn ended(mut ended: watch::Receiver<bool>) {
    // Who watched may have gone, and won't say anything any more.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Waits for the end of a child.
async fn reaped(store: &Store, record: &Record, mut child: Child) -> (ExitStatus, Option<Follower>) {
    let mut follower = follow(store, record, From::Start).await;
    let code = tokio::select! {
        code = child.wait() => code,
        () = tell(record, &mut follower) => child.wait().await,
    };
    let cause = code.inspect_err(|error| tracing::warn!(pod = %record.id, %error, "can't reap the daemon"));
    let status = ExitStatus::new(cause.map_or(ExitCause::Unknown, cause_of)).at(Some(Timestamp::now()));
    drained(record, &mut follower).await;
    (status, follower)
}

/// Waits for the end of somebody else's child. If that somebody ends before it, its log is followed from here.
async fn seen(store: &Store, record: &Record, process: &Held) {
    let parent = record.creator.hold().ok().flatten();
    if let Some(parent) = parent {
        tokio::select! {
            biased;
            _ = process.ended() => return,
            _ = parent.ended() => {}
        }
    }
    let mut follower = follow(store, record, From::Now).await;
    tokio::select! {
        biased;
        _ = process.ended() => {}
        () = tell(record, &mut follower) => drop(process.ended().await),
    }
    drained(record, &mut follower).await;
}

/// Waits for the word of the process that reaps it.
async fn word(store: &Store, record: &Record) -> Option<ExitStatus> {
    let deadline = Instant::now() + WORD_TIMEOUT;
    let mut pause = FIRST_PAUSE;
    loop {
        let (store, record) = (store.clone(), record.clone());
        let looked = blocking(move || {
            let ended = store.ended(&record.id)?;
            // Who reaps it follows its log. The process may be there, and its driver gone.
            let will_say = || {
                Ok::<_, std::io::Error>(record.creator.is_alive()? && is_followed(&store.log(&record.id))?)
            };
            let will_say = will_say().map_err(|error| failed("look for the daemon's parent", error))?;
            Ok((ended, will_say))
        });
        match looked.await {
            Ok((Some(ended), _)) => return Some(ended.status),
            Ok((None, true)) if Instant::now() < deadline => {}
            _ => return None,
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

async fn finish(store: &Store, record: &Record, how: Option<ExitStatus>) {
    let (store, record) = (store.clone(), record.clone());
    let pod = record.id.clone();
    let done = blocking(move || {
        clear_away(&store, &record)?;
        let last_words = last_words(&store.log(&record.id));
        match how {
            Some(status) if store.ended(&record.id)?.is_none_or(|ended| ended.status != status) => {
                store.set_ended(&record.id, &Ended { status, last_words })
            }
            None => store.set_ended_unless_known(&record.id, &Ended::unknown(last_words)),
            Some(_) => Ok(()),
        }
    });
    if let Err(error) = done.await {
        tracing::warn!(%pod, %error, "a daemon has ended, and not everything of it could be cleared away");
    }
}

/// Takes away what a daemon that has ended left: its mount and its sockets. What another pod has taken over since is not its.
///
/// # Errors
/// Those of the host.
pub(crate) fn clear_away(store: &Store, record: &Record) -> Result<()> {
    let directory = store.pod(&record.id);
    let is_own = |place: &std::path::Path| {
        Ok::<_, runtime_core::Error>(
            place.starts_with(&directory) || store.has(&Claim::place(place), &record.id)?,
        )
    };
    if let Some(mountpoint) = record.places.mountpoint()
        && is_own(mountpoint)?
    {
        fuse::take_away(mountpoint)
            .map_err(|error| failed(format_args!("unmount {}", mountpoint.display()), error))?;
    }
    for socket in record.places.sockets() {
        if is_own(socket)? {
            sockets::remove_stale(socket)
                .map_err(|error| failed(format_args!("remove {}", socket.display()), error))?;
        }
    }
    Ok(())
}

async fn follow(store: &Store, record: &Record, from: From) -> Option<Follower> {
    let (path, pod) = (store.log(&record.id), record.id.clone());
    let opened =
        blocking(move || Follower::open(&path, pod, from).map_err(|error| failed("follow the log", error)));
    opened.await.unwrap_or_else(|error| {
        tracing::warn!(pod = %record.id, %error, "the daemon's log is not told");
        None
    })
}

/// Tells the log; ends only when that fails.
async fn tell(record: &Record, follower: &mut Option<Follower>) {
    let Some(following) = follower else { return std::future::pending().await };
    if let Err(error) = following.follow().await {
        tracing::warn!(pod = %record.id, %error, "the daemon's log is not told any more");
        *follower = None;
    }
}

async fn drained(record: &Record, follower: &mut Option<Follower>) {
    let Some(follower) = follower else { return };
    match follower.drain().await {
        Ok(_) => follower.finish(),
        Err(error) => tracing::debug!(pod = %record.id, %error, "the end of the daemon's log is not told"),
    }
}

fn cause_of(code: Code) -> ExitCause {
    use std::os::unix::process::ExitStatusExt;
    match (code.code(), code.signal()) {
        (Some(code), _) => ExitCause::Exited(code),
        (None, Some(signal)) => ExitCause::Signaled(signal),
        (None, None) => ExitCause::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn causes() {
        assert_eq!(cause_of(Code::from_raw(3 << 8)), ExitCause::Exited(3));
        assert_eq!(cause_of(Code::from_raw(6)), ExitCause::Signaled(6));
    }
}
