//! Paths of the kernel that containers neither see nor write unless they ask for it: those that OCI runtimes and the
//! kubelet cover.

use super::ContainerSecurity;

const MASKED: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

const READONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

impl ContainerSecurity {
    /// The paths to hide: those of the spec; else OCI's usual ones; else, for a privileged container, none.
    #[must_use]
    pub fn paths_to_mask(&self) -> Vec<String> {
        self.said_or_usual(self.masked_paths.as_ref(), MASKED)
    }

    /// The paths to protect from writing, by the same rule.
    #[must_use]
    pub fn paths_to_protect(&self) -> Vec<String> {
        self.said_or_usual(self.readonly_paths.as_ref(), READONLY)
    }

    fn said_or_usual(&self, said: Option<&Vec<String>>, usual: &[&str]) -> Vec<String> {
        match said {
            Some(said) => said.clone(),
            None if self.privileged => Vec::new(),
            None => usual.iter().copied().map(str::to_owned).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_wins_and_privileged_containers_see_everything() {
        let mut security = ContainerSecurity::default();
        assert!(security.paths_to_mask().contains(&"/proc/kcore".to_owned()));
        assert!(security.paths_to_protect().contains(&"/proc/sys".to_owned()));
        security.privileged = true;
        assert!(security.paths_to_mask().is_empty() && security.paths_to_protect().is_empty());
        security.masked_paths = Some(vec!["/mine".to_owned()]);
        assert_eq!(security.paths_to_mask(), ["/mine"]);
    }
}
