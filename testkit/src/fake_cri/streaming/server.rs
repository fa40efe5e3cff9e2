//! The HTTP server behind the URLs.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::client::Client;
use super::{Grant, attach, exec, ports, spdy, websocket};
use crate::accept::accept;
use crate::fake_cri::connection::Connection;
use crate::fake_cri::fake::Fake;

/// Serves on loopback until it is dropped. Streams are severed by the token that it was started with.
#[derive(Debug)]
pub(in crate::fake_cri) struct StreamServer {
    _task: AbortOnDropHandle<()>,
}

impl StreamServer {
    /// Listens when this returns.
    pub(in crate::fake_cri) fn start(fake: &Arc<Fake>, sever: CancellationToken) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        fake.streaming.serve_at(address);
        let fake = Arc::clone(fake);
        let task = tokio::spawn(async move {
            accept(listener, "streaming", |stream| connection(stream, Arc::clone(&fake), sever.clone()))
                .await;
        });
        Ok(Self { _task: AbortOnDropHandle::new(task) })
    }
}

async fn connection(stream: TcpStream, fake: Arc<Fake>, sever: CancellationToken) {
    // Interactive streams are of small pieces. A socket that refuses this works all the same.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Connection::new(stream, sever));
    let service = service_fn(|request| respond(Arc::clone(&fake), request));
    if let Err(error) = http1::Builder::new().serve_connection(io, service).with_upgrades().await {
        tracing::debug!(%error, "a connection to the stream server broke off");
    }
}

type Answer = Response<Full<Bytes>>;

async fn respond(fake: Arc<Fake>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    Ok(answer(&fake, request).unwrap_or_else(Refusal::into_answer))
}

fn answer(fake: &Arc<Fake>, mut request: Request<Incoming>) -> Result<Answer, Refusal> {
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches('/').split('/');
    let (kind, token) = match (parts.next(), parts.next(), parts.next()) {
        (Some(kind @ ("exec" | "attach" | "portforward")), Some(token), None) if !token.is_empty() => {
            (kind, token)
        }
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, "404: Page Not Found")),
    };
    if ![Method::GET, Method::POST].contains(request.method()) {
        let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "405: Method Not Allowed");
        return Err(refusal.with_headers([(ALLOW, "GET, POST".to_owned())]));
    }
    let grant = fake.streaming.consume(token).filter(|grant| grant.kind() == kind);
    let grant = grant.ok_or_else(|| Refusal::text(StatusCode::NOT_FOUND, "404 page not found"))?;
    let upgrade = hyper::upgrade::on(&mut request);
    let headers = request.headers();
    let options = fake.streaming.options;
    let spawn = |session: Session| {
        let fake = Arc::clone(fake);
        let streaming = Arc::clone(&fake.streaming);
        streaming.spawn(session.run(fake, upgrade, grant));
    };
    let is_forward = kind == "portforward";
    let upgraded_with = if websocket::is_wanted(headers) {
        let agreed = if is_forward {
            websocket::port_forward(headers)
        } else {
            websocket::remote_command(headers, options.websocket_v5)
        };
        let (upgraded_with, agreed) = websocket::answer(headers, agreed)?;
        spawn(Session::WebSocket(agreed));
        upgraded_with
    } else if options.spdy {
        let spoken = if is_forward { spdy::PORT_FORWARD } else { spdy::REMOTE_COMMAND };
        let (upgraded_with, protocol) = spdy::answer(headers, spoken)?;
        spawn(Session::Spdy(protocol));
        upgraded_with
    } else {
        return Err(Refusal::bad_request("unable to upgrade: this server speaks no SPDY"));
    };
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    set(&mut answer, upgraded_with);
    Ok(answer)
}

/// What has been agreed on with a client, to be done once its connection is upgraded.
enum Session {
    WebSocket(websocket::Agreed),
    Spdy(&'static str),
}

impl Session {
    async fn run(self, fake: Arc<Fake>, upgrade: OnUpgrade, grant: Grant) {
        let Ok(io) = upgrade.await.map(TokioIo::new) else { return };
        match grant {
            Grant::Exec(request) => {
                let streams = [request.stdin, request.stdout, request.stderr];
                if let Some(client) = self.client(io, streams, request.tty).await {
                    exec::run(&fake, request, client).await;
                }
            }
            Grant::Attach(request) => {
                let streams = [request.stdin, request.stdout, request.stderr];
                if let Some(client) = self.client(io, streams, request.tty).await {
                    attach::run(&fake, request, client).await;
                }
            }
            Grant::PortForward(request) => match self {
                Self::WebSocket(agreed) => ports::over_websocket(&fake, request, io, agreed).await,
                Self::Spdy(_) => ports::over_spdy(&fake, &request.pod_sandbox_id, io).await,
            },
        }
    }

    async fn client(self, io: TokioIo<Upgraded>, streams: [bool; 3], tty: bool) -> Option<Client> {
        match self {
            Self::WebSocket(agreed) => Some(websocket::client(io, agreed, streams).await),
            Self::Spdy(protocol) => spdy::client(io, protocol, streams, tty).await,
        }
    }
}

/// The headers of an answer that upgrades the connection.
pub(super) type UpgradeHeaders = Vec<(HeaderName, String)>;

/// An answer that is no upgrade.
#[derive(Debug)]
pub(super) struct Refusal {
    code: StatusCode,
    body: String,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    pub(super) fn new(code: StatusCode, body: &str) -> Self {
        Self { code, body: body.to_owned(), headers: Vec::new() }
    }

    /// As Go's `http.Error`.
    fn text(code: StatusCode, words: &str) -> Self {
        Self::new(code, &format!("{words}\n")).with_headers([
            (CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ])
    }

    pub(super) fn bad_request(words: &str) -> Self {
        Self::text(StatusCode::BAD_REQUEST, words)
    }

    pub(super) fn forbidden(words: &str) -> Self {
        Self::text(StatusCode::FORBIDDEN, words)
    }

    pub(super) fn with_headers(mut self, headers: impl IntoIterator<Item = (HeaderName, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    fn into_answer(self) -> Answer {
        let mut answer = Response::new(Full::from(self.body));
        *answer.status_mut() = self.code;
        set(&mut answer, self.headers);
        answer
    }
}

fn set(answer: &mut Answer, headers: Vec<(HeaderName, String)>) {
    for (name, value) in headers {
        // What can't be said in a header is left out: it comes from here, so it can be.
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().append(name, value);
        }
    }
}
