//! Input of a terminal, whose end is a character.
//!
//! A runtime that is told the end of the input itself hangs up the terminal: the command gets a SIGHUP, and what it wrote
//! last is lost. containerd even does so at the start over WebSocket, where no input was asked for. So the input is always
//! asked for, and stays open until the session ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    runtime::Handle,
    sync::watch,
};

use crate::{Ended, Input};

/// What ends a line, and in an empty line the input, unless the command says otherwise.
const END_OF_FILE: u8 = 4;

/// Input that ends as one does that is typed.
pub(crate) struct TerminalInput {
    input: Option<Input>,
    told: watch::Receiver<Option<Ended>>,
    end: End,
}

/// How much of the end there still is to write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    InEmptyLine,
    InLine,
    Written,
}

impl TerminalInput {
    pub(crate) fn new(input: Input, told: watch::Receiver<Option<Ended>>) -> Self {
        Self { input: Some(input), told, end: End::InEmptyLine }
    }
}

impl End {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::InEmptyLine => &[END_OF_FILE],
            Self::InLine => &[END_OF_FILE, END_OF_FILE],
            Self::Written => &[],
        }
    }

    fn after(self, written: &[u8]) -> Self {
        match written.last() {
            None => self,
            Some(b'\n' | b'\r' | &END_OF_FILE) => Self::InEmptyLine,
            Some(_) => Self::InLine,
        }
    }
}

impl AsyncWrite for TerminalInput {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let Some(input) = this.input.as_mut().filter(|_| this.end != End::Written) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let written = ready!(input.as_mut().poll_write(cx, bytes))?;
        this.end = this.end.after(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.input {
            Some(input) => input.as_mut().poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(input) = &mut this.input else { return Poll::Ready(Ok(())) };
        while this.end != End::Written {
            let bytes = this.end.bytes();
            let written = ready!(input.as_mut().poll_write(cx, bytes))?;
            this.end = if written == bytes.len() { End::Written } else { End::InEmptyLine };
        }
        input.as_mut().poll_flush(cx)
    }
}

impl Drop for TerminalInput {
    fn drop(&mut self) {
        let (Some(mut input), Ok(runtime)) = (self.input.take(), Handle::try_current()) else { return };
        let (mut told, end) = (self.told.clone(), self.end.bytes());
        // It ends with the session, whose connection it can't hold open longer.
        runtime.spawn(async move {
            // A command that has ended needs no end of its input.
            drop(input.write_all(end).await);
            drop(told.wait_for(Option::is_some).await);
            drop(input);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What is written for this input, at its end, and after the session's.
    async fn written(text: &[u8], shut_down: bool) -> Vec<u8> {
        let (near, mut far) = tokio::io::duplex(64);
        let (tell, told) = watch::channel(None);
        let mut input = TerminalInput::new(Box::pin(near), told);
        input.write_all(text).await.unwrap();
        if shut_down {
            input.shutdown().await.unwrap();
            assert!(input.write_all(b"more").await.is_err());
        }
        drop(input);
        let mut first = [0; 64];
        let mut length = 0;
        while length <= text.len() {
            length += far.read(&mut first[length..]).await.unwrap();
        }
        tell.send_replace(Some(Ended::Lost(String::new())));
        let mut all = first[..length].to_vec();
        far.read_to_end(&mut all).await.unwrap();
        all
    }

    #[tokio::test]
    async fn the_end_is_typed_once_more_in_a_line_that_is_not_ended() {
        for shut_down in [false, true] {
            assert_eq!(written(b"", shut_down).await, b"\x04");
            assert_eq!(written(b"line\n", shut_down).await, b"line\n\x04");
            assert_eq!(written(b"part", shut_down).await, b"part\x04\x04");
        }
    }
}
