//! The command that shows the process's own resource limits, the same for both cgroup versions.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::command::{Command, Failure, Outcome, exactly};

pub(crate) const COMMANDS: &[Command] = &[Command {
    name: "cgroup",
    arguments: "memory.limit|cpu.shares|cpu.quota|cpu.period|pids.limit|cpuset.cpus",
    run: cgroup,
}];

const ROOT: &str = "/sys/fs/cgroup";

/// Prints a number, a list of processors, or `max` where there is no limit.
fn cgroup(words: &[String]) -> Outcome {
    let [key] = exactly(words)?;
    let key = KEYS.iter().find(|candidate| candidate.name == key).ok_or(Failure::Usage)?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let unified = Path::new(ROOT).join("cgroup.controllers").exists();
    let value = if unified {
        (key.from_v2)(read(&candidates(&own, "", key.v2_file))?.trim())
    } else {
        from_v1(read(&candidates(&own, key.controller, key.v1_file))?.trim())
    };
    let value = value.ok_or_else(|| Failure::Refused(format!("{} has an unknown form", key.name)))?;
    Ok(writeln!(io::stdout(), "{value}")?)
}

/// One limit: where each version keeps it, and how to read the newer form.
struct Key {
    name: &'static str,
    controller: &'static str,
    v1_file: &'static str,
    v2_file: &'static str,
    from_v2: fn(&str) -> Option<String>,
}

const KEYS: &[Key] = &[
    Key {
        name: "memory.limit",
        controller: "memory",
        v1_file: "memory.limit_in_bytes",
        v2_file: "memory.max",
        from_v2: as_is,
    },
    Key {
        name: "cpu.shares",
        controller: "cpu",
        v1_file: "cpu.shares",
        v2_file: "cpu.weight",
        from_v2: shares,
    },
    Key {
        name: "cpu.quota",
        controller: "cpu",
        v1_file: "cpu.cfs_quota_us",
        v2_file: "cpu.max",
        from_v2: quota,
    },
    Key {
        name: "cpu.period",
        controller: "cpu",
        v1_file: "cpu.cfs_period_us",
        v2_file: "cpu.max",
        from_v2: period,
    },
    Key { name: "pids.limit", controller: "pids", v1_file: "pids.max", v2_file: "pids.max", from_v2: as_is },
    Key {
        name: "cpuset.cpus",
        controller: "cpuset",
        v1_file: "cpuset.cpus",
        v2_file: "cpuset.cpus.effective",
        from_v2: as_is,
    },
];

/// A container sees its own group at the mount's root, a host process below it at the path that the kernel names.
fn candidates(own: &str, controller: &str, file: &str) -> Vec<PathBuf> {
    let mount = Path::new(ROOT).join(controller);
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        controllers.split(',').any(|name| name == controller).then_some(path)
    });
    let below = path.map(|path| mount.join(path.trim_start_matches('/')).join(file));
    below.into_iter().chain([mount.join(file)]).collect()
}

fn read(candidates: &[PathBuf]) -> Result<String, Failure> {
    let found = candidates.iter().find_map(|path| fs::read_to_string(path).ok());
    found.ok_or_else(|| {
        let tried: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
        Failure::Refused(format!("cannot read {}", tried.join(" or ")))
    })
}

/// Version 1 writes "no limit" as -1 or as the largest multiple of a page.
fn from_v1(text: &str) -> Option<String> {
    let unlimited = match text.parse::<i64>() {
        Ok(number) => !(0..i64::MAX - 0xffff).contains(&number),
        Err(_) => false,
    };
    Some(if unlimited { "max".to_owned() } else { text.to_owned() })
}

fn as_is(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The inverse of how runtimes turn shares (2 to 262144) into a weight (1 to 10000). Their rounding loses
/// some, so the number is near the shares that were asked for, not always equal.
fn shares(text: &str) -> Option<String> {
    let weight: u64 = text.parse().ok()?;
    Some((2 + weight.saturating_sub(1) * 262_142 / 9_999).to_string())
}

fn quota(text: &str) -> Option<String> {
    text.split(' ').next().map(str::to_owned)
}

fn period(text: &str) -> Option<String> {
    text.split(' ').nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_say_max_for_no_limit() {
        assert_eq!(from_v1("9223372036854771712").as_deref(), Some("max"));
        assert_eq!(from_v1("-1").as_deref(), Some("max"));
        assert_eq!(from_v1("67108864").as_deref(), Some("67108864"));
        assert_eq!(quota("max 100000").as_deref(), Some("max"));
        assert_eq!(period("50000 100000").as_deref(), Some("100000"));
    }

    #[test]
    fn weights_turn_back_into_shares_at_both_ends() {
        assert_eq!(shares("1").as_deref(), Some("2"));
        assert_eq!(shares("10000").as_deref(), Some("262144"));
        assert_eq!(shares("heavy"), None);
    }

    #[test]
    fn the_own_group_comes_before_the_mounts_root() {
        let own = "4:cpu,cpuacct:/pod/one\n3:memory:/pod/two\n0::/three\n";
        let paths = |controller, file| candidates(own, controller, file);
        assert_eq!(paths("cpu", "cpu.shares")[0], Path::new("/sys/fs/cgroup/cpu/pod/one/cpu.shares"));
        assert_eq!(paths("", "memory.max")[0], Path::new("/sys/fs/cgroup/three/memory.max"));
        assert_eq!(paths("pids", "pids.max"), [Path::new("/sys/fs/cgroup/pids/pids.max")]);
    }
}
