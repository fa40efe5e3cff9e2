//! Where the last so many lines of a log begin, found from its end without reading the rest.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{decoder::MAX_LINE_BYTES, generation::Generation};
use crate::{LogSource, helpers::cri_log::LogRecord};

/// How much is read at a time.
const BLOCK_BYTES: u64 = 64 * 1024;
/// Time, stream and tag of a record are no longer.
const MAX_HEAD_BYTES: u64 = 128;
/// How far back the beginning of a line in parts is looked for once there are enough lines.
const LOOK_BACK_BYTES: u64 = 2 * MAX_LINE_BYTES as u64;

/// Where reading begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// The file, by index.
    pub(super) generation: usize,
    /// The byte in it.
    pub(super) offset: u64,
    /// The lines from there on that are not wanted: of two streams in one file, one may begin earlier.
    pub(super) skip: Skip,
}

/// How many lines of each stream are passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Skip {
    stdout: usize,
    stderr: usize,
}

impl Skip {
    pub(super) fn of(&mut self, source: LogSource) -> &mut usize {
        match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        }
    }
}

/// Finds where the last `lines` lines begin; a line counts where its last part stands. Blocks.
pub(super) fn start(generations: &[Generation], lines: usize) -> io::Result<Start> {
    let last = generations.len().saturating_sub(1);
    let end = generations.last().map_or(0, |generation| generation.len);
    let mut start = Start { generation: last, offset: end, skip: Skip::default() };
    let mut selection = Selection { missing: lines, ..Selection::default() };
    let mut looked_back = 0;
    for (index, generation) in generations.iter().enumerate().rev() {
        let mut backward = Backward::new(&generation.file);
        let mut at = generation.len;
        while at > 0 {
            if selection.is_done() || looked_back > LOOK_BACK_BYTES {
                return Ok(start);
            }
            let offset = backward.line_start(at)?;
            looked_back += if selection.missing == 0 { at - offset } else { 0 };
            let head = backward.bytes(offset, at)?;
            if let Ok(LogRecord { source, partial, .. }) = LogRecord::parse(&head)
                && selection.take(source, partial)
            {
                start = Start { generation: index, offset, skip: selection.skip };
            }
            at = offset;
        }
    }
    Ok(start)
}

/// Which of the records that are met, last first, belong to the lines that are wanted.
#[derive(Debug, Default)]
struct Selection {
    missing: usize,
    skip: Skip,
    stdout: Side,
    stderr: Side,
}

/// What is known of one stream.
#[derive(Debug, Default)]
struct Side {
    /// A record was met.
    seen: bool,
    /// The line whose parts are being met is wanted.
    wanted: bool,
}

impl Selection {
    /// Takes the record before all that were met; true if it is wanted.
    fn take(&mut self, source: LogSource, partial: bool) -> bool {
        let side = match source {
            LogSource::Stdout => &mut self.stdout,
            LogSource::Stderr => &mut self.stderr,
        };
        let ends_a_line = !partial || !side.seen;
        if ends_a_line {
            side.seen = true;
            side.wanted = self.missing > 0;
            if side.wanted {
                self.missing -= 1;
            } else {
                *self.skip.of(source) += 1;
            }
        }
        side.wanted
    }

    /// Whether every wanted line has been met from its end to its beginning.
    fn is_done(&self) -> bool {
        self.missing == 0 && !self.stdout.wanted && !self.stderr.wanted
    }
}

/// Lines of a file, last first.
struct Backward<'f> {
    file: &'f File,
    block: Vec<u8>,
    block_start: u64,
}

impl<'f> Backward<'f> {
    fn new(file: &'f File) -> Self {
        Self { file, block: Vec::new(), block_start: u64::MAX }
    }

    /// Where the line begins that ends before `end`, with or without its newline.
    fn line_start(&mut self, end: u64) -> io::Result<u64> {
        // The newline of the line itself is none that ends an earlier one.
        let mut at = end.saturating_sub(1);
        while at > 0 {
            let covered =
                self.block_start < at && at <= self.block_start.saturating_add(self.block.len() as u64);
            if !covered {
                self.load(at)?;
            }
            let known = usize::try_from(at - self.block_start).unwrap_or(usize::MAX);
            let known = self.block.get(..known).unwrap_or_default();
            if let Some(newline) = known.iter().rposition(|&byte| byte == b'\n') {
                return Ok(self.block_start + newline as u64 + 1);
            }
            at = self.block_start;
        }
        Ok(0)
    }

    /// The first bytes of a line.
    fn bytes(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from((end - start).min(MAX_HEAD_BYTES)).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }

    /// Loads the block that ends at `end`.
    fn load(&mut self, end: u64) -> io::Result<()> {
        self.block_start = end.saturating_sub(BLOCK_BYTES);
        self.block.resize(usize::try_from(end - self.block_start).unwrap_or_default(), 0);
        self.file.read_exact_at(&mut self.block, self.block_start)
    }
}
