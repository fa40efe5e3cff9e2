//! Container logs, in the format that Kubernetes' container runtimes write: a line of output becomes
//! `TIME STREAM TAG TEXT`, with tag `P` for a part of a line and `F` for a whole one or its last part.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;

use super::attach::Taps;

/// Longest piece of a line in one entry.
const MAX_PIECE_BYTES: usize = 16 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// The log file of a container; without a path everything is dropped.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: Option<PathBuf>,
    file: Mutex<Option<File>>,
}

impl LogFile {
    /// Opens the file for appending, and makes its directory.
    pub(crate) async fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let file = match &path {
            Some(path) => Some(open(path).await?),
            None => None,
        };
        Ok(Self { path, file: Mutex::new(file) })
    }

    /// Goes on in a new file of the same path, after somebody has moved the old one away.
    pub(crate) async fn reopen(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut file = self.file.lock().await;
        *file = Some(open(path).await?);
        Ok(())
    }

    /// Writes what a process prints on a stream, until that ends, and hands it to those who are attached.
    pub(crate) async fn copy(&self, stream: &'static str, mut from: impl AsyncRead + Unpin, taps: &Taps) {
        let mut pieces = Pieces::new(stream);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            // A terminal whose last process has gone answers with an error: its end.
            let count = from.read(&mut buffer).await.unwrap_or(0);
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            // Whoever attaches once it is in the log does not hear it as well.
            let listening = taps.listening();
            self.write(&pieces.push(bytes, Timestamp::now())).await;
            taps.send(listening, bytes).await;
        }
        taps.close();
        self.write(&pieces.finish(Timestamp::now())).await;
    }

    async fn write(&self, bytes: &[u8]) {
        let mut file = self.file.lock().await;
        let Some(open) = file.as_mut() else { return };
        let written = async {
            open.write_all(bytes).await?;
            open.flush().await
        };
        if let Err(error) = written.await {
            // As real runtimes do: the container goes on without its log.
            tracing::warn!(%error, path = ?self.path, "cannot write the log");
            *file = None;
        }
    }
}

async fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        tokio::fs::create_dir_all(directory).await?;
    }
    File::options().create(true).append(true).open(path).await
}

/// Cuts a stream into log entries.
struct Pieces {
    stream: &'static str,
    /// A line that has not ended.
    open: Vec<u8>,
}

impl Pieces {
    fn new(stream: &'static str) -> Self {
        Self { stream, open: Vec::new() }
    }

    /// The entries that `bytes` complete.
    fn push(&mut self, bytes: &[u8], at: Timestamp) -> Vec<u8> {
        let mut entries = Vec::new();
        for chunk in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match chunk.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (chunk, false),
            };
            self.open.extend_from_slice(text);
            while self.open.len() > MAX_PIECE_BYTES {
                let rest = self.open.split_off(MAX_PIECE_BYTES);
                let piece = std::mem::replace(&mut self.open, rest);
                self.entry(&mut entries, &piece, "P", at);
            }
            if ended {
                let line = std::mem::take(&mut self.open);
                self.entry(&mut entries, &line, "F", at);
            }
        }
        entries
    }

    /// What is left at the end of the stream: a line that never ended.
    fn finish(&mut self, at: Timestamp) -> Vec<u8> {
        let mut entries = Vec::new();
        let rest = std::mem::take(&mut self.open);
        if !rest.is_empty() {
            self.entry(&mut entries, &rest, "P", at);
        }
        entries
    }

    fn entry(&self, entries: &mut Vec<u8>, text: &[u8], tag: &str, at: Timestamp) {
        entries.extend_from_slice(format!("{at} {} {tag} ", self.stream).as_bytes());
        entries.extend_from_slice(text);
        entries.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(chunks: &[&[u8]]) -> Vec<String> {
        let mut pieces = Pieces::new("stdout");
        let mut all = Vec::new();
        for chunk in chunks {
            all.extend(pieces.push(chunk, Timestamp::UNIX_EPOCH));
        }
        all.extend(pieces.finish(Timestamp::UNIX_EPOCH));
        let text = String::from_utf8(all).unwrap();
        text.lines()
            .map(|line| line.strip_prefix("1970-01-01T00:00:00Z stdout ").unwrap().to_owned())
            .collect()
    }

    #[test]
    fn lines_do_not_depend_on_how_they_arrive() {
        let want = ["F one", "F ", "F two", "P rest"];
        assert_eq!(entries(&[b"one\n\ntwo\nrest"]), want);
        let bytes: Vec<&[u8]> = b"one\n\ntwo\nrest".chunks(1).collect();
        assert_eq!(entries(&bytes), want);
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = [vec![b'x'; MAX_PIECE_BYTES], vec![b'y'; 3], vec![b'\n']].concat();
        let got = entries(&[&long]);
        assert_eq!(got.len(), 2);
        assert_eq!(got[0].len(), MAX_PIECE_BYTES + 2);
        assert_eq!(got[1], "F yyy");
        let exact = [vec![b'x'; MAX_PIECE_BYTES], vec![b'\n']].concat();
        assert_eq!(entries(&[&exact]).len(), 1, "a line of just the limit is whole");
    }
}
