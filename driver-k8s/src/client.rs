//! Requests to the API server: with deadlines, tried again where that is safe, and with credentials that are renewed.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use jiff::Timestamp;
use kube::client::{Body, ClientBuilder};
use runtime_core::{Context, Error, ErrorKind, Result, helpers::retry::RetryPolicy};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::{
    config::Config,
    error::{self, Refusal},
    kubeconfig::{self, Access, Surroundings},
};

/// How this client calls itself.
const AGENT: &str = concat!("wharf/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request is tried whose connection turns out to have been closed before anything of it was sent.
const MAX_CLOSED: u32 = 3;

/// How often, and for how long, a request is tried that the server has no time for.
const RETRIES: RetryPolicy = RetryPolicy {
    initial: Duration::from_millis(100),
    factor: 2.0,
    max_delay: Duration::from_secs(2),
    jitter: 0.5,
    max_attempts: 5,
    total_budget: Duration::from_secs(30),
};

/// The largest answer that is read as a whole.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// The largest refusal that is read.
const MAX_REFUSAL_BYTES: usize = 1 << 20;

/// How often a file with a token is looked at.
const TOKEN_AGE: Duration = Duration::from_secs(30);

/// How long before their end credentials are renewed.
const EXPIRY_MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// An API server. Cheap to clone.
///
/// Credentials are read again when the server says that they are no good any more, when they are about to end, and when
/// the file they came from has changed. A request that got no answer until its deadline makes those that follow use other
/// connections: its own may have been cut without a word.
#[derive(Clone)]
pub(crate) struct Client(Arc<Shared>);

struct Shared {
    config: Config,
    surroundings: Surroundings,
    namespace: String,
    endpoint: String,
    current: Mutex<Connection>,
    /// Held by who makes a new connection.
    renewal: tokio::sync::Mutex<()>,
}

/// Connections made with the same credentials.
#[derive(Clone)]
struct Connection {
    client: kube::Client,
    /// Tells it from those before it.
    number: u64,
    token_file: Option<PathBuf>,
    /// What was in the file.
    token: Option<Arc<str>>,
    /// When the file was looked at.
    looked: Instant,
    given_up: bool,
}

impl Client {
    /// Finds the cluster and prepares requests. Nothing is sent yet.
    ///
    /// # Errors
    /// Those of finding the cluster; `Unauthenticated` where credentials can't be had.
    pub(crate) async fn new(config: Config, surroundings: Surroundings) -> Result<Self> {
        let access = surroundings.access(&config).await?;
        let namespace = access.config.default_namespace.clone();
        let endpoint = access.config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let current = Mutex::new(Connection::new(access, 0).await?);
        let renewal = tokio::sync::Mutex::default();
        Ok(Self(Arc::new(Shared { config, surroundings, namespace, endpoint, current, renewal })))
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// The namespace of what says none.
    pub(crate) fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The server's URL.
    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// Sends a request and reads its [answer](Self::answer).
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        cx: &Context,
        request: &Request<Vec<u8>>,
    ) -> Result<T, Refusal> {
        serde_json::from_slice(&self.answer(cx, request).await?).map_err(Refusal::malformed)
    }

    /// Sends a request, and hands over its answer as it came. What the server had no time for, and for requests that may be
    /// repeated also what got no answer, is tried again within bounds.
    pub(crate) async fn answer(&self, cx: &Context, request: &Request<Vec<u8>>) -> Result<Bytes, Refusal> {
        let started = Instant::now();
        let mut delays = RETRIES.delays(RandomState::new().hash_one(request.uri()));
        loop {
            let refusal = match self.answer_once(cx, request).await {
                Ok(answer) => return Ok(answer),
                Err(refusal) => refusal,
            };
            let pause = delays.next().map(|pause| pause.max(refusal.retry_after.unwrap_or_default()));
            let fits = |pause: &Duration| {
                started.elapsed() + *pause <= RETRIES.total_budget
                    && cx.remaining().is_none_or(|remaining| *pause < remaining)
            };
            match pause.filter(fits).filter(|_| may_be_repeated(&refusal, request.method())) {
                Some(pause) => pausing(cx, pause).await.map_err(|_| refusal)?,
                None => return Err(refusal),
            }
        }
    }

    async fn answer_once(&self, cx: &Context, request: &Request<Vec<u8>>) -> Result<Bytes, Refusal> {
        read(cx, self.send(cx, request).await?.into_body(), MAX_ANSWER_BYTES).await
    }

    /// Sends a request, and hands over its answer once it has begun: a success, or a change of protocols. The context's
    /// deadline ends with that; whoever reads the rest has a deadline of their own.
    pub(crate) async fn send(
        &self,
        cx: &Context,
        request: &Request<Vec<u8>>,
    ) -> Result<Response<Body>, Refusal> {
        let (mut closed, mut renewed) = (1, false);
        loop {
            let connection = self.connection(cx).await.map_err(Refusal::unsent)?;
            let sending = connection.client.send(with_trace(cx, request.clone()).map(Body::from));
            let answer = match cx.run(async { Ok(sending.await) }).await {
                Ok(answer) => answer,
                Err(error) => {
                    if error.kind() == ErrorKind::DeadlineExceeded {
                        self.give_up(connection.number);
                    }
                    return Err(Refusal::ended(error));
                }
            };
            let refusal = match answer {
                Ok(answer) if is_accepted(answer.status()) => return Ok(answer),
                Ok(answer) => refused(cx, answer).await,
                Err(error) => Refusal::of_transport(&error),
            };
            if refusal.code == Some(401) && !renewed {
                renewed = true;
                // Without better credentials, what the server said says more than why there are none.
                if self.renew(cx, connection.number).await.is_err() {
                    return Err(refusal);
                }
            } else if refusal.was_closed && closed < MAX_CLOSED {
                closed += 1;
            } else {
                return Err(refusal);
            }
        }
    }

    /// The connection for the next request, with credentials that are good as far as can be known.
    async fn connection(&self, cx: &Context) -> Result<Connection> {
        let connection = self.current().clone();
        let is_over = |until: &Timestamp| Timestamp::now() + EXPIRY_MARGIN >= *until;
        if connection.given_up || connection.client.valid_until().as_ref().is_some_and(is_over) {
            return self.renew(cx, connection.number).await;
        }
        let Some(file) = connection.token_file.clone().filter(|_| connection.looked.elapsed() >= TOKEN_AGE)
        else {
            return Ok(connection);
        };
        let now = tokio::task::spawn_blocking(move || kubeconfig::text(&file)).await.unwrap_or_default();
        // A file that is gone was good for one reading: the token in it goes on to be used.
        if now.is_some() && now.as_deref() != connection.token.as_deref() {
            return self.renew(cx, connection.number).await;
        }
        let mut current = self.current();
        if current.number == connection.number {
            current.looked = Instant::now();
        }
        Ok(connection)
    }

    /// Reads credentials again and connects with them, unless somebody has done it since connection `number`.
    async fn renew(&self, cx: &Context, number: u64) -> Result<Connection> {
        let renewal = async {
            let _only_one = self.0.renewal.lock().await;
            let current = self.current().clone();
            if current.number != number {
                return Ok(current);
            }
            let access = self.0.surroundings.access(&self.0.config).await?;
            let connection = Connection::new(access, number + 1).await?;
            *self.current() = connection.clone();
            Ok(connection)
        };
        cx.run(renewal).await
    }

    /// Requests to come use other connections than these. Those that are under way go on.
    fn give_up(&self, number: u64) {
        let mut current = self.current();
        current.given_up |= current.number == number;
    }

    fn current(&self) -> MutexGuard<'_, Connection> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    async fn new(access: Access, number: u64) -> Result<Self> {
        let Access { mut config, token_file } = access;
        let token = token_file.as_deref().and_then(kubeconfig::text).map(Arc::from);
        // Every request has its own deadline; execs and followed logs may be silent for as long as they like.
        (config.read_timeout, config.write_timeout) = (None, None);
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // It would repeat what must not be.
        config.default_retry = false;
        config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
        // It may run a plugin.
        let building =
            tokio::task::spawn_blocking(move || ClientBuilder::try_from(config).map(ClientBuilder::build));
        let built = building.await.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        let client = built.map_err(|error| match error {
            kube::Error::Auth(error) => error::of_credentials(&error),
            error => Error::invalid("kubeconfig", error),
        })?;
        Ok(Self { client, number, token_file, token, looked: Instant::now(), given_up: false })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.0.endpoint).finish_non_exhaustive()
    }
}

