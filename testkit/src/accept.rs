//! The loop that every server here accepts its connections in.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The first and the longest pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Serves each connection by a task of its own, for ever. Owns them, so that they end when this is dropped.
pub(crate) async fn accept<F>(listener: TcpListener, server: &str, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut pause = PAUSE;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    pause = PAUSE;
                    connections.spawn(serve(stream));
                }
                // Mostly a lack of file descriptors, which only other connections can end.
                Err(error) => {
                    tracing::warn!(%error, server, "can't accept a connection");
                    tokio::time::sleep(pause).await;
                    pause = MAX_PAUSE.min(pause * 2);
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
