//! Where the last lines of a log begin, found by reading backwards.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
};

use runtime_core::{LogSource, helpers::cri_log::LogRecord};

use super::MAX_LOG_LINE_BYTES;

/// How much is read at a time.
const BLOCK_BYTES: u64 = 64 << 10;

/// A place in the files of a log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// The index of the file.
    pub(super) file: usize,
    /// The byte in it.
    pub(super) position: u64,
    /// How many lines from there come before those that are wanted.
    pub(super) skip: usize,
}

/// Finds where the last `wanted` lines begin, in files from the oldest to the newest.
///
/// The parts of a line can have parts of a line of the other stream between them, so the place is before the wanted lines
/// where those are, and the number of lines to pass over tells by how much. Parts that are farther than the longest line
/// from the rest of theirs are not looked for.
pub(super) fn find(files: &[File], wanted: usize) -> io::Result<Start> {
    let mut scan = Scan::new(files, wanted)?;
    for (index, file) in files.iter().enumerate().rev() {
        let mut lines = Backwards::new(file)?;
        while let Some((position, line)) = lines.next()? {
            if let Ok(record) = LogRecord::parse(&line)
                && scan.take(index, position, record.source, record.partial, line.len())
            {
                return Ok(scan.start(wanted));
            }
        }
    }
    Ok(scan.start(wanted))
}

/// What is known of the records read so far, which are the last ones.
struct Scan {
    wanted: usize,
    place: Start,
    /// How many lines end at or after `place`.
    lines_in_place: usize,
    /// How many lines end in what was read.
    lines: usize,
    /// Bytes read since there were lines enough.
    beyond: usize,
    streams: [Stream; 2],
}

#[derive(Default, Clone, Copy)]
struct Stream {
    /// A record of it was read.
    seen: bool,
    /// The earliest record in place may be the later part of a line.
    open: bool,
}

impl Scan {
    fn new(files: &[File], wanted: usize) -> io::Result<Self> {
        let position = files.last().map_or(Ok(0), |file| Backwards::new(file).map(|lines| lines.end()))?;
        Ok(Self {
            wanted,
            place: Start { file: files.len().saturating_sub(1), position, skip: 0 },
            lines_in_place: 0,
            lines: 0,
            beyond: 0,
            streams: [Stream::default(); 2],
        })
    }

    /// Takes the record before those taken so far; `true` if nothing before it is of interest.
    fn take(&mut self, file: usize, position: u64, source: LogSource, partial: bool, bytes: usize) -> bool {
        let enough = self.lines >= self.wanted;
        if enough {
            self.beyond += bytes;
        }
        let stream = &mut self.streams[source as usize];
        // A part that nothing follows is the beginning of a line that has not ended: a line all the same.
        let ends_line = !partial || !stream.seen;
        stream.seen = true;
        let in_place = if enough {
            let part_of_wanted = partial && stream.open && !ends_line;
            stream.open &= partial;
            part_of_wanted
        } else {
            stream.open = true;
            true
        };
        self.lines += usize::from(ends_line);
        if in_place {
            self.place.file = file;
            self.place.position = position;
            self.lines_in_place = self.lines;
        }
        let complete = self.streams.iter().all(|stream| !stream.open);
        self.lines >= self.wanted && (enough || self.wanted == 0) && (complete || self.beyond > MAX_LOG_LINE_BYTES)
    }

    fn start(&self, wanted: usize) -> Start {
        Start { skip: self.lines_in_place.saturating_sub(wanted), ..self.place }
    }
}

/// The lines of a file from the last one, each with the place where it begins. What comes after the last newline is not
/// written whole yet, and is none.
struct Backwards<'a> {
    file: &'a File,
    /// Where `held` begins.
    position: u64,
    held: Vec<u8>,
}

impl<'a> Backwards<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        let mut lines = Self { file, position: file.metadata()?.len(), held: Vec::new() };
        // Passes over what comes after the last newline, which stays as the end of the line before.
        while lines.last_newline(lines.held.len()).is_none() && lines.position > 0 {
            lines.read_block()?;
        }
        let end = lines.last_newline(lines.held.len()).map_or(0, |at| at + 1);
        lines.held.truncate(end);
        Ok(lines)
    }

    /// Where the last line ends.
    fn end(&self) -> u64 {
        self.position + self.held.len() as u64
    }

    fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        if self.held.is_empty() && self.position == 0 {
            return Ok(None);
        }
        loop {
            // The last byte held is the newline that ends the line.
            if let Some(before) = self.held.len().checked_sub(1).and_then(|end| self.last_newline(end)) {
                let line = self.held.split_off(before + 1);
                return Ok(Some((self.position + before as u64 + 1, line)));
            }
            if self.position == 0 {
                let line = std::mem::take(&mut self.held);
                return Ok((!line.is_empty()).then_some((0, line)));
            }
            self.read_block()?;
        }
    }

    fn last_newline(&self, end: usize) -> Option<usize> {
        self.held[..end].iter().rposition(|&byte| byte == b'\n')
    }

    fn read_block(&mut self) -> io::Result<()> {
        let length = BLOCK_BYTES.min(self.position);
        self.position -= length;
        let mut block = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut block, self.position)?;
        block.append(&mut self.held);
        self.held = block;
        Ok(())
    }
}
