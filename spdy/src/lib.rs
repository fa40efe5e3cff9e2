//! SPDY/3.1 as container runtimes speak it: streams over one connection, each with an end of its own in both directions.
//!
//! Kubelets, containerd and CRI-O carry exec, attach and port-forward over SPDY, by way of the Go library `spdystream`.
//! This is its counterpart: [`frame`] is the codec, without IO; [`Connection`] runs it over any socket.
//!
//! # Flow control
//! SPDY/3.1 has windows; `spdystream` has not. It sends past 64 KiB without being allowed to, never sends a
//! `WINDOW_UPDATE`, and ignores those it gets. Honouring windows would stall against it for ever, so here too there are
//! none: `WINDOW_UPDATE` and `SETTINGS` are read and have no effect, none are sent. What holds a peer back is the socket:
//!
//! - **Receiving.** While one stream's received bytes that nobody has read are [`STREAM_BUFFER`] or more, or those of
//!   all streams are [`CONNECTION_BUFFER`] or more, nothing more is read from the socket, *for any stream*. So whoever
//!   holds a stream's reading half must read it. Whoever doesn't want its bytes drops the half: they are thrown away
//!   then, and hold up nobody.
//! - **Sending.** A write waits while [`SEND_BUFFER`] bytes of the connection are not yet taken by the socket.
//!
//! So a connection's memory is bounded whatever the peer sends: these buffers, [`MAX_PEER_STREAMS`] streams that the
//! peer opened with headers of at most [`frame::MAX_HEADERS`], and one frame of at most [`frame::MAX_CONTROL_FRAME`].
//! A peer that floods pings and doesn't take the answers is not read either.
//!
//! # Example
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use spdy::Connection;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let (one, other) = tokio::io::duplex(1024);
//! let (client, _) = Connection::client(one);
//! let (_server, mut incoming) = Connection::server(other);
//! let echo = tokio::spawn(async move {
//!     let offer = incoming.next().await.expect("a stream");
//!     assert_eq!(offer.headers().get("streamtype"), Some("data"));
//!     let (mut read, mut write) = offer.accept().into_split();
//!     tokio::io::copy(&mut read, &mut write).await?;
//!     write.shutdown().await
//! });
//!
//! let mut stream = client.open(&[("streamType", "data")]).await?;
//! stream.write_all(b"hello").await?;
//! stream.shutdown().await?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "hello");
//! echo.await??;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod connection;
pub mod frame;

pub use connection::{
    CONNECTION_BUFFER, CloseReason, Connection, Error, Incoming, MAX_PEER_STREAMS, Offer, ProtocolError,
    ReadHalf, SEND_BUFFER, STREAM_BUFFER, Stream, WriteHalf,
};
