//! Enums, which Kubernetes writes as words.

use runtime_core::{
    Error, Result,
    helpers::pull_policy::PullPolicy,
    spec::{MountPropagation, Protocol, RestartPolicy},
};

/// Makes the two functions between a core enum and Kubernetes' words.
macro_rules! words {
    ($to:ident, $from:ident, $core:ident, $($variant:ident = $word:literal),*) => {
        pub(super) fn $to(value: $core) -> String {
            match value { $($core::$variant => $word,)* }.to_owned()
        }

        pub(super) fn $from(field: &str, word: &str) -> Result<$core> {
            match word {
                $($word => Ok($core::$variant),)*
                _ => Err(unknown(field, word, &[$($word),*])),
            }
        }
    };
}

words!(to_protocol, from_protocol, Protocol, Tcp = "TCP", Udp = "UDP", Sctp = "SCTP");

words!(
    to_restart_policy,
    from_restart_policy,
    RestartPolicy,
    Never = "Never",
    OnFailure = "OnFailure",
    Always = "Always"
);

words!(
    to_pull_policy,
    from_pull_policy,
    PullPolicy,
    Always = "Always",
    IfNotPresent = "IfNotPresent",
    Never = "Never"
);

words!(
    to_propagation,
    from_propagation,
    MountPropagation,
    Private = "None",
    HostToContainer = "HostToContainer",
    Bidirectional = "Bidirectional"
);

pub(super) fn unknown(field: &str, word: &str, known: &[&str]) -> Error {
    Error::invalid(field, format!("{word:?} is none of {}", known.join(", ")))
}
