//! A daemon's output: a file, which no reader can block, told line by line as tracing events.
//!
//! The file would grow for as long as the daemon runs. What was told is given back to the disk by punching holes into it, but
//! for its end, which errors quote. One process follows a file, by a lock on it: the one that started the daemon, or, once
//! that has gone, another one that watches the daemon.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use runtime_core::{PodId, file_watch::Watch};
use rustix::fs::{FallocateFlags, fallocate};
use tokio::task::spawn_blocking;

/// The longest part of a line that is told; what comes behind it is only counted.
const MAX_LINE_BYTES: usize = 8 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// Holes are punched in steps of this.
const STEP_BYTES: u64 = 1 << 20;
/// How much of the end is kept.
const KEPT_BYTES: u64 = 64 * 1024;
/// A daemon that writes faster than it can be told: when so much waits, it is skipped.
const MAX_BEHIND_BYTES: u64 = 64 << 20;

/// A daemon writes a few lines for each call. They are read together, so that following costs the calls next to nothing.
const GATHERING: Duration = Duration::from_millis(20);

/// How much of the end is quoted.
const LAST_WORDS_LINES: usize = 3;
const LAST_WORDS_BYTES: usize = 1024;
const LAST_WORDS_READ: u64 = 8 * 1024;

/// The target of the events.
const TARGET: &str = "wharf::nydus";

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Start,
    /// What was written before has been told by somebody else, or by nobody.
    Now,
}

/// Follows one file. It ends with this.
#[derive(Debug)]
pub(crate) struct Follower {
    pod: PodId,
    file: Arc<File>,
    position: u64,
    /// Up to here the space was given back.
    punched: u64,
    lines: Lines,
}

impl Follower {
    /// Takes a file; `None` if somebody else follows it.
    pub(crate) fn open(path: &Path, pod: PodId, from: From) -> io::Result<Option<Self>> {
        let file = File::options().read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let position = if from == From::Now { file.metadata()?.len() } else { 0 };
        Ok(Some(Self { pod, file: Arc::new(file), position, punched: 0, lines: Lines::default() }))
    }

    /// Tells what is written, for ever.
    pub(crate) async fn follow(&mut self) -> io::Result<()> {
        let mut watch = Watch::new();
        watch.add_file(&self.file);
        loop {
            if self.drain().await? {
                watch.found();
            }
            watch.changed().await;
            tokio::time::sleep(GATHERING).await;
        }
    }

    /// Tells what there is; whether there was something.
    pub(crate) async fn drain(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            let (file, position) = (Arc::clone(&self.file), self.position);
            let read = spawn_blocking(move || read_at(&file, position)).await??;
            let Chunk { skipped, bytes } = read;
            let is_end = bytes.len() < READ_BYTES;
            if skipped > 0 {
                tracing::warn!(target: TARGET, pod = %self.pod, bytes = skipped, "the daemon writes too fast, left out");
                self.lines = Lines::default();
            }
            if bytes.is_empty() {
                return Ok(any);
            }
            any = true;
            self.position += skipped + bytes.len() as u64;
            let pod = &self.pod;
            self.lines.push(&bytes, |line| tell(pod, line));
            self.give_back().await?;
            if is_end {
                return Ok(any);
            }
        }
    }

    /// Tells the last line although it was not ended.
    pub(crate) fn finish(&mut self) {
        let pod = &self.pod;
        self.lines.finish(|line| tell(pod, line));
    }

    async fn give_back(&mut self) -> io::Result<()> {
        let end = self.position.saturating_sub(KEPT_BYTES) / STEP_BYTES * STEP_BYTES;
        if end <= self.punched {
            return Ok(());
        }
        let (file, start) = (Arc::clone(&self.file), self.punched);
        self.punched = end;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let punched = spawn_blocking(move || fallocate(&*file, flags, start, end - start)).await?;
        // Not every file system can.
        if let Err(error) = punched {
            tracing::debug!(pod = %self.pod, %error, "can't give space of the log back");
        }
        Ok(())
    }
}

/// Whether somebody follows a file.
pub(crate) fn is_followed(path: &Path) -> io::Result<bool> {
    match File::options().read(true).open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A piece of a file.
struct Chunk {
    /// What was left out before it.
    skipped: u64,
    bytes: Vec<u8>,
}

fn read_at(file: &File, position: u64) -> io::Result<Chunk> {
    let behind = file.metadata()?.len().saturating_sub(position);
    let skipped = if behind > MAX_BEHIND_BYTES { behind - KEPT_BYTES } else { 0 };
    let mut bytes = vec![0; READ_BYTES];
    let read = file.read_at(&mut bytes, position + skipped)?;
    bytes.truncate(read);
    Ok(Chunk { skipped, bytes })
}

/// The end of a log, for a person: what a daemon said before it ended. Empty where there is none.
pub(crate) fn last_words(path: &Path) -> String {
    let read = || {
        let file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(LAST_WORDS_READ);
        let mut bytes = vec![0; usize::try_from(LAST_WORDS_READ).unwrap_or(READ_BYTES)];
        let mut filled = 0;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], start + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    };
    let bytes: Vec<u8> = read().unwrap_or_else(|error: io::Error| {
        tracing::debug!(path = %path.display(), %error, "can't read a daemon's last words");
        Vec::new()
    });
    let text = plain(&bytes);
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let words = lines.split_off(lines.len().saturating_sub(LAST_WORDS_LINES)).join(" | ");
    let mut start = words.len().saturating_sub(LAST_WORDS_BYTES);
    while !words.is_char_boundary(start) {
        start += 1;
    }
    words[start..].to_owned()
}

