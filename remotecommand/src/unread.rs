//! Commands that end with input that they never read, whose end nobody tells.
//!
//! containerd 1.6 tells the end of a command when it has got rid of all input that it has taken for it, and what the command
//! left unread stays in a pipe that nobody empties. What doesn't fit there is waited for until the container ends. Over SPDY
//! the outputs end all the same; in a WebSocket no channel ends alone. So when a session with much input has fallen silent, it
//! is looked whether its process is there, and when it isn't, and nothing more comes, the session ends: the command has ended,
//! but not how.

use std::{
    sync::{
        Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::sleep};

use crate::Remote;

/// Less input than this fits a pipe, from which it goes with the process.
const PIPE_BYTES: u64 = 64 << 10;

/// How long a session is silent before it is looked at, and after a look that found its process.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How long nothing must come of a command whose process is gone.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What goes through a session.
#[derive(Debug)]
pub(crate) struct Traffic {
    input_bytes: AtomicU64,
    messages: AtomicU64,
    held_back: AtomicBool,
    gone: watch::Sender<bool>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            input_bytes: AtomicU64::default(),
            messages: AtomicU64::default(),
            held_back: AtomicBool::default(),
            gone: watch::Sender::new(false),
        }
    }
}

impl Traffic {
    /// So much input was sent.
    pub(crate) fn sent(&self, bytes: usize) {
        self.input_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.heard();
    }

    /// Something came.
    pub(crate) fn heard(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// What came is being handed on, and nothing else is heard meanwhile.
    pub(crate) fn hold_back(&self, held_back: bool) {
        self.held_back.store(held_back, Ordering::Relaxed);
    }

    /// How many messages went through, if the next one would be heard.
    pub(crate) fn messages(&self) -> Option<u64> {
        (!self.held_back.load(Ordering::Relaxed)).then(|| self.messages.load(Ordering::Relaxed))
    }

    /// Waits until the process is seen to be gone.
    pub(crate) async fn process_gone(&self) {
        if self.gone.subscribe().wait_for(|gone| *gone).await.is_err() {
            std::future::pending().await
        }
    }

    /// Looks after the session's process, until that is gone or the session has ended.
    pub(crate) async fn watch(&self, session: Weak<Remote>) {
        let (mut pause, mut messages) = (FIRST_PAUSE, 0);
        loop {
            sleep(pause).await;
            let now = self.messages.load(Ordering::Relaxed);
            if now != messages {
                (pause, messages) = (FIRST_PAUSE, now);
                continue;
            }
            let Some(session) = session.upgrade().filter(|session| !session.has_ended()) else { return };
            let Some(kill) = session.kill() else { return };
            // Whoever drops the session meanwhile ends it.
            drop(session);
            if self.input_bytes.load(Ordering::Relaxed) > PIPE_BYTES {
                // What can't be seen at the moment counts as there.
                if matches!(kill.has_ended().await, Ok(true)) {
                    self.gone.send_replace(true);
                    return;
                }
            }
            pause = MAX_PAUSE.min(pause * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use async_trait::async_trait;
    use futures::SinkExt;
    use runtime_core::{ExecSession, ExitCause, Result, helpers::signal::Signal};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::timeout,
    };
    use tokio_tungstenite::tungstenite::{Message, protocol::Role};
    use tokio_util::{task::AbortOnDropHandle, task::TaskTracker};

    use super::*;
    use crate::{Channels, Kill, RawSession, Socket, channels, start};

    const HOUR: Duration = Duration::from_secs(3600);

    /// A process that goes on, or has ended; counts how often it is looked at.
    struct Process {
        has_ended: bool,
        looks: AtomicUsize,
    }

    #[async_trait]
    impl Kill for Process {
        async fn send(&self, _: Signal) -> Result<()> {
            Ok(())
        }

        async fn has_ended(&self) -> Result<bool> {
            self.looks.fetch_add(1, Ordering::Relaxed);
            Ok(self.has_ended)
        }
    }

    /// A session that has got so much input, and its server, which takes nothing of it.
    async fn session(process: &Arc<Process>, input: usize) -> (ExecSession, Socket<DuplexStream>) {
        let (near, far) = tokio::io::duplex(16 << 10);
        let socket = Socket::from_raw_socket(near, Role::Client, None).await;
        let wanted = Channels { stdin: true, tty: false };
        let parts = start(socket, wanted, true);
        let traffic = parts.link.traffic.clone().unwrap();
        let session = RawSession::new(parts, wanted, Some(Arc::clone(process) as _), TaskTracker::new());
        let weak = std::sync::Arc::downgrade(session.remote());
        let watch = tokio::spawn(async move { traffic.watch(weak).await });
        session.remote().watched_by(AbortOnDropHandle::new(watch));
        let mut session = session.into_session();
        let mut stdin = session.stdin.take().unwrap();
        tokio::spawn(async move { stdin.write_all(&vec![7; input]).await });
        (session, Socket::from_raw_socket(far, Role::Server, None).await)
    }

    fn process(has_ended: bool) -> Arc<Process> {
        Arc::new(Process { has_ended, looks: AtomicUsize::new(0) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_left_its_input_is_missed() {
        let process = process(true);
        let (mut session, mut server) = session(&process, 1 << 20).await;
        // A little is taken, so that it is known to be much.
        for _ in 0..4 {
            futures::StreamExt::next(&mut server).await.unwrap().unwrap();
        }
        server.send(Message::Binary(channels::message(1, b"enough\n"))).await.unwrap();
        let mut text = String::new();
        session.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "enough\n");
        assert_eq!(session.wait().await.unwrap().cause, ExitCause::Unknown);
        assert_eq!(process.looks.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_goes_on_is_looked_at_now_and_then() {
        let process = process(false);
        let (session, mut server) = session(&process, 1 << 20).await;
        for _ in 0..4 {
            futures::StreamExt::next(&mut server).await.unwrap().unwrap();
        }
        assert!(timeout(HOUR, session.wait()).await.is_err());
        let looks = process.looks.load(Ordering::Relaxed);
        assert!((30..=70).contains(&looks), "{looks}");
    }

    #[tokio::test(start_paused = true)]
    async fn little_input_is_no_reason_to_look() {
        let process = process(true);
        let (session, _server) = session(&process, 10).await;
        assert!(timeout(Duration::from_secs(60), session.wait()).await.is_err());
        assert_eq!(process.looks.load(Ordering::Relaxed), 0);
    }
}
