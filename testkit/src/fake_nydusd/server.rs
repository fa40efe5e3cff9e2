//! The API server: its socket, its connections, and answers that are wrong on request.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Mutex, mpsc},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Fault, Mode, Wrong,
    answer::Answer,
    daemon::{Daemon, State},
    mounts::Mounts,
    request::{Received, Request, receive},
    routes::{self, Outcome},
};

/// What [`Wrong::HugeBody`] sends.
const HUGE_BODY_BYTES: usize = 100 * 1024 * 1024;

/// How a fake is started in a test's own process.
#[derive(Debug, Clone)]
pub struct FakeNydusdOptions {
    /// The API socket. A file of that name is removed first, as the real daemon does.
    pub socket: PathBuf,
    /// What it says that it serves.
    pub mode: Mode,
    /// Where paths that are not absolute begin.
    pub directory: PathBuf,
    /// What goes wrong. Those faults that are about a process have no effect here.
    pub faults: Vec<Fault>,
}

/// A daemon's API in this process, which serves until it is dropped. For one with a process, there is the program
/// `fake-nydusd`.
pub struct FakeNydusd {
    socket: PathBuf,
    _serving: AbortOnDropHandle<()>,
}

impl FakeNydusd {
    /// Listens, in the state RUNNING.
    ///
    /// # Errors
    /// When it can't listen there.
    pub fn start(options: FakeNydusdOptions) -> io::Result<Self> {
        let daemon = Daemon {
            mode: options.mode,
            state: if options.faults.contains(&Fault::NeverReady) { State::Init } else { State::Running },
            mounts: Mounts::default(),
            directory: options.directory,
            id: None,
            supervisor: None,
            log_level: "info".to_owned(),
        };
        let (server, mut ends) = Server::new(daemon, options.faults);
        let listener = listen(&options.socket)?;
        let serving = AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::select! {
                () = server.serve(listener) => {}
                // A daemon that panics takes its connections with it.
                Some(End::Panic | End::Exit) = ends.recv() => {}
            }
        }));
        Ok(Self { socket: options.socket, _serving: serving })
    }

    /// The API socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl fmt::Debug for FakeNydusd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeNydusd").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// Why a daemon ends by what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It was asked to; the answer is out.
    Asked,
    /// A fault makes it exit with 1.
    Exit,
    /// It panics.
    Panic,
}

/// What all connections share. Requests are answered one after the other, as the real server's one thread does.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) daemon: Arc<Mutex<Daemon>>,
    faults: Arc<Vec<Fault>>,
    ends: mpsc::UnboundedSender<End>,
}

/// Takes the place of whatever file is there; a directory is in the way.
pub(super) fn listen(socket: &Path) -> io::Result<UnixListener> {
    // The real daemon doesn't look whether this works either: binding tells.
    _ = std::fs::remove_file(socket);
    UnixListener::bind(socket)
}

impl Server {
    pub(super) fn new(daemon: Daemon, faults: Vec<Fault>) -> (Self, mpsc::UnboundedReceiver<End>) {
        let (ends, receiver) = mpsc::unbounded_channel();
        (Self { daemon: Arc::new(Mutex::new(daemon)), faults: Arc::new(faults), ends }, receiver)
    }

    /// Serves for ever.
    pub(super) async fn serve(self, listener: UnixListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => _ = connections.spawn(self.clone().connection(stream)),
                    // Out of descriptors, perhaps; others may be closed meanwhile.
                    Err(_) => tokio::task::yield_now().await,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(self, stream: UnixStream) {
        let mut stream = BufReader::new(stream);
        // A client that goes in the middle of something is no fault of the server's.
        while let Ok(received) = receive(&mut stream).await {
            let request = match received {
                Received::Request(request) => request,
                Received::Nonsense(answer) => {
                    // The real server drops with it whatever came along.
                    let came = stream.buffer().len();
                    stream.consume(came);
                    if send(&mut stream, &answer.bytes()).await.is_err() {
                        return;
                    }
                    continue;
                }
                Received::End => return,
            };
            if !matches!(self.answer(&mut stream, &request).await, Ok(true)) {
                return;
            }
        }
    }

    /// Answers one request; `false` when the connection is to be closed.
    async fn answer(&self, stream: &mut BufReader<UnixStream>, request: &Request) -> io::Result<bool> {
        let mut daemon = self.daemon.lock().await;
        let described = format!("{} {}", request.method, request.target);
        let wrong = self.faults.iter().find_map(|fault| fault.to(&described));
        match wrong {
            Some(Wrong::Hang) => std::future::pending().await,
            Some(Wrong::Slow) => tokio::time::sleep(Fault::SLOW).await,
            Some(Wrong::Close) => return Ok(false),
            Some(Wrong::Exit) => {
                _ = self.ends.send(End::Exit);
                return std::future::pending().await;
            }
            // A refusal means that nothing was done.
            Some(Wrong::NotJson) => return not_json(stream).await,
            _ => {}
        }
        let outcome = routes::answer(&mut daemon, request);
        let answer = match outcome {
            Outcome::Answer(answer) | Outcome::End(answer) if wrong.is_some() => {
                return send_wrong(stream, wrong, &answer).await;
            }
            Outcome::Answer(answer) => answer,
            Outcome::End(answer) => {
                send(stream, &answer.bytes()).await?;
                _ = self.ends.send(End::Asked);
                return Ok(true);
            }
            Outcome::Panic => {
                _ = self.ends.send(End::Panic);
                return std::future::pending().await;
            }
        };
        drop(daemon);
        send(stream, &answer.bytes()).await?;
        Ok(true)
    }
}

async fn send_wrong(
    stream: &mut BufReader<UnixStream>,
    wrong: Option<Wrong>,
    right: &Answer,
) -> io::Result<bool> {
    match wrong {
        Some(Wrong::Garbage) => send(stream, b"\x00\xff what HTTP would that be\r\n\r\n").await?,
        Some(Wrong::HalfBody) => {
            let head = "HTTP/1.1 200 \r\nServer: Nydus API\r\nContent-Type: application/json\r\nContent-Length: 242\r\n\r\n{\"version\":{";
            send(stream, head.as_bytes()).await?;
        }
        Some(Wrong::HugeBody) => {
            let head =
                format!("HTTP/1.1 200 \r\nServer: Nydus API\r\nContent-Length: {HUGE_BODY_BYTES}\r\n\r\n");
            send(stream, head.as_bytes()).await?;
            let piece = vec![b' '; 64 * 1024];
            for _ in 0..HUGE_BODY_BYTES / piece.len() {
                send(stream, &piece).await?;
            }
        }
        _ => {
            send(stream, &right.bytes()).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

async fn not_json(stream: &mut BufReader<UnixStream>) -> io::Result<bool> {
    let text = "<html>not what you think</html>";
    let length = text.len();
    let answer = format!("HTTP/1.1 500 \r\nServer: Nydus API\r\nContent-Length: {length}\r\n\r\n{text}");
    send(stream, answer.as_bytes()).await?;
    Ok(true)
}

async fn send(stream: &mut BufReader<UnixStream>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
