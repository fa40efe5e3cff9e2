//! A command's input over messages.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{io::AsyncWrite, sync::mpsc};
use tokio_util::sync::PollSender;

use crate::channels::{self, STDIN};

/// The most that one message carries.
const MAX_CHUNK_BYTES: usize = 32 << 10;

/// How many messages may wait for the socket.
const WAITING: usize = 4;

/// The input. Closing it, or dropping it, closes the queue of messages, which is the end of the command's input.
pub(crate) struct Input {
    messages: PollSender<Bytes>,
    has_end: bool,
}

/// Makes an input, and what its messages come out of. Without `has_end` the protocol can't tell the end.
pub(crate) fn input(has_end: bool) -> (Input, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Input { messages: PollSender::new(sender), has_end }, receiver)
}

impl AsyncWrite for Input {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.messages.poll_reserve(cx)).map_err(|_| ended())?;
        let chunk = &bytes[..bytes.len().min(MAX_CHUNK_BYTES)];
        self.messages.send_item(channels::message(STDIN, chunk)).map_err(|_| ended())?;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's task sends what it is given without being asked.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.messages.close();
        Poll::Ready(if self.has_end { Ok(()) } else { Err(endless()) })
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the command has ended, or its input has")
}

fn endless() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "the server can end no direction of this stream alone: that needs version 5 of the channel protocol, or SPDY",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn input_is_cut_into_messages_and_waits_for_them_to_be_sent() {
        let (mut input, mut messages) = input(true);
        let all: Vec<u8> = (0..=255).cycle().take(WAITING * 3 * MAX_CHUNK_BYTES + 1).collect();
        let bytes = all.clone();
        let writing = tokio::spawn(async move {
            input.write_all(&bytes).await?;
            input.shutdown().await?;
            Ok::<_, io::Error>(input.write(b"x").await.unwrap_err().kind())
        });
        tokio::task::yield_now().await;
        assert_eq!(messages.len(), WAITING);
        let mut received = Vec::new();
        while let Some(message) = messages.recv().await {
            assert!(message[0] == STDIN && message.len() <= MAX_CHUNK_BYTES + 1);
            received.extend_from_slice(&message[1..]);
        }
        assert!(received == all);
        assert_eq!(writing.await.unwrap().unwrap(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn an_end_that_can_not_be_told_is_an_error() {
        let (mut input, _messages) = input(false);
        assert_eq!(input.shutdown().await.unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}
