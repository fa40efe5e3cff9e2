//! Whether an archive that passes by has come to its end.

use tar::Header;

use super::error::TarError;
use super::member::malformed;

const BLOCK: usize = 512;
/// No extension that says a size is longer.
const MAX_EXTENSION: u64 = 64 * 1024;

/// Watches an archive as it passes, piece by piece, and knows whether its end mark has come. It looks at headers alone, and
/// keeps no data.
#[derive(Debug, Default)]
pub struct EndScanner {
    /// The beginning of a block.
    block: Vec<u8>,
    /// Bytes of data, and what pads them, until the next header.
    skip: u64,
    /// The rest of an extension, and what has come of it.
    extension: Option<(u64, Vec<u8>)>,
    /// The size of the next member, which its header may be too small for.
    size: Option<u64>,
    ended: bool,
}

impl EndScanner {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`TarError::Malformed`] for a header that is none.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), TarError> {
        while !self.ended && !piece.is_empty() {
            if let Some((left, text)) = &mut self.extension {
                let count = piece.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let (now, later) = piece.split_at(count);
                text.extend_from_slice(now);
                *left -= count as u64;
                piece = later;
                if *left == 0 {
                    self.size = pax_size(text).or(self.size);
                    self.extension = None;
                }
                continue;
            }
            if self.skip > 0 {
                let count = piece.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
                piece = piece.split_at(count).1;
                self.skip -= count as u64;
                continue;
            }
            let (now, later) = piece.split_at(piece.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            piece = later;
            if self.block.len() == BLOCK {
                self.header()?;
                self.block.clear();
            }
        }
        Ok(())
    }

    /// Whether the end mark has come.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.ended
    }

    fn header(&mut self) -> Result<(), TarError> {
        if self.block.iter().all(|byte| *byte == 0) {
            self.ended = true;
            return Ok(());
        }
        let header = Header::from_byte_slice(&self.block);
        let kind = header.entry_type();
        let own = header.entry_size().map_err(malformed)?;
        let padded = |size: u64| {
            size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| malformed("a size beyond all bounds"))
        };
        if kind.is_pax_local_extensions() && own > 0 {
            if own > MAX_EXTENSION {
                return Err(malformed("an extension is longer than any name"));
            }
            self.extension = Some((padded(own)?, Vec::new()));
            return Ok(());
        }
        let extends = kind.is_gnu_longname() || kind.is_gnu_longlink() || kind.is_pax_global_extensions();
        let size = if extends { own } else { self.size.take().unwrap_or(own) };
        // Of these some writers give the size of what they stand for, and none its data.
        let has_data = !(kind.is_symlink() || kind.is_dir() || kind.is_hard_link());
        self.skip = if has_data { padded(size)? } else { 0 };
        Ok(())
    }
}

fn pax_size(text: &[u8]) -> Option<u64> {
    let records = tar::PaxExtensions::new(text).flatten();
    let size = records.filter(|record| record.key_bytes() == b"size").last()?;
    std::str::from_utf8(size.value_bytes()).ok()?.parse().ok()
}
