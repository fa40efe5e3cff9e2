//! What this process takes of memory.

use crate::Result;

/// The bytes that are in memory now.
pub(crate) fn resident_bytes() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split_whitespace().nth(1).ok_or("/proc/self/statm is cut")?.parse()?;
    Ok(pages * rustix::param::page_size())
}
