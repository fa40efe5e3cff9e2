//! The calls of the API.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header};
use runtime_core::{Context, Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;

use super::{
    connection::{Answer, Connection},
    error::{self, Failure, Outcome},
    mountpoint::with_query,
    wire::{DaemonInfo, MountRequest},
};

/// How many calls may be under way at once. The daemon works one by one, and takes only so many connections.
const MOST_CALLS: usize = 4;

/// The longest call that the daemon takes. Of a longer one it reads nothing, and closes the connection.
const LONGEST_CALL: usize = 51200;

/// A daemon's API. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub(crate) struct Client(Arc<Shared>);

struct Shared {
    socket: PathBuf,
    /// The one connection that is kept while nobody calls.
    kept: Mutex<Option<Connection>>,
    calls: Semaphore,
}

impl Client {
    /// A client of the daemon with this socket. It connects with the first call.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self(Arc::new(Shared { socket, kept: Mutex::default(), calls: Semaphore::new(MOST_CALLS) }))
    }

    /// The daemon's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// What the daemon says about itself, and what is mounted on it.
    pub(crate) async fn info(&self, cx: &Context) -> Result<DaemonInfo, Failure> {
        self.get(cx, "/api/v1/daemon").await
    }

    /// Mounts. A mountpoint that is in use is a refusal like others: [`info`](Self::info) tells.
    pub(crate) async fn mount(
        &self,
        cx: &Context,
        mountpoint: &str,
        request: &MountRequest,
    ) -> Result<(), Failure> {
        let body = to_json(request)?;
        self.act(cx, Method::POST, &mount_path(mountpoint), Some(body), Repeat::Never).await
    }

    /// Puts another image in the place of the one that is mounted there.
    pub(crate) async fn remount(
        &self,
        cx: &Context,
        mountpoint: &str,
        request: &MountRequest,
    ) -> Result<(), Failure> {
        let body = to_json(request)?;
        self.act(cx, Method::PUT, &mount_path(mountpoint), Some(body), Repeat::IfLost).await
    }

    /// Unmounts; not mounted is `Ok`, and so is a daemon that has ended.
    pub(crate) async fn unmount(&self, cx: &Context, mountpoint: &str) -> Result<()> {
        match self.act(cx, Method::DELETE, &mount_path(mountpoint), None, Repeat::IfLost).await {
            // Not mounted has no code of its own, so the daemon is asked.
            Err(failure)
                if failure.outcome == Outcome::Refused && failure.error.kind() == ErrorKind::Failed =>
            {
                match self.info(cx).await {
                    Ok(info) if !info.mounts.contains_key(mountpoint) => Ok(()),
                    _ => Err(failure.error),
                }
            }
            Err(failure) if failure.outcome == Outcome::Gone => Ok(()),
            done => Ok(done?),
        }
    }

    /// Has the daemon do something once.
    pub(crate) async fn put(&self, cx: &Context, path: &str) -> Result<()> {
        Ok(self.act(cx, Method::PUT, path, None, Repeat::Never).await?)
    }

    /// Sets something, which may be done twice.
    pub(crate) async fn set(&self, cx: &Context, path: &str, value: &impl Serialize) -> Result<()> {
        let body = to_json(value)?;
        Ok(self.act(cx, Method::PUT, path, Some(body), Repeat::IfLost).await?)
    }

    /// A call for data, of which there may be none.
    pub(crate) async fn find<T: DeserializeOwned>(&self, cx: &Context, path: &str) -> Result<Option<T>> {
        let answer = self.call(cx, Method::GET, path, None, Repeat::IfLost).await?;
        match answer.status {
            StatusCode::NO_CONTENT => Ok(None),
            _ => serde_json::from_slice(&answer.body).map(Some).map_err(|error| error::unreadable(&error)),
        }
    }

    /// A call for data.
    pub(crate) async fn get<T: DeserializeOwned>(&self, cx: &Context, path: &str) -> Result<T, Failure> {
        let answer = self.call(cx, Method::GET, path, None, Repeat::IfLost).await?;
        serde_json::from_slice(&answer.body).map_err(|error| Failure::unknown(error::unreadable(&error)))
    }

    /// A call for a deed.
    async fn act(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        repeat: Repeat,
    ) -> Result<(), Failure> {
        self.call(cx, method, path, body, repeat).await.map(drop)
    }

    /// Any call. What is answered with a success comes back.
    async fn call(
        &self,
        cx: &Context,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        repeat: Repeat,
    ) -> Result<Answer, Failure> {
        cx.check().map_err(Failure::not_sent)?;
        let answer = tokio::select! {
            biased;
            answer = self.exchange(&method, path, body.unwrap_or_default(), repeat) => answer?,
            error = cx.ended() => return Err(Failure::unknown(error)),
        };
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(answer),
            status => Err(Failure::refused(status, &answer.body)),
        }
    }

    /// A kept connection may have been closed a moment ago; that is no reason to fail what can be sent again.
    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Bytes,
        repeat: Repeat,
    ) -> Result<Answer, Failure> {
        let _permit = self.0.calls.acquire().await.map_err(|_| Failure::not_sent(closed()))?;
        let kept = lock(&self.0.kept).take().filter(Connection::is_open);
        if let Some(mut connection) = kept {
            match connection.call(request(method, path, body.clone())?).await {
                Ok(answer) => {
                    self.keep(connection);
                    return Ok(answer);
                }
                Err(failure) if !repeat.allows(&failure) => return Err(failure),
                Err(_) => {}
            }
        }
        let mut connection = Connection::open(&self.0.socket).await?;
        let answer = connection.call(request(method, path, body)?).await?;
        self.keep(connection);
        Ok(answer)
    }

    fn keep(&self, connection: Connection) {
        if connection.is_open() {
            *lock(&self.0.kept) = Some(connection);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("socket", &self.0.socket).finish_non_exhaustive()
    }
}

/// When a call that failed on a kept connection is sent again.
#[derive(Clone, Copy)]
enum Repeat {
    /// Only if it can't have arrived.
    Never,
    /// Also if its answer was lost: twice is as good as once.
    IfLost,
}

impl Repeat {
    fn allows(self, failure: &Failure) -> bool {
        match failure.outcome {
            Outcome::NotSent | Outcome::Gone => true,
            // What answered with garbage would do so again.
            Outcome::Unknown => {
                matches!(self, Self::IfLost) && failure.error.kind() == ErrorKind::Unavailable
            }
            Outcome::Refused => false,
        }
    }
}

fn mount_path(mountpoint: &str) -> String {
    with_query("/api/v1/mount", "mountpoint", mountpoint)
}

fn request(method: &Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    let request =
        if body.is_empty() { request } else { request.header(header::CONTENT_TYPE, "application/json") };
    request.body(Full::new(body)).map_err(|error| {
        let message = "the call can't be written as HTTP";
        Failure::not_sent(Error::new(ErrorKind::InvalidArgument, message).with_source(error))
    })
}

fn to_json(value: &impl Serialize) -> Result<Bytes, Failure> {
    let body = serde_json::to_vec(value).map_err(|_| {
        Failure::not_sent(Error::new(ErrorKind::InvalidArgument, "it can't be written as JSON"))
    })?;
    if body.len() > LONGEST_CALL {
        let message = format!("{} bytes are more than the {LONGEST_CALL} that the daemon takes", body.len());
        return Err(Failure::not_sent(Error::new(ErrorKind::ResourceExhausted, message)));
    }
    Ok(Bytes::from(body))
}

fn closed() -> Error {
    Error::new(ErrorKind::Unexpected, "the client was closed")
}

/// A panic in another task must not end this one's calls.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
