//! What daemons use, as the kernel counts it.

use jiff::Timestamp;
use runtime_core::{
    CpuStats, Error, ErrorKind, MemoryStats, Object, PodFilter, PodId, PodPhase, PodStats, Result,
    spec::Bytes,
};

use crate::{driver::NydusDriver, io_error::failed, look::Look, process::identity::Stat, state::blocking};

impl NydusDriver {
    pub(crate) async fn stats_of(&self, id: &PodId) -> Result<PodStats> {
        let Some((look, _)) = self.look(id).await? else {
            return Err(Error::not_found(Object::pod(id.as_str())));
        };
        let stats = blocking(move || measured(&look)).await?;
        stats.ok_or_else(|| Error::new(ErrorKind::InvalidState, "the pod is not running"))
    }

    /// Of the pods that fit and run.
    pub(crate) async fn list_of_stats(&self, filter: &PodFilter) -> Result<Vec<PodStats>> {
        let all = self.look_at_all().await?;
        let fits: Vec<Look> = all.into_iter().filter(|look| filter.matches(&look.summary())).collect();
        blocking(move || fits.iter().filter_map(|look| measured(look).transpose()).collect()).await
    }
}

/// Measures a pod's daemon; `None` if it doesn't run.
fn measured(look: &Look) -> Result<Option<PodStats>> {
    let Some(process) = look.process.as_ref().filter(|_| look.standing.phase == PodPhase::Running) else {
        return Ok(None);
    };
    let stat = process.stat().map_err(|error| failed("measure the daemon", error))?;
    let Some(stat) = stat else { return Ok(None) };
    let spec = &look.found.record.spec;
    let mut stats =
        PodStats::new(look.found.record.id.clone(), spec.name.clone(), spec.namespace_or_default());
    let now = Timestamp::now();
    stats.cpu = Some(cpu(&stat, now, rustix::param::clock_ticks_per_second()));
    stats.memory = Some(memory(&stat, now, rustix::param::page_size() as u64));
    stats.processes = Some(1);
    Ok(Some(stats))
}

fn cpu(stat: &Stat, now: Timestamp, ticks_per_second: u64) -> CpuStats {
    let nanos = u128::from(stat.cpu_ticks) * 1_000_000_000 / u128::from(ticks_per_second.max(1));
    let mut cpu = CpuStats::default();
    cpu.measured_at = Some(now);
    cpu.usage_nanos = u64::try_from(nanos).ok();
    cpu
}

/// The files of the cache are the kernel's, not the daemon's.
fn memory(stat: &Stat, now: Timestamp, page_size: u64) -> MemoryStats {
    let resident = stat.resident_pages.saturating_mul(page_size);
    let mut memory = MemoryStats::default();
    memory.measured_at = Some(now);
    memory.rss = Some(Bytes(resident));
    memory.working_set = memory.rss;
    memory.page_faults = Some(stat.minor_faults.saturating_add(stat.major_faults));
    memory.major_page_faults = Some(stat.major_faults);
    memory
}
