//! Cases as data.

use futures::future::BoxFuture;
use runtime_core::Capability;

use super::Env;

/// One thing that every driver must do the same.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "it holds a function")]
pub struct Case {
    /// What it is about.
    pub group: Group,
    /// Its name, unique in the group.
    pub name: &'static str,
    /// The capabilities that it shows to work. It runs only where all are declared.
    pub proves: &'static [Capability],
    /// What it needs beside them.
    pub needs: &'static [Capability],
    /// Whether it is about no containers. Otherwise it needs [`Capability::PodContainers`], unless it names
    /// [`Capability::PodWithoutContainers`].
    pub any_pod: bool,
    /// Whether nothing else may run meanwhile, since it disturbs everybody: it restarts the runtime.
    pub alone: bool,
    /// What it does.
    pub run: for<'a> fn(&'a Env) -> BoxFuture<'a, Verdict>,
}

/// The groups of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Ids, names, existing and missing objects, bad input, undo.
    Contract,
    /// Run, start, stop, wait, remove.
    Lifecycle,
    /// Commands in containers.
    Exec,
    /// What containers wrote.
    Logs,
    /// Files into containers and out of them.
    Copy,
    /// Pulling, naming, removing images, and what containers take from them.
    Images,
    /// Memory and processors.
    Resources,
    /// Users, capabilities, profiles, namespaces.
    Security,
    /// Names, addresses, ports.
    Network,
    /// Mounts.
    Volumes,
    /// What the system says of itself when something changes.
    Events,
    /// The runtime is killed and started again.
    Recovery,
    /// What breaks on the way to the runtime.
    Faults,
    /// Futures dropped, contexts cancelled, deadlines passed.
    Cancellation,
    /// What must never show.
    Secrets,
}

/// How a case ended.
pub type Verdict = Result<(), Failure>;

/// Why a case did not pass.
#[derive(Debug)]
pub enum Failure {
    /// The driver did something else than it must.
    Failed(String),
    /// The environment can't show it.
    Skipped(String),
}

impl Group {
    /// Every group, in the order in which they are shown.
    pub const ALL: [Self; 15] = [
        Self::Contract,
        Self::Lifecycle,
        Self::Exec,
        Self::Logs,
        Self::Copy,
        Self::Images,
        Self::Resources,
        Self::Security,
        Self::Network,
        Self::Volumes,
        Self::Events,
        Self::Recovery,
        Self::Faults,
        Self::Cancellation,
        Self::Secrets,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::Lifecycle => "lifecycle",
            Self::Exec => "exec",
            Self::Logs => "logs",
            Self::Copy => "copy",
            Self::Images => "images",
            Self::Resources => "resources",
            Self::Security => "security",
            Self::Network => "network",
            Self::Volumes => "volumes",
            Self::Events => "events",
            Self::Recovery => "recovery",
            Self::Faults => "faults",
            Self::Cancellation => "cancellation",
            Self::Secrets => "secrets",
        }
    }
}

impl Failure {
    /// The same, saying where in the case it was.
    pub(super) fn at(self, place: &str) -> Self {
        match self {
            Self::Failed(reason) => Self::Failed(format!("{place}: {reason}")),
            skipped @ Self::Skipped(_) => skipped,
        }
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(format!("{:?}", error.into()))
    }
}

/// Fails the case unless a condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::conformance::Failure::Failed(format!($($message)+)));
        }
    };
}

/// Fails the case unless two values are equal.
#[macro_export]
macro_rules! ensure_eq {
    ($left:expr, $right:expr) => {
        match (&$left, &$right) {
            (left, right) => {
                $crate::ensure!(left == right, "{} is {left:?}, not {right:?}", stringify!($left));
            }
        }
    };
}

/// A group's table of cases: each function by name, what it proves, and what it needs beside that. `cases! { Group, alone; … }`
/// is for cases beside which nothing else may run, `cases! { Group, any_pod; … }` for those that are about no containers.
#[macro_export]
macro_rules! cases {
    ($group:ident; $($rows:tt)*) => {
        $crate::cases! { @rows $group, false, false; $($rows)* }
    };
    ($group:ident, alone; $($rows:tt)*) => {
        $crate::cases! { @rows $group, true, false; $($rows)* }
    };
    ($group:ident, any_pod; $($rows:tt)*) => {
        $crate::cases! { @rows $group, false, true; $($rows)* }
    };
    (@rows $group:ident, $alone:literal, $any_pod:literal;
        $($name:ident: proves [$($proves:ident),*], needs [$($needs:ident),*];)*) => {
        pub(super) const CASES: &[$crate::conformance::Case] = &[$(
            $crate::conformance::Case {
                group: $crate::conformance::Group::$group,
                name: stringify!($name),
                proves: &[$(runtime_core::Capability::$proves),*],
                needs: &[$(runtime_core::Capability::$needs),*],
                any_pod: $any_pod,
                alone: $alone,
                run: |env| Box::pin($name(env)),
            },
        )*];
    };
}

pub(super) use {cases, ensure, ensure_eq};
