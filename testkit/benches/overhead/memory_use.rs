//! What this process takes of memory.

use crate::Result;

/// The bytes that are in memory now.
pub(crate) fn resident_bytes() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split_whitespace().nth(1).ok_or("/proc/self/statm is cut")?.parse()?;
    Ok(pages * rustix::param::page_size())
}

/// From now on [`peak_bytes`] is of what comes.
pub(crate) fn forget_peak() -> Result<()> {
    // The peak alone, of what there is to clear.
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

/// The most bytes that were in memory at a time.
pub(crate) fn peak_bytes() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    Ok(peak.ok_or("/proc/self/status is cut")?.parse::<usize>()? << 10)
}
