//! The setups: a driver with an environment each.

use crate::cluster;
use crate::containerd;
use crate::failure::{Failure, Result};
use crate::nydus;

/// The groups of cases.
pub(crate) const GROUPS: [&str; 15] = [
    "contract",
    "lifecycle",
    "exec",
    "logs",
    "images",
    "copy",
    "resources",
    "security",
    "network",
    "volumes",
    "events",
    "recovery",
    "faults",
    "cancellation",
    "secrets",
];

/// A driver with an environment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// The name that `--setup` takes and the runner gets.
    pub(crate) name: &'static str,
    /// What it is made of.
    pub(crate) environment: Environment,
}

/// What a setup runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Environment {
    /// What the runner makes itself.
    InProcess,
    /// The same for a driver that is not whole yet: taken only when it is named.
    Unfinished,
    /// A private containerd's CRI.
    Containerd,
    /// nydusd, which the runner starts itself.
    Nydusd,
    /// A Kubernetes cluster that somebody else runs.
    Cluster,
}

/// All setups, each driver's with what needs nothing first.
pub(crate) const SETUPS: &[Setup] = &[
    Setup { name: "memory", environment: Environment::InProcess },
    Setup { name: "cri-fake", environment: Environment::InProcess },
    Setup { name: "cri-containerd", environment: Environment::Containerd },
    Setup { name: "nydus-fake", environment: Environment::InProcess },
    Setup { name: "nydus-virtiofs", environment: Environment::Nydusd },
    Setup { name: "nydus-fuse", environment: Environment::Nydusd },
    Setup { name: "k8s-fake", environment: Environment::InProcess },
    Setup { name: "k8s", environment: Environment::Cluster },
    Setup { name: "vic-fake", environment: Environment::Unfinished },
    Setup { name: "vic-fake-oci", environment: Environment::Unfinished },
];

impl Setup {
    /// The setup of that name.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        let names = SETUPS.iter().map(|setup| setup.name);
        SETUPS.iter().find(|setup| setup.name == name).ok_or_else(|| unknown("setup", name, names))
    }

    /// Those that need not be named.
    pub(crate) fn of_this_machine() -> impl Iterator<Item = &'static Self> {
        SETUPS.iter().filter(|setup| setup.why_only_named().is_none())
    }

    /// Why it is taken only when it is named.
    pub(crate) fn why_only_named(&self) -> Option<&'static str> {
        match self.environment {
            Environment::Cluster => Some("a cluster is taken only when it is named"),
            Environment::Unfinished => Some("its driver is not whole yet"),
            _ => None,
        }
    }

    /// Whether it needs nothing but the build.
    pub(crate) fn needs_nothing(&self) -> bool {
        self.environment == Environment::InProcess
    }

    /// Why it cannot run here; `None` when it can.
    pub(crate) fn obstacle(&self) -> Option<String> {
        match self.environment {
            Environment::InProcess | Environment::Unfinished => None,
            Environment::Containerd => needs(&containerd::missing()),
            Environment::Nydusd => needs(&nydus::missing()),
            Environment::Cluster => needs(&cluster::missing()),
        }
    }
}

fn needs(missing: &[String]) -> Option<String> {
    (!missing.is_empty()).then(|| format!("needs {}", missing.join(", ")))
}

/// The group of that name.
pub(crate) fn group_named(name: &str) -> Result<&'static str> {
    GROUPS.into_iter().find(|group| *group == name).ok_or_else(|| unknown("group", name, GROUPS.into_iter()))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    Failure::usage(format!("unknown {what} `{name}`; known: {}", known.collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = Setup::named("docker").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown setup `docker`; known: memory, cri-fake, cri-containerd, nydus-fake, nydus-virtiofs, nydus-fuse, k8s-fake, k8s, vic-fake, vic-fake-oci"
        );
        let error = group_named("Exec").unwrap_err();
        assert!(error.to_string().starts_with("unknown group `Exec`; known: contract, lifecycle"), "{error}");
    }

    #[test]
    fn known_names_are_found() {
        assert_eq!(Setup::named("memory").unwrap().obstacle(), None);
        assert_eq!(group_named("exec"), Ok("exec"));
    }
}