/// Reads the rest of an answer.
pub(crate) async fn read(cx: &Context, body: Body, most: usize) -> Result<Bytes, Refusal> {
    let reading = cx.run(async { Ok(Limited::new(body, most).collect().await) }).await;
    let collected = reading.map_err(Refusal::ended)?;
    Ok(collected.map_err(|error| Refusal::of_transport(error.as_ref()))?.to_bytes())
}

async fn refused(cx: &Context, answer: Response<Body>) -> Refusal {
    let (code, retry_after) = (answer.status(), retry_after(answer.headers()));
    let body = read(cx, answer.into_body(), MAX_REFUSAL_BYTES).await.unwrap_or_default();
    Refusal::answered(code, retry_after, &body)
}

/// Whether a request that was refused so can be made again: the server did not even look at it, or nothing is lost if it
/// did twice what it was asked for.
fn may_be_repeated(refusal: &Refusal, method: &Method) -> bool {
    let is_harmless = matches!(*method, Method::GET | Method::DELETE | Method::PATCH);
    match refusal.code {
        Some(429) => true,
        // What had to be changed with it was changed by somebody else, such as a quota: nothing was made.
        Some(409) => *method == Method::POST && refusal.is_conflict(),
        Some(410) => false,
        // A server that can't be reached is up to the caller.
        _ => is_harmless && refusal.error.is_transient() && !refusal.never_sent,
    }
}

fn is_accepted(code: StatusCode) -> bool {
    code.is_success() || code == StatusCode::SWITCHING_PROTOCOLS
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    // Kubernetes sends seconds, never a date.
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn with_trace(cx: &Context, mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    if let Some(trace) = cx.trace_parent().and_then(|trace| HeaderValue::try_from(trace).ok()) {
        request.headers_mut().insert(HeaderName::from_static("traceparent"), trace);
    }
    request
}

async fn pausing(cx: &Context, pause: Duration) -> Result<()> {
    cx.run(async {
        sleep(pause).await;
        Ok(())
    })
    .await
}

#[cfg(test)]
mod tests;
