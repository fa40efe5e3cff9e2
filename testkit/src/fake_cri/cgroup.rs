//! Resources as a container sees them under runc on cgroup v1: files, and what runc says when it can't set them.

use std::fs;

use k8s_cri::v1::LinuxContainerResources;

use crate::engine::CgroupFile;

/// Less than runc itself needs to start anything.
const MIN_MEMORY_BYTES: i64 = 2_482_176;
const UNLIMITED_MEMORY: i64 = 0x7fff_ffff_ffff_f000;
const SHARES: std::ops::RangeInclusive<i64> = 2..=262_144;
const DEFAULT_SHARES: i64 = 1024;
const MIN_QUOTA_MICROSECONDS: i64 = 1000;
const PERIOD_MICROSECONDS: std::ops::RangeInclusive<i64> = 1000..=1_000_000;
const DEFAULT_PERIOD_MICROSECONDS: i64 = 100_000;

/// The files under `/sys/fs/cgroup`. Zero means that nothing was asked for.
pub(super) fn files(resources: &LinuxContainerResources) -> Vec<CgroupFile> {
    let or = |value: i64, default: i64| if value == 0 { default } else { value };
    let memory = match resources.memory_limit_in_bytes {
        limit if limit > 0 => limit,
        _ => UNLIMITED_MEMORY,
    };
    let swap = match resources.memory_swap_limit_in_bytes {
        0 => memory,
        swap if swap > 0 => swap,
        _ => UNLIMITED_MEMORY,
    };
    let cpus = match resources.cpuset_cpus.as_str() {
        "" => host_cpus(),
        cpus => cpus.to_owned(),
    };
    let mems = if resources.cpuset_mems.is_empty() { "0" } else { &resources.cpuset_mems };
    [
        ("memory/memory.limit_in_bytes", memory.to_string()),
        ("memory/memory.memsw.limit_in_bytes", swap.to_string()),
        ("cpu/cpu.shares", or(resources.cpu_shares, DEFAULT_SHARES).to_string()),
        ("cpu/cpu.cfs_quota_us", or(resources.cpu_quota, -1).to_string()),
        ("cpu/cpu.cfs_period_us", or(resources.cpu_period, DEFAULT_PERIOD_MICROSECONDS).to_string()),
        ("cpuset/cpuset.cpus", cpus),
        ("cpuset/cpuset.mems", mems.to_owned()),
        ("pids/pids.max", "max".to_owned()),
    ]
    .into_iter()
    .map(|(path, content)| CgroupFile { path: path.to_owned(), content: format!("{content}\n") })
    .collect()
}

/// What a process's OOM score is raised to. It can't be lowered, so less than the engine's own changes nothing, as with
/// containerd's `restrict_oom_score_adj`.
pub(super) fn oom_score(resources: &LinuxContainerResources) -> Option<i32> {
    let own = fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse().ok());
    i32::try_from(resources.oom_score_adj).ok().filter(|score| *score > own.unwrap_or(0))
}

/// What runc says before what is wrong when a container is started.
const INIT: &str = "unable to start container process: error during container init: error setting cgroup config for procHooks process: ";
const APPLY: &str = "unable to start container process: unable to apply cgroup configuration: ";

/// What a container has after an update: what is said replaces what was.
pub(super) fn updated(
    had: LinuxContainerResources,
    update: LinuxContainerResources,
) -> LinuxContainerResources {
    let or = |new: i64, old: i64| if new == 0 { old } else { new };
    let text = |new: String, old: String| if new.is_empty() { old } else { new };
    LinuxContainerResources {
        cpu_period: or(update.cpu_period, had.cpu_period),
        cpu_quota: or(update.cpu_quota, had.cpu_quota),
        cpu_shares: or(update.cpu_shares, had.cpu_shares),
        memory_limit_in_bytes: or(update.memory_limit_in_bytes, had.memory_limit_in_bytes),
        // A new limit of memory is that of both, unless this one is said too.
        memory_swap_limit_in_bytes: or(
            update.memory_swap_limit_in_bytes,
            or(update.memory_limit_in_bytes, had.memory_swap_limit_in_bytes),
        ),
        cpuset_cpus: text(update.cpuset_cpus, had.cpuset_cpus),
        cpuset_mems: text(update.cpuset_mems, had.cpuset_mems),
        unified: if update.unified.is_empty() { had.unified } else { update.unified },
        // Taken and left alone.
        oom_score_adj: had.oom_score_adj,
        hugepage_limits: had.hugepage_limits,
    }
}

/// What runc says when a running container is to have these; `None` when it takes them.
pub(super) fn refused_to_running(resources: &LinuxContainerResources) -> Option<String> {
    let (memory, swap) = (resources.memory_limit_in_bytes, resources.memory_swap_limit_in_bytes);
    if swap > 0 && swap < memory {
        let file = "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes";
        return Some(format!("failed to write \"{swap}\": write {file}: invalid argument"));
    }
    let words = refused(resources)?;
    Some(words.strip_prefix(INIT).or(words.strip_prefix(APPLY)).unwrap_or(&words).to_owned())
}

