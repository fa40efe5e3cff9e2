//! The channels of a session, and how they stand in messages: the first byte names the channel.

use bytes::{BufMut, Bytes, BytesMut};
use runtime_core::TerminalSize;

pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const STATUS: u8 = 3;
pub(super) const RESIZE: u8 = 4;

/// From version 5 on: the one channel named by the message's second byte ends.
const CLOSE: u8 = 255;

/// A message on a channel.
pub(super) fn message(channel: u8, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(channel);
    message.put_slice(bytes);
    message.freeze()
}

/// The message that ends a channel, in version 5.
pub(super) fn close(channel: u8) -> Bytes {
    Bytes::copy_from_slice(&[CLOSE, channel])
}

/// The size of a terminal, as it is told on its channel.
pub(super) fn size(size: TerminalSize) -> String {
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
}
