//! Connections to ports of pods: one connection to the streaming server each, so that the end of one never cuts another.

use std::{
    io,
    pin::Pin,
    task::{Context as Task, Poll, ready},
    time::Duration,
};

use ::spdy::{Connection, ReadHalf, Stream};
use futures::future::BoxFuture;
use k8s_cri::v1 as cri;
use remotecommand::{
    VERSION_4,
    keep_alive::InputCount,
    port::{self, MAX_REASON_BYTES, not_forwarded},
};
use runtime_core::{Context, Error, ErrorKind, Object, PodId, PodPhase, PortStream, Result};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    address::Address,
    dialect::Way,
    handshake::{self, Refused},
    spdy::{keep_alive, no_stream},
};
use crate::{driver::CriDriver, error::Refusal, translate::status};

/// How SPDY servers know what the streams are for.
const PROTOCOL: &str = "portforward.k8s.io";

/// How long after the end of the data a server may take to give a reason for it.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// Connects to a port of a pod.
pub(crate) async fn forward(driver: &CriDriver, cx: &Context, id: &PodId, port: u16) -> Result<PortStream> {
    let mut refusal = None;
    for way in driver.dialects().ways_to_forward() {
        let request =
            cri::PortForwardRequest { pod_sandbox_id: id.as_str().to_owned(), port: vec![port.into()] };
        let answer = match driver.client().port_forward(cx, request).await {
            Ok(answer) => answer,
            Err(refusal) => return Err(why_not(driver, refusal, cx, id).await),
        };
        let address = Address::parse(&answer.url, driver.endpoint())?;
        match cx.run(async { Ok(connect(way, &address, port).await) }).await? {
            Ok(stream) => {
                driver.dialects().learn(way, true);
                return Ok(stream);
            }
            Err(Refused::Offer(error)) => {
                tracing::debug!(?way, %error, "the runtime forwards no ports this way");
                driver.dialects().learn(way, false);
                refusal = Some(error);
            }
            Err(Refused::Server(error)) => return Err(error),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::new(ErrorKind::Protocol, "the runtime forwards no ports")))
}

/// Finds out why a port is not forwarded, from how its pod is.
async fn why_not(driver: &CriDriver, refusal: Refusal, cx: &Context, id: &PodId) -> Error {
    if !refusal.is_vague() {
        return refusal.into();
    }
    match driver.find_pod_status(cx, id.as_str(), false).await {
        Ok(None) => Error::not_found(Object::pod(id.as_str())),
        Ok(Some((pod, _))) if status::pod_phase(pod.state) != PodPhase::Running => {
            Error::new(ErrorKind::InvalidState, "the pod is not running")
        }
        _ => refusal.into(),
    }
}

async fn connect(way: Way, address: &Address, port: u16) -> Result<PortStream, Refused> {
    if way == Way::Spdy {
        let connection = handshake::spdy(address, PROTOCOL).await?;
        return over_spdy(connection, port).await.map(PortStream::new).map_err(Refused::Server);
    }
    let (socket, _) = handshake::web_socket(address, &[VERSION_4]).await?;
    Ok(PortStream::new(port::open(socket)))
}

struct OverSpdy {
    data: Stream,
    /// Reads the server's reason, when the data has ended.
    reason: BoxFuture<'static, io::Result<()>>,
    has_ended: bool,
    _keep_alive: AbortOnDropHandle<()>,
}

async fn over_spdy(connection: Connection, port: u16) -> Result<OverSpdy> {
    let port = port.to_string();
    let open = async |kind: &'static str| {
        let headers = [("streamType", kind), ("port", port.as_str()), ("requestID", "0")];
        connection.open(&headers).await.map_err(|error| no_stream(&error))
    };
    let (error, _) = open("error").await?.into_split();
    let data = open("data").await?;
    // What is sent is not counted: the kernel knows of a peer that is gone, and one that is busy is none.
    let keep_alive = async move {
        let count = InputCount::default();
        count.add();
        keep_alive(&connection, &count).await;
    };
    let _keep_alive = AbortOnDropHandle::new(tokio::spawn(keep_alive));
    Ok(OverSpdy { data, reason: Box::pin(reason(error)), has_ended: false, _keep_alive })
}

/// Fails with the server's reason, if it gives one. containerd does so after the end of the data.
async fn reason(error: ReadHalf) -> io::Result<()> {
    let mut reason = Vec::new();
    let mut error = error.take(MAX_REASON_BYTES as u64);
    // A connection that ends meanwhile gives none.
    drop(timeout(REASON_TIMEOUT, error.read_to_end(&mut reason)).await);
    if reason.is_empty() { Ok(()) } else { Err(not_forwarded(&reason)) }
}

impl AsyncRead for OverSpdy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let (before, wanted) = (buffer.filled().len(), buffer.remaining());
        let read = ready!(Pin::new(&mut this.data).poll_read(cx, buffer));
        if wanted == 0 || buffer.filled().len() > before || this.has_ended {
            return Poll::Ready(read);
        }
        let reason = ready!(this.reason.as_mut().poll(cx));
        this.has_ended = true;
        Poll::Ready(reason.and(read))
    }
}

impl AsyncWrite for OverSpdy {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.data).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.data).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.data).poll_shutdown(cx)
    }
}
