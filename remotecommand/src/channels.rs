//! The channels of a session, and how they stand in messages: the first byte names the channel.

use bytes::{BufMut, Bytes, BytesMut};
use runtime_core::TerminalSize;

pub(crate) const STDIN: u8 = 0;
pub(crate) const STDOUT: u8 = 1;
pub(crate) const STDERR: u8 = 2;
pub(crate) const STATUS: u8 = 3;
pub(crate) const RESIZE: u8 = 4;

/// From version 5 on: the one channel named by the message's second byte ends.
const CLOSE: u8 = 255;

/// The longest status that is taken.
pub const MAX_STATUS_BYTES: usize = 64 << 10;

/// How many sizes of the terminal may wait for the connection.
pub const WAITING_SIZES: usize = 4;

/// What a session consists of, beside its output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Channels {
    /// There is input.
    pub stdin: bool,
    /// There is a terminal: there are sizes, and no standard error.
    pub tty: bool,
}

impl Channels {
    /// What is asked of the system so that a caller gets these. A terminal has input always: containerd takes one that
    /// was not asked for as one that has ended, hangs up, and loses what the command wrote last.
    #[must_use]
    pub fn to_ask_for(self) -> Self {
        Self { stdin: self.stdin || self.tty, ..self }
    }
}

/// A message on a channel.
pub(crate) fn message(channel: u8, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(channel);
    message.put_slice(bytes);
    message.freeze()
}

/// The message that ends a channel, in version 5.
pub(crate) fn close(channel: u8) -> Bytes {
    Bytes::copy_from_slice(&[CLOSE, channel])
}

/// The size of a terminal, as it is told on its channel.
#[must_use]
pub fn size(size: TerminalSize) -> String {
    format!("{{\"Width\":{},\"Height\":{}}}", size.columns, size.rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_kubernetes_has_them() {
        assert_eq!(&message(STDIN, b"hello")[..], b"\0hello");
        assert_eq!(&message(STDOUT, b"")[..], b"\x01");
        assert_eq!(&close(STDIN)[..], b"\xff\0");
        assert_eq!(size(TerminalSize::new(100, 40)), r#"{"Width":100,"Height":40}"#);
    }

    #[test]
    fn a_terminal_has_input_always() {
        for (stdin, tty, asked) in
            [(false, false, false), (true, false, true), (false, true, true), (true, true, true)]
        {
            assert_eq!(Channels { stdin, tty }.to_ask_for(), Channels { stdin: asked, tty });
        }
    }
}
