//! One log file, read forwards as it grows.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    sync::Arc,
};

use runtime_core::{
    LogLine,
    helpers::{cri_log::LogRecord, line_assembler::LineAssembler},
};
use tokio::task::spawn_blocking;

/// How much is read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A record that is longer is no record of a runtime, which write at most 16 KiB of a line into one.
const MAX_RECORD_BYTES: usize = 4 << 20;

/// A log file and how far it is read.
#[derive(Debug)]
pub(super) struct LogFile {
    file: Arc<File>,
    inode: u64,
    /// The beginning of a record whose end isn't written yet.
    pending: Vec<u8>,
}

impl LogFile {
    /// Reads from this place on.
    pub(super) fn new(mut file: File, position: u64) -> io::Result<Self> {
        let inode = file.metadata()?.ino();
        file.seek(SeekFrom::Start(position))?;
        Ok(Self { file: Arc::new(file), inode, pending: Vec::new() })
    }

    /// The file behind its name, which rotation changes.
    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    /// Reads the next chunk; `false` at the end of what is written.
    pub(super) async fn read(
        &mut self,
        assembler: &mut LineAssembler,
        ready: &mut VecDeque<LogLine>,
    ) -> io::Result<bool> {
        let file = Arc::clone(&self.file);
        let chunk = spawn_blocking(move || read_chunk(&file)).await.map_err(io::Error::from).flatten()?;
        if chunk.is_empty() {
            return Ok(false);
        }
        let scanned = self.pending.len();
        self.pending.extend_from_slice(&chunk);
        let mut start = 0;
        while let Some(end) = newline(&self.pending, scanned.max(start)) {
            match LogRecord::parse(&self.pending[start..end]) {
                Ok(record) => ready.extend(assembler.push(record)),
                // A crash of the host leaves such; the kubelet passes over them as well.
                Err(error) => tracing::warn!(%error, "a line of a container's log is no log record"),
            }
            start = end + 1;
        }
        self.pending.drain(..start);
        if self.pending.len() > MAX_RECORD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record has no end"));
        }
        Ok(true)
    }
}

fn read_chunk(mut file: &File) -> io::Result<Vec<u8>> {
    // A file that was cut is read from its new beginning.
    let position = file.stream_position()?;
    if position > file.metadata()?.len() {
        file.seek(SeekFrom::Start(0))?;
    }
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    file.take(CHUNK_BYTES as u64).read_to_end(&mut chunk)?;
    Ok(chunk)
}

fn newline(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].iter().position(|&byte| byte == b'\n').map(|at| from + at)
}
