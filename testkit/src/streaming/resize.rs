//! Sizes of terminals, one JSON value after the other.

use serde::Deserialize;
use tokio::io::AsyncReadExt;

use super::client::Incoming;
use crate::engine::TerminalSize;

/// More without a whole value in it is none.
const MAX_VALUE_BYTES: usize = 4096;

/// As Go reads it: names in any case.
#[derive(Deserialize)]
struct Size {
    #[serde(default, alias = "width", rename = "Width")]
    width: u16,
    #[serde(default, alias = "height", rename = "Height")]
    height: u16,
}

/// Calls `resize` with each size until the stream ends, or something else is in it.
pub(crate) async fn follow(mut stream: Incoming, resize: impl Fn(TerminalSize)) {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_VALUE_BYTES {
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let mut values = serde_json::Deserializer::from_slice(&bytes).into_iter::<Size>();
        let mut used = 0;
        loop {
            match values.next() {
                Some(Ok(Size { width: columns @ 1.., height: rows @ 1.. })) => {
                    resize(TerminalSize { rows, columns });
                }
                Some(Ok(_)) => {}
                Some(Err(error)) if error.is_eof() => break,
                Some(Err(_)) => return,
                None => break,
            }
            used = values.byte_offset();
        }
        bytes.drain(..used);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn values_may_come_in_pieces() {
        let text = br#"{"Width":80,"Height":24}{"width":0,"height":1} {"Height":5,"Width":6}
            nonsense {"Width":1,"Height":1}"#;
        for piece in [1, 7, 1000] {
            let (mut write, read) = tokio::io::duplex(piece);
            let seen = Mutex::new(Vec::new());
            tokio::join!(
                async {
                    let _ = tokio::io::AsyncWriteExt::write_all(&mut write, text).await;
                    drop(write);
                },
                follow(Box::new(read), |TerminalSize { rows, columns }| seen
                    .lock()
                    .unwrap()
                    .push((columns, rows))),
            );
            assert_eq!(seen.into_inner().unwrap(), [(80, 24), (6, 5)]);
        }
    }
}
