//! Ending a daemon's process.

use std::{path::Path, time::Duration};

use runtime_core::{Context, Error, ErrorKind, Result};
use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    identity::Held,
    sockets::{self, Found},
};
use crate::{io_error::failed, state::blocking};

/// How long a process that was killed may take to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The first and the longest pause between two tries to wake it.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Ends a process: by SIGTERM, and by SIGKILL once the grace period is over. Without one it is killed at once.
///
/// In virtiofs mode nydusd takes note of the SIGTERM, but then waits in `accept` on its vhost-user socket for ever: it ends
/// when somebody connects.
///
/// # Errors
/// `PermissionDenied` for a process that is not in this one's power; `DeadlineExceeded` for one that doesn't end by SIGKILL
/// either; the context's end.
pub(crate) async fn stop(cx: &Context, process: &Held, vhost: Option<&Path>, grace: Duration) -> Result<()> {
    let signal = |signal| process.signal(signal).map_err(|error| failed("signal the daemon", error));
    if !grace.is_zero() {
        signal(Signal::TERM)?;
        let deadline = Instant::now().checked_add(grace);
        let ended = cx.run(async {
            let ending = ended(process, vhost);
            match deadline {
                Some(deadline) => timeout_at(deadline, ending).await.unwrap_or(Ok(false)),
                None => ending.await,
            }
        });
        if ended.await? {
            return Ok(());
        }
    }
    signal(Signal::KILL)?;
    // It is killed, so it is waited for even if the caller doesn't any more.
    let deadline = Instant::now() + KILL_TIMEOUT;
    match timeout_at(deadline, ended(process, None)).await {
        Ok(ended) => ended.map(drop),
        Err(_) => {
            let message = format!("the daemon, process {}, does not end by SIGKILL", process.pid());
            Err(Error::new(ErrorKind::DeadlineExceeded, message))
        }
    }
}

/// Waits for the end, and wakes the daemon meanwhile.
async fn ended(process: &Held, vhost: Option<&Path>) -> Result<bool> {
    let waking = async {
        let Some(socket) = vhost else { return std::future::pending().await };
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
            wake(socket, process.pid()).await;
        }
    };
    tokio::select! {
        biased;
        ended = process.ended() => ended.map(|()| true).map_err(|error| failed("wait for the daemon", error)),
        () = waking => Ok(false),
    }
}

/// Connects, which is all it takes. Whoever else listens there is none the wiser.
async fn wake(socket: &Path, pid: u32) {
    let socket = socket.to_owned();
    let looked =
        blocking(move || sockets::look(&socket).map_err(|error| failed("wake the daemon", error))).await;
    match looked {
        Ok(Found::Live(listener)) if listener.pid != Some(pid) => {
            tracing::debug!(pid, ?listener, "somebody else listens on the daemon's socket");
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(pid, %error, "can't wake the daemon"),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::Stdio};

    use tokio::{
        io::AsyncReadExt,
        process::{Child, Command},
    };

    use super::*;

    /// A shell that has run the script until it says something.
    async fn start(script: &str) -> (Child, Held) {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut said).await.unwrap();
        let held = Held::of(child.id().unwrap()).unwrap().unwrap();
        (child, held)
    }

    async fn signal_that_ended(mut child: Child) -> Option<i32> {
        child.wait().await.unwrap().signal()
    }

    #[tokio::test]
    async fn by_term_by_kill_after_the_grace_period_or_by_kill_at_once() {
        let cx = Context::background();
        let (child, held) = start("echo; exec sleep 1000").await;
        stop(&cx, &held, None, Duration::from_secs(60)).await.unwrap();
        stop(&cx, &held, None, Duration::from_secs(60)).await.unwrap();
        assert_eq!(signal_that_ended(child).await, Some(15));

        let (child, held) = start("trap '' TERM; echo; while :; do sleep 0.01; done").await;
        stop(&cx, &held, None, Duration::from_millis(30)).await.unwrap();
        assert_eq!(signal_that_ended(child).await, Some(9));

        let (child, held) = start("trap 'exit 3' TERM; echo; while :; do sleep 0.01; done").await;
        stop(&cx, &held, None, Duration::ZERO).await.unwrap();
        assert_eq!(signal_that_ended(child).await, Some(9));
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_is_not_kept() {
        let (_child, held) = start("trap '' TERM; echo; while :; do sleep 0.01; done").await;
        let cx = Context::background().with_timeout(Duration::from_millis(20));
        let error = stop(&cx, &held, None, Duration::from_secs(60)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
        assert!(!held.has_ended());
    }
}