/// What runc says when it starts a container with these; `None` when it takes them.
pub(super) fn refused(resources: &LinuxContainerResources) -> Option<String> {
    let not_written = |value: &dyn std::fmt::Display, file: &str| {
        Some(format!("{INIT}failed to write \"{value}\": write /sys/fs/cgroup/{file}: invalid argument"))
    };
    let memory = resources.memory_limit_in_bytes;
    if !resources.unified.is_empty() {
        return Some("invalid configuration: cannot use unified on cgroup v1".to_owned());
    }
    if !resources.cpuset_cpus.is_empty() && !cpus_exist(&resources.cpuset_cpus) {
        let cpus = &resources.cpuset_cpus;
        return Some(format!(
            "{APPLY}failed to write {cpus:?}: write /sys/fs/cgroup/cpuset/cpuset.cpus: numerical result out of range"
        ));
    }
    if memory < -1 {
        return not_written(&memory, "memory/memory.memsw.limit_in_bytes");
    }
    if (1..MIN_MEMORY_BYTES).contains(&memory) {
        return Some(format!(
            "{INIT}unable to set memory limit to {memory} (current usage: {MIN_MEMORY_BYTES}, peak usage: \
             {MIN_MEMORY_BYTES})"
        ));
    }
    match resources.cpu_shares {
        0 => {}
        shares if SHARES.contains(&shares) => {}
        1 => return Some(format!("{INIT}the minimum allowed cpu-shares is {}", SHARES.start())),
        _ => return Some(format!("{INIT}the maximum allowed cpu-shares is {}", SHARES.end())),
    }
    if resources.cpu_period != 0 && !PERIOD_MICROSECONDS.contains(&resources.cpu_period) {
        return not_written(&resources.cpu_period, "cpu/cpu.cfs_period_us");
    }
    let quota = resources.cpu_quota;
    if (1..MIN_QUOTA_MICROSECONDS).contains(&quota) || quota < -1 {
        return not_written(&quota, "cpu/cpu.cfs_quota_us");
    }
    None
}

/// Whether each CPU of a list like `0-2,5` is on this host.
fn cpus_exist(list: &str) -> bool {
    let host: Vec<u32> = cpus(&host_cpus()).unwrap_or_default();
    cpus(list).is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|cpu| host.contains(cpu)))
}

fn cpus(list: &str) -> Option<Vec<u32>> {
    const MOST: u32 = 8192;
    let mut all = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
        if first > last || last > MOST {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

fn host_cpus() -> String {
    let online = fs::read_to_string("/sys/devices/system/cpu/online");
    online.map_or_else(|_| "0".to_owned(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runc_refuses() {
        let none = LinuxContainerResources::default;
        for (resources, words) in [
            (none(), None),
            (LinuxContainerResources { memory_limit_in_bytes: -1, ..none() }, None),
            (LinuxContainerResources { memory_limit_in_bytes: 64 << 20, ..none() }, None),
            (LinuxContainerResources { memory_limit_in_bytes: 512, ..none() }, Some("memory limit to 512 ")),
            (LinuxContainerResources { memory_limit_in_bytes: -5, ..none() }, Some("\"-5\"")),
            (LinuxContainerResources { cpu_shares: 1, ..none() }, Some("minimum allowed cpu-shares is 2")),
            (LinuxContainerResources { cpu_shares: -2, ..none() }, Some("maximum allowed cpu-shares")),
            (LinuxContainerResources { cpu_quota: 1, ..none() }, Some("cpu.cfs_quota_us: invalid argument")),
            (LinuxContainerResources { cpu_period: 5, ..none() }, Some("cpu.cfs_period_us")),
            (LinuxContainerResources { cpuset_cpus: "0".into(), ..none() }, None),
            (LinuxContainerResources { cpuset_cpus: "9999".into(), ..none() }, Some("out of range")),
            (LinuxContainerResources { cpuset_cpus: "x".into(), ..none() }, Some("\"x\"")),
            (
                LinuxContainerResources { unified: [("a".into(), "b".into())].into(), ..none() },
                Some("unified"),
            ),
        ] {
            let refused = refused(&resources);
            match words {
                None => assert_eq!(refused, None, "{resources:?}"),
                Some(words) => assert!(refused.as_ref().unwrap().contains(words), "{refused:?}"),
            }
        }
    }

    #[test]
    fn files_have_the_kernels_defaults() {
        let content = |resources: &LinuxContainerResources, path: &str| {
            files(resources).into_iter().find(|file| file.path == path).unwrap().content
        };
        let none = LinuxContainerResources::default();
        assert_eq!(content(&none, "memory/memory.limit_in_bytes"), "9223372036854771712\n");
        assert_eq!(content(&none, "cpu/cpu.shares"), "1024\n");
        assert_eq!(content(&none, "cpu/cpu.cfs_quota_us"), "-1\n");
        let some = LinuxContainerResources { memory_limit_in_bytes: 1 << 26, cpu_quota: 50_000, ..none };
        assert_eq!(content(&some, "memory/memory.limit_in_bytes"), "67108864\n");
        assert_eq!(content(&some, "cpu/cpu.cfs_quota_us"), "50000\n");
    }
}