/// Puts lines together, holding no more of one than is told.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
    /// How much of the line came behind that.
    cut: u64,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    /// How many bytes of it are left out.
    cut: u64,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Line)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.add(&bytes[..end]);
            self.finish(&mut tell);
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES - self.pending.len();
        let (fits, over) = bytes.split_at(bytes.len().min(room));
        self.pending.extend_from_slice(fits);
        self.cut += over.len() as u64;
    }

    fn finish(&mut self, mut tell: impl FnMut(Line)) {
        let text = plain(&self.pending);
        let line = Line { text: text.trim_end().to_owned(), cut: self.cut };
        self.pending.clear();
        self.cut = 0;
        if !line.text.is_empty() || line.cut > 0 {
            tell(line);
        }
    }
}

/// Text without the sequences that colour it, and without what terminals would take for orders.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' && chars.next_if_eq(&'[').is_some() {
            // Parameters, then one final letter.
            while chars.next().is_some_and(|char| !('@'..='~').contains(&char)) {}
        } else if !char.is_control() || matches!(char, '\n' | '\t') {
            plain.push(char);
        }
    }
    plain
}

/// Levels of events are part of the code, so each has its own.
fn tell(pod: &PodId, line: Line) {
    let Line { text, cut } = line;
    match level(&text) {
        tracing::Level::ERROR => tracing::error!(target: TARGET, %pod, cut, "{text}"),
        tracing::Level::WARN => tracing::warn!(target: TARGET, %pod, cut, "{text}"),
        tracing::Level::DEBUG => tracing::debug!(target: TARGET, %pod, cut, "{text}"),
        tracing::Level::TRACE => tracing::trace!(target: TARGET, %pod, cut, "{text}"),
        _ => tracing::info!(target: TARGET, %pod, cut, "{text}"),
    }
}

/// The daemon's lines begin with `[TIME] LEVEL `. Others, such as those of a panic, are warnings.
fn level(line: &str) -> tracing::Level {
    let word =
        line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map(|(_, rest)| rest.split(' ').next());
    match word.flatten() {
        Some("ERROR") => tracing::Level::ERROR,
        Some("INFO") => tracing::Level::INFO,
        Some("DEBUG") => tracing::Level::DEBUG,
        Some("TRACE") => tracing::Level::TRACE,
        _ => tracing::Level::WARN,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write, os::unix::fs::MetadataExt};

    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Line> {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| told.push(line));
            assert!(lines.pending.len() <= MAX_LINE_BYTES);
        }
        lines.finish(|line| told.push(line));
        told
    }

    #[test]
    fn lines_come_whole_whatever_the_chunks_and_too_long_ones_are_cut() {
        let line = |text: &str, cut| Line { text: text.to_owned(), cut };
        assert_eq!(lines(&[b"a\nb", b"c\r\n\n", b"d"]), [line("a", 0), line("bc", 0), line("d", 0)]);
        let flood = vec![b'x'; 10 << 20];
        let told = lines(&[b"a\n", &flood, &flood, b"\nz\n"]);
        assert_eq!(told[1].text.len(), MAX_LINE_BYTES);
        assert_eq!(told[1].cut, (20 << 20) - MAX_LINE_BYTES as u64);
        assert_eq!(told[2], line("z", 0));
    }

    #[test]
    fn colours_and_orders_to_terminals_are_left_out() {
        assert_eq!(plain(b"\x1b[32mINFO\x1b[0m a\tb\x07\0 \xff \x1b"), "INFO a\tb \u{fffd} ");
        assert_eq!(plain(b"\x1b[32"), "");
    }

    #[test]
    fn levels() {
        use tracing::Level;
        for (line, expected) in [
            ("[2026-11-21 03:54:36.702796 +00:00] INFO Program Version: unknown", Level::INFO),
            ("[2026-11-21 03:54:36.702796 +00:00] ERROR [src/x.rs:1] failed", Level::ERROR),
            ("thread 'main' panicked at src/x.rs:1:", Level::WARN),
            ("[", Level::WARN),
        ] {
            assert_eq!(level(line), expected, "{line}");
        }
    }

    #[test]
    fn last_words_are_the_last_lines_that_say_something() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(last_words(file.path()), "");
        assert_eq!(last_words(Path::new("/no/such")), "");
        fs::write(file.path(), "a\nb\n\n\x1b[31mc\x1b[0m\nd\n \n").unwrap();
        assert_eq!(last_words(file.path()), "b | c | d");
        fs::write(file.path(), "ä".repeat(10 << 20)).unwrap();
        assert!(last_words(file.path()).len() <= LAST_WORDS_BYTES);
    }

    #[tokio::test]
    async fn one_follows_and_the_space_is_given_back_but_for_the_end() {
        // Not on every machine's temporary file system can holes be punched.
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let path = directory.path().join("log");
        let mut file = File::options().create(true).append(true).open(&path).unwrap();
        let mut follower = Follower::open(&path, PodId::new("p"), From::Start).unwrap().unwrap();
        assert!(Follower::open(&path, PodId::new("p"), From::Start).unwrap().is_none());
        for _ in 0..10 {
            file.write_all(&vec![b'x'; 1 << 20]).unwrap();
            file.write_all(b"\n").unwrap();
            assert!(follower.drain().await.unwrap());
        }
        assert!(!follower.drain().await.unwrap());
        file.sync_all().unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.len(), 10 * ((1 << 20) + 1));
        assert!(found.blocks() * 512 <= 3 << 20, "{} bytes are kept", found.blocks() * 512);
        file.write_all(b"the end\n").unwrap();
        assert!(last_words(&path).ends_with("the end"));
        follower.finish();
        assert!(is_followed(&path).unwrap());
        drop(follower);
        assert!(!is_followed(&path).unwrap());
        assert!(Follower::open(&path, PodId::new("p"), From::Now).unwrap().is_some());
    }
}
