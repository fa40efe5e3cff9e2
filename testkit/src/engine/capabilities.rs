//! Linux capabilities: which of root's powers a process has.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// A set of capabilities. What the engine's own process doesn't have, nobody gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinuxCapabilities(u64);

impl LinuxCapabilities {
    /// No capability at all.
    pub const NONE: Self = Self(0);
    /// Every capability there is.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// Those that container runtimes give when nobody says otherwise.
    pub fn usual() -> Self {
        USUAL.iter().filter_map(|name| Self::named(name)).fold(Self::NONE, Self::with)
    }

    /// The usual ones, or all or none of them where a list holds `ALL`, with those named in `add` and without those named
    /// in `drop`. Upper or lower case; unknown names mean nothing.
    pub fn usual_with(add: &[String], drop: &[String]) -> Self {
        let all = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("ALL"));
        let first = match (all(add), all(drop)) {
            (_, true) => Self::NONE,
            (true, false) => Self::ALL,
            (false, false) => Self::usual(),
        };
        let single = |names: &[String]| {
            let single = names.iter().filter(|name| !name.eq_ignore_ascii_case("ALL"));
            single.filter_map(|name| Self::named(&name.to_ascii_uppercase())).fold(Self::NONE, Self::with)
        };
        first.with(single(add)).without(single(drop))
    }

    /// The one with this name, with or without `CAP_`, or all for `ALL`; `None`: there is no such.
    pub fn named(name: &str) -> Option<Self> {
        if name == "ALL" {
            return Some(Self::ALL);
        }
        let name = name.strip_prefix("CAP_").unwrap_or(name);
        NAMES.iter().position(|known| *known == name).map(|at| Self(1 << at))
    }

    /// These and the others.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These except the others.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Takes the others from what the calling thread and its children could ever get. To be called while it may still.
    pub(crate) fn bound(self) -> rustix::io::Result<()> {
        for bit in (0..NAMES.len()).map(|at| 1 << at).filter(|bit| self.0 & bit == 0) {
            let one = CapabilitySet::from_bits_retain(bit);
            match capability_is_in_bounding_set(one) {
                // A kernel that is older than the name.
                Ok(false) | Err(Errno::INVAL) => {}
                Ok(true) => remove_capability_from_bounding_set(one)?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Leaves the calling thread with these, as far as it has them.
    pub(crate) fn keep(self) -> rustix::io::Result<()> {
        let kept = capabilities(None)?.permitted & CapabilitySet::from_bits_retain(self.0);
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets)
    }
}

const USUAL: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// In the kernel's order: the place is the number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ones_are_changed_by_name() {
        let changed = |add: &[&str], drop: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            LinuxCapabilities::usual_with(&names(add), &names(drop))
        };
        let one = |name| LinuxCapabilities::named(name).unwrap();
        assert_eq!(changed(&[], &[]), LinuxCapabilities::usual());
        assert_eq!(changed(&["all"], &["chown"]), LinuxCapabilities::ALL.without(one("CHOWN")));
        assert_eq!(changed(&["NET_ADMIN"], &["ALL"]), one("NET_ADMIN"));
        assert_eq!(
            changed(&["NONSENSE", "KILL"], &["CAP_KILL"]),
            LinuxCapabilities::usual().without(one("KILL"))
        );
    }

    #[test]
    fn names_are_the_kernels_numbers() {
        let one = |name| LinuxCapabilities::named(name).unwrap().0;
        assert_eq!(one("CHOWN"), CapabilitySet::CHOWN.bits());
        assert_eq!(one("CAP_NET_ADMIN"), CapabilitySet::NET_ADMIN.bits());
        assert_eq!(one("CHECKPOINT_RESTORE"), CapabilitySet::CHECKPOINT_RESTORE.bits());
        assert_eq!(LinuxCapabilities::named("NONSENSE"), None);
        // As `/proc/self/status` shows them in a container of containerd.
        assert_eq!(LinuxCapabilities::usual().0, 0xa804_25fb);
        assert_eq!(LinuxCapabilities::usual().without(LinuxCapabilities::ALL), LinuxCapabilities::NONE);
    }
}
