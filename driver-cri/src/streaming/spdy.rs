//! A session over SPDY: each channel is a stream, named by its headers.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use ::spdy::{Connection, ReadHalf, WriteHalf};
use futures::future::{BoxFuture, join_all};
use remotecommand::{
    Channels, Ended, Link, Parts, broken,
    channels::{self as wire, MAX_STATUS_BYTES, WAITING_SIZES},
    keep_alive::{INTERVAL, InputCount, MAX_MISSED},
};
use runtime_core::{Error, ErrorKind, Result, TerminalSize, helpers::remote_status::RemoteStatus};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::untold::{Untold, tell};

/// Starts a session. The server begins when it has all the streams that the runtime was asked for. An input can keep the
/// runtime from telling the end, which [`Untold`] notices.
pub(super) async fn start(connection: Connection, channels: Channels) -> Result<(Parts, Option<Untold>)> {
    let count = Arc::new(InputCount::default());
    let (ended, told) = watch::channel(None);
    // Halves that nothing goes through are kept: a stream of which one half is gone is reset with the other.
    let mut unused = Unused::default();
    let (status, half) = open(&connection, "error").await?;
    unused.status = Some(half);
    let mut stdin = None;
    if channels.stdin {
        let (half, stream) = open(&connection, "stdin").await?;
        unused.reading.push(half);
        stdin = Some(Box::pin(Input::new(stream, Arc::clone(&count), told.clone())) as _);
    }
    let (stream, half) = open(&connection, "stdout").await?;
    unused.of_outputs.push(half);
    let stdout = Box::pin(Output { stream, told: told.clone(), end: None });
    let (mut stderr, mut resize, mut sizes) = (None, None, None);
    if channels.tty {
        let (half, stream) = open(&connection, "resize").await?;
        unused.reading.push(half);
        let (sender, receiver) = mpsc::channel(WAITING_SIZES);
        (resize, sizes) = (Some(sender), Some((stream, receiver)));
    } else {
        let (stream, half) = open(&connection, "stderr").await?;
        unused.of_outputs.push(half);
        stderr = Some(Box::pin(Output { stream, told: told.clone(), end: None }) as _);
    }
    let (outputs_over, are_over) = watch::channel(false);
    let untold = channels.stdin.then(|| Untold::new(are_over, ended.clone()));
    let listen = tokio::spawn({
        let connection = connection.clone();
        async move {
            let end = tokio::select! {
                end = end(status) => end,
                () = keep_alive(&connection, &count) => {
                    Ended::Lost("the runtime's streaming server answers no more".to_owned())
                }
                never = note_end(&unused.of_outputs, &outputs_over) => match never {},
            };
            tell(&ended, end);
            drop(unused);
        }
    });
    let mut tasks = vec![AbortOnDropHandle::new(listen)];
    if let Some((stream, sizes)) = sizes {
        let send = async move { drop(send_sizes(stream, sizes).await) };
        tasks.push(AbortOnDropHandle::new(tokio::spawn(send)));
    }
    let link =
        Link::new(told, tasks).with_sizes(resize).with_farewell(async move { connection.close().await });
    Ok((Parts { stdin, stdout, stderr, link }, untold))
}

#[derive(Default)]
struct Unused {
    reading: Vec<ReadHalf>,
    of_outputs: Vec<WriteHalf>,
    status: Option<WriteHalf>,
}

async fn open(connection: &Connection, kind: &str) -> Result<(ReadHalf, WriteHalf)> {
    let opened = connection.open(&[("streamType", kind)]).await;
    opened.map(::spdy::Stream::into_split).map_err(|error| no_stream(&error))
}

/// Why a stream could not be opened.
pub(super) fn no_stream(error: &::spdy::Error) -> Error {
    let message = format!("the runtime's streaming server opened no stream: {error}");
    Error::new(ErrorKind::Unavailable, message).transient()
}

/// Reads the status. The streams of output stand before it on the wire, so they have arrived when it has.
async fn end(status: ReadHalf) -> Ended {
    let mut told = Vec::new();
    let read = status.take(MAX_STATUS_BYTES as u64).read_to_end(&mut told).await;
    match (RemoteStatus::parse(&told), read) {
        (Ok(status), _) => Ended::Told(status),
        (Err(_), Err(error)) => Ended::Lost(error.to_string()),
        (Err(error), Ok(_)) => Ended::Lost(error.to_string()),
    }
}

/// Notes that all outputs have ended, which is mostly when the command has.
async fn note_end(outputs: &[WriteHalf], over: &watch::Sender<bool>) -> Infallible {
    join_all(outputs.iter().map(WriteHalf::peer_ended)).await;
    over.send_replace(true);
    std::future::pending().await
}

/// Keeps the connection from being idle, and returns when it is lost.
pub(super) async fn keep_alive(connection: &Connection, count: &InputCount) {
    let mut missed = 0;
    while missed < MAX_MISSED {
        tokio::time::sleep(INTERVAL).await;
        let ping = count.ping();
        let could_hear = !connection.is_held_back();
        match timeout(INTERVAL, connection.ping()).await {
            Ok(Ok(_)) => count.pong(&ping),
            // The status says more of it.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) if could_hear && !connection.is_held_back() && count.all_taken() => {
                missed += 1;
                continue;
            }
            Err(_) => {}
        }
        missed = 0;
    }
}

async fn send_sizes(mut stream: WriteHalf, mut sizes: mpsc::Receiver<TerminalSize>) -> io::Result<()> {
    while let Some(size) = sizes.recv().await {
        stream.write_all(wire::size(size).as_bytes()).await?;
    }
    Ok(())
}

/// Input. Servers leave what a command that has ended did not read where it is, so its writer is told by the end.
struct Input {
    stream: WriteHalf,
    count: Arc<InputCount>,
    ended: BoxFuture<'static, ()>,
    has_ended: bool,
}

impl Input {
    fn new(stream: WriteHalf, count: Arc<InputCount>, mut told: watch::Receiver<Option<Ended>>) -> Self {
        let ended = async move { drop(told.wait_for(Option::is_some).await) };
        Self { stream, count, ended: Box::pin(ended), has_ended: false }
    }

    /// Waits for the command's end, after which nothing is written any more.
    fn poll_ended<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if !self.has_ended {
            ready!(self.ended.as_mut().poll(cx));
            self.has_ended = true;
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the command has ended")))
    }
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.count.add();
                Poll::Ready(written)
            }
            Poll::Pending => self.poll_ended(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.poll_ended(cx),
            flushed => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.poll_ended(cx),
            shut_down => shut_down,
        }
    }
}

/// Output. Servers may end the connection instead of its streams once they have told the end.
struct Output {
    stream: ReadHalf,
    told: watch::Receiver<Option<Ended>>,
    end: Option<BoxFuture<'static, io::Result<()>>>,
}

impl AsyncRead for Output {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.end.is_none() {
            match ready!(Pin::new(&mut this.stream).poll_read(cx, buffer)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(_) => this.end = Some(Box::pin(whole(this.told.clone()))),
            }
        }
        match &mut this.end {
            Some(end) => {
                let whole = ready!(end.as_mut().poll(cx));
                let again = if whole.is_ok() { Ok(()) } else { Err(broken()) };
                this.end = Some(Box::pin(std::future::ready(again)));
                Poll::Ready(whole)
            }
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Whether a session ended as it should.
async fn whole(mut told: watch::Receiver<Option<Ended>>) -> io::Result<()> {
    match told.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(Ended::Told(_))) => Ok(()),
        _ => Err(broken()),
    }
}
