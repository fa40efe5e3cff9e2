//! Reading a log file to its end, or as long as its container runs.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, SeekFrom},
    path::PathBuf,
    time::SystemTime,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::{
    decoder::Decoder,
    generation::{self, Generation, Identity},
    tail::{self, Start},
};
use crate::{
    Error, ErrorKind, LogLine, LogOptions, LogStream, Result, file_watch::Watch,
    helpers::cri_log::CriLogError,
};

const READ_BYTES: usize = 64 * 1024;

/// The lines of the log at `path`, oldest first.
///
/// - Files that rotation has moved aside are read first. While following, each file is read to its end before the next,
///   so nothing that is still on disk is lost.
/// - Parts are joined to lines of up to [`MAX_LINE_BYTES`](super::MAX_LINE_BYTES).
/// - `tail` is counted over all files, before `since` is looked at.
/// - A file that is missing is empty; with `follow` it is waited for.
/// - With `follow` the stream goes on until `ended` resolves, which says that nothing more will be written; what is there
///   by then is read to its end, and the stream ends. It waits by inotify, and polls (from 1 ms, doubling to 250 ms) only
///   where the kernel refuses that. Without `follow`, `ended` is not looked at.
///
/// A record that is no log record is an error of kind `Protocol`, after which the lines go on; a file that can't be read
/// is an error and the end. Dropping the stream ends everything that it started.
pub fn read(
    path: PathBuf,
    options: &LogOptions,
    ended: impl Future<Output = ()> + Send + 'static,
) -> LogStream {
    let reader = Reader::new(path, options.clone(), ended.boxed());
    stream::unfold(reader, |mut reader| async move { reader.next().await.map(|line| (line, reader)) }).boxed()
}

struct Reader {
    path: PathBuf,
    options: LogOptions,
    ended: BoxFuture<'static, ()>,
    /// Nothing more will be written.
    over: bool,
    begun: bool,
    finished: bool,
    watch: Option<Watch>,
    /// What the watch was last told to look at.
    watched: Option<(Option<Identity>, Option<Identity>)>,
    current: Option<Current>,
    /// Files to be read after the current one.
    next: VecDeque<Generation>,
    decoder: Decoder,
    buffer: Vec<u8>,
    ready: VecDeque<Result<LogLine>>,
}

/// The file that is being read.
#[derive(Debug)]
struct Current {
    file: File,
    identity: Identity,
    offset: u64,
}

impl Reader {
    fn new(path: PathBuf, options: LogOptions, ended: BoxFuture<'static, ()>) -> Self {
        Self {
            path,
            options,
            ended,
            over: false,
            begun: false,
            finished: false,
            watch: None,
            watched: None,
            current: None,
            next: VecDeque::new(),
            decoder: Decoder::new(tail::Skip::default()),
            buffer: vec![0; READ_BYTES],
            ready: VecDeque::new(),
        }
    }

