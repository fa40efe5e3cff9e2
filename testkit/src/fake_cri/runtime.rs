//! The server without its socket, for a kubelet in this process.

use std::io;
use std::path::Path;
use std::sync::Arc;

use k8s_cri::v1::*;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};

use super::FakeCriOptions;
use super::fake::Fake;
use super::server::directory;
use super::streaming::{Forwarding, attach, exec, ports};
use crate::engine::Engine;
use crate::streaming::client::Client;
use crate::streaming::outcome::Outcome;
use crate::streaming::websocket::{Agreed, Io, WebSocket};

/// A container runtime that answers as containerd does, called directly. Faults and the recorder of calls work as on the
/// socket. Dropping it ends the sessions; the engine lives on.
pub(crate) struct Runtime {
    fake: Arc<Fake>,
    end: CancellationToken,
    _sessions: DropGuard,
    dir: TempDir,
}

/// Writes methods that a method of [`Fake`] answers.
macro_rules! answered {
    ($($method:ident $name:literal $request:ident => $response:ident;)*) => {$(
        pub(crate) async fn $method(&self, request: $request) -> Result<$response, Status> {
            let answer = self.fake.answer($name, Request::new(request), |request| self.fake.$method(request));
            answer.await.map(Response::into_inner)
        }
    )*};
}

impl Runtime {
    pub(crate) fn new(engine: Engine) -> io::Result<Self> {
        let dir = directory(engine.state_dir())?;
        let end = CancellationToken::new();
        let options = FakeCriOptions::default();
        let fake = Arc::new(Fake::new(engine, dir.path().to_owned(), &options, end.clone()));
        Ok(Self { fake, _sessions: end.clone().drop_guard(), end, dir })
    }

    answered! {
        run_pod_sandbox "RunPodSandbox" RunPodSandboxRequest => RunPodSandboxResponse;
        stop_pod_sandbox "StopPodSandbox" StopPodSandboxRequest => StopPodSandboxResponse;
        remove_pod_sandbox "RemovePodSandbox" RemovePodSandboxRequest => RemovePodSandboxResponse;
        create_container "CreateContainer" CreateContainerRequest => CreateContainerResponse;
        start_container "StartContainer" StartContainerRequest => StartContainerResponse;
        exec_sync "ExecSync" ExecSyncRequest => ExecSyncResponse;
        image_status "ImageStatus" ImageStatusRequest => ImageStatusResponse;
        pull_image "PullImage" PullImageRequest => PullImageResponse;
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.fake.engine
    }

    /// A directory that goes with it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a command between the streams of a client.
    pub(crate) async fn exec(&self, request: ExecRequest, client: &mut Client) -> Outcome {
        exec::run(&self.fake, request, client).await
    }

    /// Connects a client with a container's first process.
    pub(crate) async fn attach(&self, request: AttachRequest, client: &mut Client) -> Outcome {
        attach::run(&self.fake, request, client).await
    }

    /// Begins to forward ports over a WebSocket.
    pub(crate) async fn forward(
        &self,
        request: PortForwardRequest,
        io: Io,
        agreed: Agreed,
    ) -> (WebSocket, Vec<Forwarding>) {
        ports::over_websocket(&self.fake, request, io, agreed).await
    }

    /// Runs a session to its end, or that of the runtime.
    pub(crate) fn spawn(&self, session: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.end.clone().run_until_cancelled_owned(session));
    }
}
