//! Port-forward: pairs of streams, one for data and one for what goes wrong.

use std::collections::HashMap;
use std::sync::Arc;

use ::spdy::{Connection, Offer, Stream};
use futures::future::BoxFuture;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use k8s_cri::v1::PortForwardRequest;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::forward::forward;
use crate::fake_cri::fake::Fake;
use crate::streaming::client::{Incoming, Outgoing};
use crate::streaming::spdy::{PortStream, STREAM_CREATION, check_port_stream, outgoing, refuse};
use crate::streaming::websocket::{Agreed, Io, WebSocket};

/// Whether a connection ended well. What went wrong has been told.
pub(crate) type Forwarding = BoxFuture<'static, bool>;

/// The ports of the request, each with two channels; each begins with its port. What is returned has yet to be run.
pub(crate) async fn over_websocket(
    fake: &Arc<Fake>,
    request: PortForwardRequest,
    io: Io,
    agreed: Agreed,
) -> (WebSocket, Vec<Forwarding>) {
    let heard: Vec<bool> = request.port.iter().flat_map(|_| [true, false]).collect();
    let (socket, incoming) = WebSocket::begin(io, agreed, &heard).await;
    let mut forwards: Vec<Forwarding> = Vec::new();
    for (number, (port, from)) in
        (0_u8..).step_by(2).zip(request.port.iter().zip(incoming.into_iter().step_by(2)))
    {
        let [mut data, mut error] =
            [number, number + 1].map(|number| Outgoing::WebSocket(socket.channel(number, agreed)));
        // Only what fits into the two bytes is told.
        let told = port.to_le_bytes();
        let (Some(told), Some(from)) = (told.get(..2), from) else { continue };
        let _ = data.send(told).await;
        let _ = error.send(told).await;
        let port = u16::try_from(*port).ok().filter(|port| *port > 0).ok_or(*port);
        let (fake, sandbox) = (Arc::clone(fake), request.pod_sandbox_id.clone());
        forwards.push(Box::pin(async move {
            let forwarded = match port {
                Ok(port) => forward(&fake, &sandbox, port, from, &mut data).await,
                Err(port) => {
                    Err(format!("error forwarding port {port} to pod {sandbox}, uid : invalid port {port}"))
                }
            };
            if let Err(why) = &forwarded {
                let _ = error.send(why.as_bytes()).await;
            }
            forwarded.is_ok()
        }));
    }
    (socket, forwards)
}

/// As many pairs as the client opens, until it goes.
pub(super) async fn over_spdy(fake: &Arc<Fake>, sandbox: &str, io: TokioIo<Upgraded>) {
    // The connection lives as long as this does.
    let (_connection, mut incoming) = Connection::server(io);
    let mut pairs: HashMap<String, Pair> = HashMap::new();
    let mut forwards = JoinSet::new();
    loop {
        let oldest = pairs.values().map(|pair| pair.until).min();
        let late = async {
            match oldest {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            offer = incoming.next() => {
                let Some(offer) = offer else { return };
                let Some((port, kind)) = check_port_stream(&offer) else {
                    refuse(offer);
                    continue;
                };
                let id = request_id(&offer, kind);
                let mut pair = pairs.remove(&id).unwrap_or_else(Pair::new);
                pair.add(&id, kind, port, offer.accept()).await;
                match pair.complete() {
                    Ok((port, data, error)) => {
                        let (fake, sandbox) = (Arc::clone(fake), sandbox.to_owned());
                        forwards.spawn(async move { forward_pair(&fake, &sandbox, port, data, error).await });
                    }
                    Err(pair) => drop(pairs.insert(id, pair)),
                }
            }
            () = late => {
                let now = Instant::now();
                for (id, mut pair) in pairs.extract_if(|_, pair| pair.until <= now) {
                    pair.tell(&format!("(request={id}) timed out waiting for streams")).await;
                }
            }
            Some(_) = forwards.join_next(), if !forwards.is_empty() => {}
        }
    }
}

/// Which pair a stream belongs to. Old clients don't say; they open the error stream first and the data stream next.
fn request_id(offer: &Offer, kind: PortStream) -> String {
    match (offer.headers().get("requestid").filter(|id| !id.is_empty()), kind) {
        (Some(id), _) => id.to_owned(),
        (None, PortStream::Error) => offer.id().to_string(),
        (None, PortStream::Data) => offer.id().saturating_sub(2).to_string(),
    }
}

/// Streams that wait for each other.
struct Pair {
    error: Option<Outgoing>,
    data: Option<(u16, Stream)>,
    until: Instant,
}

impl Pair {
    fn new() -> Self {
        Self { error: None, data: None, until: Instant::now() + STREAM_CREATION }
    }

    async fn add(&mut self, id: &str, kind: PortStream, port: u16, stream: Stream) {
        let twice =
            |kind: &str| format!("error processing stream for request {id}: {kind} stream already assigned");
        match kind {
            PortStream::Error if self.error.is_some() => self.tell(&twice("error")).await,
            PortStream::Error => self.error = Some(outgoing(stream)),
            PortStream::Data if self.data.is_some() => self.tell(&twice("data")).await,
            PortStream::Data => self.data = Some((port, stream)),
        }
    }

    async fn tell(&mut self, words: &str) {
        if let Some(error) = &mut self.error {
            // The client may have gone.
            let _ = error.send(words.as_bytes()).await;
        }
    }

    fn complete(self) -> Result<(u16, Stream, Outgoing), Self> {
        match self {
            Self { error: Some(error), data: Some((port, data)), .. } => Ok((port, data, error)),
            pair => Err(pair),
        }
    }
}

async fn forward_pair(fake: &Fake, sandbox: &str, port: u16, data: Stream, mut error: Outgoing) {
    let (from, to) = data.into_split();
    let mut to = Outgoing::Spdy(to);
    if let Err(why) = forward(fake, sandbox, port, Box::new(from) as Incoming, &mut to).await {
        // The client may have gone.
        let _ = error.send(why.as_bytes()).await;
    }
    error.finish().await;
    to.finish().await;
}
