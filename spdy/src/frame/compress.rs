//! Header blocks are one zlib stream a direction, with a dictionary set ahead, and flushed after each block.

use super::dictionary::DICTIONARY;
use super::{DecodeError, EncodeError, MAX_HEADERS};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

#[derive(Debug)]
pub(super) struct Deflater {
    zlib: Compress,
    /// The dictionary is set at the first block, where a failure can be told.
    begun: bool,
}

impl Deflater {
    pub(super) fn new() -> Self {
        Self { zlib: Compress::new(Compression::default(), true), begun: false }
    }

    /// One block. After an error the direction can't be written on.
    pub(super) fn block(&mut self, block: &[u8]) -> Result<Vec<u8>, EncodeError> {
        if !self.begun {
            self.zlib.set_dictionary(DICTIONARY).map_err(|_| EncodeError::Compression)?;
            self.begun = true;
        }
        let mut compressed = Vec::with_capacity(block.len() + 64);
        let mut rest = block;
        loop {
            let before = self.zlib.total_in();
            self.zlib
                .compress_vec(rest, &mut compressed, FlushCompress::Sync)
                .map_err(|_| EncodeError::Compression)?;
            rest = rest.get(taken(self.zlib.total_in(), before)..).unwrap_or_default();
            // Room that is left shows that the flush is through.
            if rest.is_empty() && compressed.len() < compressed.capacity() {
                return Ok(compressed);
            }
            compressed.reserve(compressed.len().max(64));
        }
    }
}

#[derive(Debug)]
pub(super) struct Inflater {
    zlib: Decompress,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { zlib: Decompress::new(true) }
    }

    /// One block, of at most [`MAX_HEADERS`] bytes.
    pub(super) fn block(&mut self, compressed: &[u8]) -> Result<Vec<u8>, DecodeError> {
        // One more than allowed, so that a full buffer shows a block that is too large.
        let mut block = Vec::with_capacity(1024);
        let mut rest = compressed;
        loop {
            let (before, had) = (self.zlib.total_in(), block.len());
            let status = match self.zlib.decompress_vec(rest, &mut block, FlushDecompress::Sync) {
                Ok(status) => status,
                Err(error) if error.needs_dictionary().is_some() => {
                    self.zlib.set_dictionary(DICTIONARY).map_err(|_| DecodeError::Compression)?;
                    Status::Ok
                }
                Err(_) => return Err(DecodeError::Compression),
            };
            let took = taken(self.zlib.total_in(), before);
            rest = rest.get(took..).unwrap_or_default();
            if block.len() > MAX_HEADERS {
                return Err(DecodeError::HeadersTooLarge);
            }
            let full = block.len() == block.capacity();
            match status {
                // A zlib stream that ends can't carry the next block.
                Status::StreamEnd => return Err(DecodeError::Compression),
                _ if rest.is_empty() && !full => return Ok(block),
                Status::BufError if !full && took == 0 && block.len() == had => {
                    return Err(DecodeError::Compression);
                }
                _ if full => block.reserve(block.len().min(MAX_HEADERS)),
                _ => {}
            }
        }
    }
}

fn taken(total: u64, before: u64) -> usize {
    usize::try_from(total.saturating_sub(before)).unwrap_or(usize::MAX)
}
