//! From the bytes of a log file to whole lines.

use jiff::Timestamp;

use super::tail::Skip;
use crate::{
    LogLine, LogSource,
    helpers::{
        cri_log::{CriLogError, LogRecord},
        line_assembler::LineAssembler,
    },
};

/// The longest line that is put together: 1 MiB. A longer one comes in pieces, all but the last of them incomplete.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// Takes bytes as they come, and gives lines when they are whole.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The beginning of a record that has not come to its newline.
    open: Vec<u8>,
    /// A record that was too long to be kept until its newline.
    long: Option<Long>,
    assembler: LineAssembler,
    skip: Skip,
}

#[derive(Debug, Clone, Copy)]
enum Long {
    /// Its head is known, its content is passed on as it comes.
    Record { timestamp: Timestamp, source: LogSource, partial: bool },
    /// It is none.
    Garbage,
}

impl Decoder {
    /// Begins with nothing, and passes over the lines that are not wanted.
    pub(super) fn new(skip: Skip) -> Self {
        Self { open: Vec::new(), long: None, assembler: LineAssembler::new(MAX_LINE_BYTES), skip }
    }

    /// The lines that `bytes` complete, and what in them is no record.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Result<LogLine, CriLogError>> {
        let mut ready = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.piece(piece, &mut ready);
        }
        ready
    }

    /// The end of one file, where another may follow: a record without its newline comes to no more.
    pub(super) fn end_of_file(&mut self) -> Vec<Result<LogLine, CriLogError>> {
        self.long = None;
        let torn = std::mem::take(&mut self.open);
        let Ok(record) = LogRecord::parse(&torn) else { return Vec::new() };
        let mut lines = self.assemble(LogRecord { partial: false, ..record });
        if let Some(last) = lines.pop() {
            lines.push(last.incomplete());
        }
        lines.into_iter().map(Ok).collect()
    }

    /// The end of the log: lines that were never ended.
    pub(super) fn finish(&mut self) -> Vec<Result<LogLine, CriLogError>> {
        let mut ready = self.end_of_file();
        let assembler = std::mem::replace(&mut self.assembler, LineAssembler::new(MAX_LINE_BYTES));
        ready.extend(assembler.finish().into_iter().map(Ok));
        ready
    }

    fn piece(&mut self, piece: &[u8], ready: &mut Vec<Result<LogLine, CriLogError>>) {
        let ended = piece.ends_with(b"\n");
        if let Some(long) = self.long {
            self.long = if ended { None } else { Some(long) };
            if let Long::Record { timestamp, source, partial } = long {
                let content = piece.strip_suffix(b"\n").unwrap_or(piece).into();
                let record = LogRecord { timestamp, source, partial: partial || !ended, content };
                ready.extend(self.assemble(record).into_iter().map(Ok));
            }
            return;
        }
        if self.open.is_empty() && ended {
            self.record(piece, ready);
            return;
        }
        self.open.extend_from_slice(piece);
        if ended {
            let line = std::mem::take(&mut self.open);
            self.record(&line, ready);
        } else if self.open.len() > MAX_LINE_BYTES {
            let head = std::mem::take(&mut self.open);
            self.long = Some(match LogRecord::parse(&head) {
                Ok(record) => {
                    let LogRecord { timestamp, source, partial, .. } = record;
                    ready.extend(self.assemble(LogRecord { partial: true, ..record }).into_iter().map(Ok));
                    Long::Record { timestamp, source, partial }
                }
                Err(error) => {
                    ready.push(Err(error));
                    Long::Garbage
                }
            });
        }
    }

    fn record(&mut self, line: &[u8], ready: &mut Vec<Result<LogLine, CriLogError>>) {
        match LogRecord::parse(line) {
            Ok(record) => ready.extend(self.assemble(record).into_iter().map(Ok)),
            Err(error) => ready.push(Err(error)),
        }
    }

    fn assemble(&mut self, record: LogRecord<'_>) -> Vec<LogLine> {
        let unwanted = self.skip.of(record.source);
        if *unwanted == 0 {
            return self.assembler.push(record);
        }
        if !record.partial {
            *unwanted -= 1;
        }
        Vec::new()
    }
}
