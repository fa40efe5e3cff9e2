//! What this process takes of the processors.

use std::time::Duration;

use crate::Result;

/// The time that all threads have run, in the kernel too, to a hundredth of a second.
pub(crate) fn processor_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program is in parentheses, and may have anything in it.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/self/stat is cut")?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}
