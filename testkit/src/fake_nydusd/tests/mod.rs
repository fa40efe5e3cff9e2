//! The fake against what was recorded of the real daemon.

mod arguments;
mod faults;
mod recording;

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;

/// A fake over a directory with what the recording was made with.
fn start(directory: &Path, faults: &[Fault]) -> FakeNydusd {
    for name in ["share", "src", "blobs", "cache"] {
        std::fs::create_dir_all(directory.join(name)).unwrap();
    }
    std::fs::write(directory.join("src/a.txt"), "hello\n").unwrap();
    std::fs::write(directory.join("b.boot"), bootstrap()).unwrap();
    std::fs::write(
        directory.join("blobs/350fea00b001c21bc5901eeb0cf2a04ab7a282b23fefce94b5b01c809a0fd779"),
        "",
    )
    .unwrap();
    FakeNydusd::start(FakeNydusdOptions {
        socket: directory.join("api.sock"),
        mode: Mode::Virtiofs,
        directory: directory.to_owned(),
        faults: faults.to_vec(),
    })
    .unwrap()
}

/// Sends bytes on a connection that stays, and reads one answer; less than one if the connection ends before.
async fn exchange(stream: &mut UnixStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while !is_whole(&answer) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let text = text
        .strip_prefix("HTTP/1.1 100 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n")
        .unwrap_or(&text);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map(|length| length.parse().unwrap());
    body.len() >= length.unwrap_or(0)
}
