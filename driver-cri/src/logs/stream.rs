//! The lines of a log as a stream, across rotations.

use std::{
    collections::VecDeque,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use runtime_core::{LogLine, Result, helpers::line_assembler::LineAssembler};
use tokio::task::spawn_blocking;

use super::{
    Files, MAX_LOG_LINE_BYTES,
    file::LogFile,
    files::{self, Opened},
    follow::Follow,
    unreadable,
};

/// Reads the files of a log in order, then what is written into the last one.
#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    files: Files,
    /// Rotated files that are read or passed over.
    rotated: Vec<PathBuf>,
    skip: usize,
    since: Option<Timestamp>,
    follow: Option<Follow>,
    assembler: Option<LineAssembler>,
    ready: VecDeque<LogLine>,
}

impl Reader {
    pub(super) fn new(path: PathBuf, opened: Opened, since: Option<Timestamp>, follow: Option<Follow>) -> Self {
        let Opened { files, skip, rotated } = opened;
        let assembler = Some(LineAssembler::new(MAX_LOG_LINE_BYTES));
        Self { path, files, rotated, skip, since, follow, assembler, ready: VecDeque::new() }
    }

    /// The next line; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<LogLine>> {
        loop {
            while let Some(line) = self.ready.pop_front() {
                if self.is_wanted(&line) {
                    return Ok(Some(line));
                }
            }
            if self.read().await? {
                continue;
            }
            let more = match &mut self.follow {
                Some(follow) => follow.more().await?,
                None => false,
            };
            if more {
                self.look_for_rotation().await?;
                continue;
            }
            match self.assembler.take() {
                Some(assembler) => self.ready.extend(assembler.finish()),
                None => return Ok(None),
            }
        }
    }

    /// Reads what is there; `false` if there is nothing new.
    async fn read(&mut self) -> Result<bool> {
        let Some(assembler) = &mut self.assembler else { return Ok(false) };
        for file in &mut self.files {
            let read = file.read(assembler, &mut self.ready).await;
            if read.map_err(|error| unreadable(&self.path, &error))? {
                return Ok(true);
            }
        }
        // The last but one may still get what the runtime had begun to write when it was rotated.
        while self.files.len() > 2 {
            self.files.pop_front();
        }
        Ok(false)
    }

    /// Opens what came into being since the last look.
    async fn look_for_rotation(&mut self) -> Result<()> {
        let (path, known) = (self.path.clone(), self.rotated.clone());
        let last = self.files.back().map(LogFile::inode);
        let found = spawn_blocking(move || newer(&path, last, known)).await.map_err(io::Error::from).flatten();
        if let Some((files, rotated)) = found.map_err(|error| unreadable(&self.path, &error))? {
            let known = self.files.iter().map(LogFile::inode).collect::<Vec<_>>();
            self.files.extend(files.into_iter().filter(|file| !known.contains(&file.inode())));
            self.rotated = rotated;
        }
        Ok(())
    }

    fn is_wanted(&mut self, line: &LogLine) -> bool {
        if self.skip > 0 {
            // A piece of a long line is no line, but one that the log ends in is.
            let is_line = line.complete || self.assembler.is_none();
            self.skip -= usize::from(is_line);
            return false;
        }
        self.since.is_none_or(|since| line.timestamp >= since)
    }
}

/// The files after the last one that is open; `None` if that is still the one written to.
fn newer(path: &Path, last: Option<u64>, known: Vec<PathBuf>) -> io::Result<Option<(Files, Vec<PathBuf>)>> {
    let Some(current) = files::open_existing(path)? else { return Ok(None) };
    if last == Some(current.metadata()?.ino()) {
        return Ok(None);
    }
    let rotated = files::rotated(path)?;
    let mut files = Files::new();
    for path in rotated.iter().filter(|path| !known.contains(path)) {
        if let Some(file) = files::open_existing(path)? {
            files.push_back(LogFile::new(file, 0)?);
        }
    }
    files.push_back(LogFile::new(current, 0)?);
    Ok(Some((files, rotated)))
}
