//! The running server: its socket, its connections, its end.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_cri::v1::image_service_server::ImageServiceServer;
use k8s_cri::v1::runtime_service_server::RuntimeServiceServer;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Server;

use super::Calls;
use super::fake::Fake;
use super::service::Service;
use super::streaming::{StreamServer, StreamingOptions};
use crate::connection::Connection;
use crate::engine::Engine;

/// What containerd sends and takes at most, unless it is configured otherwise.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// How a fake is started.
#[derive(Debug, Clone)]
pub struct FakeCriOptions {
    /// Where it listens; made by the fake, so nothing may be there. `None`: in a temporary directory.
    pub socket: Option<PathBuf>,
    /// The largest message sent or taken, in bytes; beyond it calls end in `ResourceExhausted`. 16 MiB as containerd.
    pub max_message_bytes: usize,
    /// This many exited containers are listed besides the real ones, to make a list long. They have ids and labels and
    /// can be looked at and removed; nothing ever ran in them.
    pub synthetic_containers: usize,
    /// It knows calls that came after containerd 1.6: `GetContainerEvents` of 1.7, and `RuntimeConfig` of 2.0.
    pub newer_calls: bool,
    /// The protocols of exec, attach and port-forward.
    pub streaming: StreamingOptions,
}

impl Default for FakeCriOptions {
    fn default() -> Self {
        Self {
            socket: None,
            max_message_bytes: MAX_MESSAGE_BYTES,
            synthetic_containers: 0,
            newer_calls: false,
            streaming: StreamingOptions::default(),
        }
    }
}

/// A CRI server that runs until it is dropped. The engine belongs to the caller and lives on.
///
/// As root, sandboxes have networks of their own (where the program `ip` is installed) and containers have walls. Accepted
/// without effect, as real runtimes do or because nobody can tell the difference here: the cgroup parent, OOM scores below
/// the engine's own, huge page limits, SELinux options (as on a kernel without SELinux), unknown capabilities to add,
/// annotations, permissions of devices, the sandbox's own seccomp profile and read-only root, and resources other than
/// memory, which are shown in the container's cgroup files and not enforced. The seccomp profile `RuntimeDefault` is a
/// short list of refused calls and brings `no_new_privs` with it.
///
/// Without root, or with the host's image, there are no walls: sandboxes share the host's network with the ip 127.0.0.1,
/// `ipc` modes, seccomp profiles and masked and read-only paths, which every client sends, mean nothing, and the rest is
/// refused.
pub struct FakeCri {
    socket: PathBuf,
    fake: Arc<Fake>,
    serving: Mutex<Option<Serving>>,
    /// Ends the commands that clients have started and lost.
    _sessions: DropGuard,
    _dir: TempDir,
}

/// One run of the server. Dropping it severs the connections and stops listening.
struct Serving {
    task: JoinHandle<()>,
    _streams: StreamServer,
    _connections: DropGuard,
}

impl FakeCri {
    /// Starts serving `engine`.
    ///
    /// # Errors
    /// When the socket can't be made.
    pub async fn start(engine: Engine, options: FakeCriOptions) -> io::Result<Self> {
        let dir = directory(engine.state_dir())?;
        let end = CancellationToken::new();
        let fake = Arc::new(Fake::new(engine, dir.path().to_owned(), &options, end.clone()));
        let socket = options.socket.unwrap_or_else(|| dir.path().join("cri.sock"));
        let serving = Mutex::new(Some(Serving::start(&socket, &fake)?));
        Ok(Self { socket, fake, serving, _sessions: end.drop_guard(), _dir: dir })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The engine behind it. Faults injected there under a method's name (`RunPodSandbox`) hit calls of that method;
    /// the fault's code is the name of a gRPC code (`Unavailable`).
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.fake.engine
    }

    /// What was called.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.fake.calls
    }

    /// Severs every connection as a crash does, and listens anew. Pods, containers and images stay.
    ///
    /// # Errors
    /// When the socket can't be made again; the fake is down then.
    pub async fn restart(&self) -> io::Result<()> {
        self.kill().await;
        self.start_again()
    }

    /// Severs every connection as a crash does, and leaves the socket's file without a listener. Pods, containers and images
    /// stay. Nothing happens if it is down.
    pub async fn kill(&self) {
        let Some(mut serving) = self.serving().take() else { return };
        serving.task.abort();
        // Aborted is what was asked for; the listener is closed once the task has ended.
        let _ = (&mut serving.task).await;
    }

    /// Listens again after [`kill`](Self::kill). Nothing happens if it is up.
    ///
    /// # Errors
    /// When the socket can't be made again.
    pub fn start_again(&self) -> io::Result<()> {
        let mut serving = self.serving();
        if serving.is_none() {
            remove_socket(&self.socket)?;
            *serving = Some(Serving::start(&self.socket, &self.fake)?);
        }
        Ok(())
    }

    fn serving(&self) -> MutexGuard<'_, Option<Serving>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory with the engine's files, where a sweep finds it; elsewhere if that would make the socket's path too long.
pub(super) fn directory(engine: &Path) -> io::Result<TempDir> {
    const ROOM_FOR_NAMES: usize = 32;
    let fits = engine.as_os_str().len() + ROOM_FOR_NAMES < SUN_PATH_BYTES;
    if fits { TempDir::with_prefix_in("fake-cri-", engine) } else { TempDir::with_prefix("fake-cri-") }
}

/// The most that a unix socket's path may have, its end included.
const SUN_PATH_BYTES: usize = 108;

impl Drop for FakeCri {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = remove_socket(&self.socket);
    }
}

impl fmt::Debug for FakeCri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeCri").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Serving {
    fn start(socket: &Path, fake: &Arc<Fake>) -> io::Result<Self> {
        let sever = CancellationToken::new();
        let streams = StreamServer::start(fake, sever.clone())?;
        let connections = UnixListenerStream::new(UnixListener::bind(socket)?);
        let incoming = connections.map({
            let sever = sever.clone();
            move |stream| stream.map(|stream| Connection::new(stream, sever.clone()))
        });
        let service = Service(Arc::clone(fake));
        // Sizes are checked by the service, which answers with containerd's code.
        let runtime = RuntimeServiceServer::new(service.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        let images = ImageServiceServer::new(service)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        let task = tokio::spawn(async move {
            let served =
                Server::builder().add_service(runtime).add_service(images).serve_with_incoming(incoming);
            if let Err(error) = served.await {
                tracing::warn!(%error, "the fake server ended");
            }
        });
        Ok(Self { task, _streams: streams, _connections: sever.drop_guard() })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn remove_socket(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
