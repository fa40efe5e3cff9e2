//! Requests to the port layer: HTTP/1.1 over TCP, with deadlines. What is tried again is up to the caller, who knows whether that
//! is safe.

use std::{convert::Infallible, fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::Stream;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, USER_AGENT},
};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use runtime_core::{Context, Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use crate::{error::Refusal, path::Path};

/// How this client calls itself.
pub(crate) const AGENT: &str = concat!("wharf/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept that nobody uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer that is read as a whole.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The largest refusal that is read.
pub(crate) const MAX_REFUSAL_BYTES: usize = 1 << 20;

/// What a request carries.
type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A port layer. Cheap to clone; clones share connections.
#[derive(Clone)]
pub(crate) struct Client(Arc<Shared>);

struct Shared {
    pool: Pool<HttpConnector, Body>,
    authority: String,
}

impl Client {
    /// A client of the port layer at `HOST:PORT`. It connects with the first request.
    pub(crate) fn new(authority: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self(Arc::new(Shared { pool, authority: authority.to_owned() }))
    }

    /// A request for data.
    pub(crate) async fn get<T: DeserializeOwned>(&self, cx: &Context, path: Path) -> Result<T, Refusal> {
        self.call(cx, Method::GET, path, None::<&()>).await
    }

    /// A request with a JSON body, or none, for data. The body goes with any method: the port layer wants some with GET.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        cx: &Context,
        method: Method,
        path: Path,
        body: Option<&impl Serialize>,
    ) -> Result<T, Refusal> {
        let answer = self.exchange(cx, method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| Refusal::malformed(&error))
    }

    /// A request for a deed, whose answer says nothing more.
    pub(crate) async fn act(&self, cx: &Context, method: Method, path: Path) -> Result<(), Refusal> {
        self.exchange(cx, method, path, None::<&()>).await.map(drop)
    }

    /// A request whose answer is handed over as it comes. The context ends only the wait for its beginning.
    pub(crate) async fn stream(&self, cx: &Context, path: Path) -> Result<Incoming, Refusal> {
        let request = self.request(Method::GET, path)?.body(empty());
        let request = request.map_err(unwritable)?;
        Ok(self.send(cx, request).await?.into_body())
    }

    /// Sends bytes as they come, until they end.
    pub(crate) async fn upload(
        &self,
        cx: &Context,
        path: Path,
        content: &'static str,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Refusal> {
        use futures::TryStreamExt;
        let body = StreamBody::new(bytes.map_ok(Frame::data)).boxed_unsync();
        let request = self.request(Method::POST, path)?.header(CONTENT_TYPE, content).body(body);
        let answer = self.send(cx, request.map_err(unwritable)?).await?;
        read(cx, answer.into_body(), MAX_REFUSAL_BYTES).await.map(drop)
    }

    async fn exchange(
        &self,
        cx: &Context,
        method: Method,
        path: Path,
        body: Option<&impl Serialize>,
    ) -> Result<Bytes, Refusal> {
        // Every request says that it is JSON, with or without a body: the server refuses others.
        let request = self.request(method, path)?.header(CONTENT_TYPE, "application/json");
        let body = match body {
            Some(body) => json(body)?,
            None => empty(),
        };
        let answer = self.send(cx, request.body(body).map_err(unwritable)?).await?;
        read(cx, answer.into_body(), MAX_ANSWER_BYTES).await
    }

    fn request(&self, method: Method, path: Path) -> Result<hyper::http::request::Builder, Refusal> {
        uri_of(&self.0.authority, &path).map(|uri| {
            Request::builder()
                .method(method)
                .uri(uri)
                .header(USER_AGENT, HeaderValue::from_static(AGENT))
                .header(ACCEPT, "application/json, application/octet-stream, text/plain")
        })
    }

    async fn send(&self, cx: &Context, request: Request<Body>) -> Result<Response<Incoming>, Refusal> {
        cx.check().map_err(Refusal::unsent)?;
        let sending = self.0.pool.request(request);
        let answer = cx.run(async { Ok(sending.await) }).await.map_err(Refusal::ended)?;
        let answer = answer.map_err(|error| Refusal::of_transport(&error))?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status => Err(refused(cx, status, answer.into_body()).await),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("authority", &self.0.authority).finish_non_exhaustive()
    }
}

/// Reads the rest of an answer.
pub(crate) async fn read(cx: &Context, body: Incoming, most: usize) -> Result<Bytes, Refusal> {
    let reading = cx.run(async { Ok(Limited::new(body, most).collect().await) }).await;
    let collected = reading.map_err(Refusal::ended)?;
    Ok(collected.map_err(|error| Refusal::of_transport(error.as_ref()))?.to_bytes())
}

pub(crate) async fn refused(cx: &Context, status: StatusCode, body: Incoming) -> Refusal {
    let body = read(cx, body, MAX_REFUSAL_BYTES).await.unwrap_or_default();
    Refusal::answered(status.as_u16(), &body)
}

fn uri_of(authority: &str, path: &Path) -> Result<hyper::Uri, Refusal> {
    hyper::Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(path.as_str())
        .build()
        .map_err(unwritable)
}

fn empty() -> Body {
    Full::default().map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn json(value: &impl Serialize) -> Result<Body, Refusal> {
    let body = serde_json::to_vec(value).map_err(|_| {
        Refusal::unsent(Error::new(ErrorKind::InvalidArgument, "it can't be written as JSON"))
    })?;
    Ok(Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {}).boxed_unsync())
}

fn unwritable(error: hyper::http::Error) -> Refusal {
    let message = "the request can't be written as HTTP";
    Refusal::unsent(Error::new(ErrorKind::InvalidArgument, message).with_source(error))
}
