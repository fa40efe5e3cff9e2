//! The HTTP server behind the URLs.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::future::join_all;
use hyper::body::Incoming;
use hyper::header::ALLOW;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::{Grant, attach, exec, ports};
use crate::accept::accept;
use crate::connection::Connection;
use crate::fake_cri::fake::Fake;
use crate::streaming::client::Client;
use crate::streaming::refusal::{Answer, Refusal, switch};
use crate::streaming::{spdy, websocket};

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
    Ok(switch(upgraded_with))
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
                if let Some(mut client) = self.client(io, streams, request.tty).await {
                    let outcome = exec::run(&fake, request, &mut client).await;
                    client.finish(&outcome).await;
                }
            }
            Grant::Attach(request) => {
                let streams = [request.stdin, request.stdout, request.stderr];
                if let Some(mut client) = self.client(io, streams, request.tty).await {
                    let outcome = attach::run(&fake, request, &mut client).await;
                    client.finish(&outcome).await;
                }
            }
            Grant::PortForward(request) => match self {
                Self::WebSocket(agreed) => {
                    let (socket, forwards) =
                        ports::over_websocket(&fake, request, Box::new(io), agreed).await;
                    join_all(forwards).await;
                    socket.close().await;
                }
                Self::Spdy(_) => ports::over_spdy(&fake, &request.pod_sandbox_id, io).await,
            },
        }
    }

    async fn client(self, io: TokioIo<Upgraded>, streams: [bool; 3], tty: bool) -> Option<Client> {
        match self {
            Self::WebSocket(agreed) => Some(websocket::client(Box::new(io), agreed, streams).await),
            Self::Spdy(protocol) => spdy::client(io, protocol, streams, tty).await,
        }
    }
}
