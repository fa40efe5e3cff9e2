//! Finding the marks in the wrapper's output.

use super::{Mark, Nonce, mark::MAX_MARK_BYTES};

/// Finds marks in output that comes in pieces of any size, and drops what is not one: a terminal's echo, and what programs
/// that run before the wrapper say. Keeps no more than the last piece and what may be the beginning of a mark.
#[derive(Debug)]
pub struct MarkScanner {
    start: Vec<u8>,
    seen: Vec<u8>,
}

impl MarkScanner {
    /// One for the marks with this nonce.
    #[must_use]
    pub fn new(nonce: &Nonce) -> Self {
        Self { start: format!("<wharf:{nonce}:").into_bytes(), seen: Vec::new() }
    }

    /// Takes the next piece of output.
    pub fn push(&mut self, piece: &[u8]) {
        self.seen.extend_from_slice(piece);
    }

    /// The next mark in what was pushed; `None` when there is none yet.
    pub fn next_mark(&mut self) -> Option<Mark> {
        let mut at = 0;
        let mark = loop {
            let rest = self.seen.get(at..).unwrap_or_default();
            let Some(found) = rest.windows(self.start.len()).position(|window| window == self.start) else {
                // Less than a whole beginning may be one.
                at = self.seen.len().saturating_sub(self.start.len() - 1).max(at);
                break None;
            };
            let begin = at + found;
            let text = self.seen.get(begin + self.start.len()..).unwrap_or_default();
            let text = text.get(..MAX_MARK_BYTES).unwrap_or(text);
            match text.iter().position(|byte| *byte == b'>') {
                None if text.len() < MAX_MARK_BYTES => {
                    at = begin;
                    break None;
                }
                Some(end) if let Some(mark) = text.get(..end).and_then(Mark::parse) => {
                    at = begin + self.start.len() + end + 1;
                    break Some(mark);
                }
                _ => at = begin + self.start.len(),
            }
        };
        self.seen.drain(..at);
        mark
    }

    /// What came after the last mark.
    #[must_use]
    pub fn into_rest(self) -> Vec<u8> {
        self.seen
    }
}
