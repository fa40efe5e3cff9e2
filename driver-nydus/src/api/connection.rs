//! One connection to a daemon.

use std::{path::Path, pin::Pin};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    body::Body,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::error::{self, Failure};

/// The longest answer that is read. Metrics of many files are the longest there are, some hundred bytes a file.
pub(super) const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A connection that carries one call after another.
///
/// It moves only while somebody calls. So no task is needed, a call that is dropped takes the connection with it, and a
/// connection that the daemon closed meanwhile is found closed before anything is written to it.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended: only when it is dropped is a call told that comes too late for it.
    driver: Option<Pin<Box<Moving>>>,
}

/// What moves a connection.
type Moving = http1::Connection<TokioIo<UnixStream>, Full<Bytes>>;

/// An answer, whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Connection {
    pub(super) async fn open(socket: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket).await.map_err(error::of_connect)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::not_sent(error::of_exchange(error)))?;
        Ok(Self { sender, driver: Some(Box::pin(driver)) })
    }

    /// Whether it can carry another call, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.driver.is_some() && !self.sender.is_closed()
    }

    /// Carries a call. After a failure the connection is of no use any more.
    pub(super) async fn call(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let Self { sender, driver } = self;
        let exchange = async {
            sender.ready().await.map_err(|error| Failure::not_sent(error::of_exchange(error)))?;
            let response = sender.try_send_request(request).await.map_err(|mut failed| {
                // A call that comes back was never written.
                let never_sent = failed.take_message().is_some();
                let error = error::of_exchange(failed.into_error());
                if never_sent { Failure::not_sent(error) } else { Failure::unknown(error) }
            })?;
            let (parts, body) = response.into_parts();
            // An answer that says how long it is need not be read to be refused.
            if body.size_hint().lower() > LONGEST_ANSWER as u64 {
                return Err(Failure::unknown(error::too_long(LONGEST_ANSWER)));
            }
            let body = Limited::new(body, LONGEST_ANSWER).collect().await;
            let body = body.map_err(|error| Failure::unknown(error::of_body(error, LONGEST_ANSWER)))?;
            Ok(Answer { status: parts.status, body: body.to_bytes() })
        };
        tokio::pin!(exchange);
        if let Some(moving) = driver.as_mut() {
            tokio::select! {
                biased;
                // What the connection ends with is told to the call as well, which then ends by itself.
                _ = moving => *driver = None,
                answer = &mut exchange => return answer,
            }
        }
        exchange.await
    }
}
