//! The reference for nydusd: the program started by hand, and requests written by hand on one kept connection.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::sleep,
};

use crate::Result;

/// How often the reference looks whether the daemon is ready.
const POLL: Duration = Duration::from_micros(500);

/// A daemon without wharf.
#[derive(Debug)]
pub(crate) struct RawDaemon {
    process: Child,
    connection: Connection,
}

impl RawDaemon {
    /// Starts the program in a directory of its own, and asks every half millisecond whether it runs. Returns with how long
    /// that took.
    pub(crate) async fn start(program: &Path, directory: &Path) -> Result<(Self, Duration)> {
        tokio::fs::create_dir_all(directory).await?;
        let api = directory.join("api.sock");
        let start = Instant::now();
        let mut command = Command::new(program);
        command.arg("virtiofs").arg("--sock").arg(directory.join("vhost.sock"));
        command.arg("--apisock").arg(&api).args(["--rlimit-nofile", "0"]);
        // Its log is kept, as everybody who runs a daemon does.
        let log = std::fs::File::create(directory.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let process = command.spawn()?;
        loop {
            if let Ok(mut connection) = Connection::open(&api).await {
                let (status, body) = connection.request(Method::GET, "/api/v1/daemon", "").await?;
                let says_running = String::from_utf8_lossy(&body).contains(r#""state":"RUNNING""#);
                if status == StatusCode::OK && says_running {
                    return Ok((Self { process, connection }, start.elapsed()));
                }
            }
            sleep(POLL).await;
        }
    }

    /// Kills it.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Mounts an image.
    pub(crate) async fn mount(&mut self, id: &str, body: &str) -> Result<()> {
        self.change(Method::POST, id, body).await
    }

    /// Unmounts an image.
    pub(crate) async fn unmount(&mut self, id: &str) -> Result<()> {
        self.change(Method::DELETE, id, "").await
    }

    async fn change(&mut self, method: Method, id: &str, body: &str) -> Result<()> {
        let path = format!("/api/v1/mount?mountpoint=/rafs/{id}/lowerdir");
        match self.connection.request(method, &path, body).await? {
            (StatusCode::NO_CONTENT, _) => Ok(()),
            (status, body) => Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into()),
        }
    }
}

/// A kept connection.
#[derive(Debug)]
struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    async fn open(socket: &PathBuf) -> Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the daemon.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    async fn request(&mut self, method: Method, path: &str, body: &str) -> Result<(StatusCode, Bytes)> {
        let request = Request::builder().method(method).uri(path).header("host", "nydusd");
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
        self.0.ready().await?;
        let response = self.0.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