    async fn next(&mut self) -> Option<Result<LogLine>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.finished {
                return None;
            }
            if let Err(error) = self.step().await {
                self.finished = true;
                return Some(Err(self.failed(error)));
            }
        }
    }

    /// Reads a piece, goes on to the next file, or waits.
    async fn step(&mut self) -> io::Result<()> {
        if !self.begun {
            return self.begin().await;
        }
        if let Some(current) = &mut self.current {
            let count = current.file.read(&mut self.buffer).await?;
            if count > 0 {
                current.offset += count as u64;
                let lines = self.decoder.push(self.buffer.get(..count).unwrap_or_default());
                self.deliver(lines);
                self.watch.iter_mut().for_each(Watch::found);
                return Ok(());
            }
        }
        if let Some(next) = self.next.pop_front() {
            let lines = self.decoder.end_of_file();
            self.deliver(lines);
            self.current =
                Some(Current { file: File::from_std(next.file), identity: next.identity, offset: 0 });
            return Ok(());
        }
        if !self.options.follow {
            self.finish();
            return Ok(());
        }
        self.follow().await
    }

    /// Opens what is there and finds the first line.
    async fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        let (path, lines) = (self.path.clone(), self.options.tail);
        let (mut generations, start) = blocking(move || {
            let generations = generation::all(&path)?;
            let start = match lines {
                Some(lines) => tail::start(&generations, lines)?,
                None => Start::default(),
            };
            Ok((generations, start))
        })
        .await?;
        self.decoder = Decoder::new(start.skip);
        generations.drain(..start.generation.min(generations.len()));
        let mut generations = generations.into_iter();
        if let Some(first) = generations.next() {
            let mut file = File::from_std(first.file);
            file.seek(SeekFrom::Start(start.offset)).await?;
            self.current = Some(Current { file, identity: first.identity, offset: start.offset });
        }
        self.next = generations.collect();
        Ok(())
    }

    /// At the end of the last file: is there another, is it over, or is there something to wait for?
    async fn follow(&mut self) -> io::Result<()> {
        if self.rewind_truncated().await? {
            return Ok(());
        }
        let newest = match tokio::fs::File::open(&self.path).await {
            Ok(file) => {
                let identity = Identity::of(&file.metadata().await?);
                Some((file, identity))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let identities =
            (self.current.as_ref().map(|c| c.identity), newest.as_ref().map(|(_, identity)| *identity));
        if self.watched != Some(identities) {
            // Watched first and read again afterwards, so that nothing can happen unseen in between.
            let watch = self.watch.get_or_insert_with(Watch::new);
            watch.add_directory_of(&self.path);
            self.current.iter().for_each(|current| watch.add_file(&current.file));
            newest.iter().for_each(|(file, _)| watch.add_file(file));
            self.watched = Some(identities);
            return Ok(());
        }
        if identities.0 != identities.1 || self.over {
            let successors = self.successors().await?;
            // A new file that is empty may have been made while the last words still go to the old one.
            if self.over || successors.iter().any(|successor| successor.len > 0) {
                self.next = successors.into();
            }
            if !self.next.is_empty() {
                return Ok(());
            }
        }
        if self.over {
            self.finish();
            return Ok(());
        }
        let Some(watch) = &mut self.watch else { return Ok(()) };
        tokio::select! {
            () = &mut self.ended => self.over = true,
            () = watch.changed() => {
                if newest.is_none() {
                    // A directory on the way to the file may have come.
                    self.watched = None;
                }
            }
        }
        Ok(())
    }

    /// A file that is shorter than what was read of it was emptied in place: it begins again.
    async fn rewind_truncated(&mut self) -> io::Result<bool> {
        let Some(current) = &mut self.current else { return Ok(false) };
        if current.file.metadata().await?.len() >= current.offset {
            return Ok(false);
        }
        current.file.seek(SeekFrom::Start(0)).await?;
        current.offset = 0;
        let lines = self.decoder.end_of_file();
        self.deliver(lines);
        Ok(true)
    }

    async fn successors(&mut self) -> io::Result<Vec<Generation>> {
        let path = self.path.clone();
        let Some(current) = &self.current else { return blocking(move || generation::all(&path)).await };
        let (identity, modified) = (current.identity, modified(current).await?);
        blocking(move || generation::after(&path, identity, modified)).await
    }

    fn deliver(&mut self, lines: Vec<Result<LogLine, CriLogError>>) {
        for line in lines {
            match line {
                Ok(line) if self.options.since.is_some_and(|since| line.timestamp < since) => {}
                Ok(line) => self.ready.push_back(Ok(line)),
                Err(error) => {
                    let error = Error::new(ErrorKind::Protocol, format!("{}: {error}", self.path.display()));
                    self.ready.push_back(Err(error));
                }
            }
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        let lines = self.decoder.finish();
        self.deliver(lines);
    }

    fn failed(&self, error: io::Error) -> Error {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Unexpected,
        };
        Error::new(kind, format!("can't read the log {}: {error}", self.path.display())).with_source(error)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

async fn modified(current: &Current) -> io::Result<SystemTime> {
    current.file.metadata().await?.modified()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
