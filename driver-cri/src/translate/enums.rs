//! Enums, which CRI sends as numbers.

use k8s_cri::v1 as cri;
use runtime_core::{
    Error, Result,
    spec::{MountPropagation, NamespaceMode, Protocol, SupplementalGroupsPolicy},
};

/// Makes the two functions between a core enum and the numbers of a CRI one.
macro_rules! both_ways {
    ($to:ident, $from:ident, $core:ident, $cri:ident, $($variant:ident = $theirs:ident),*) => {
        pub(super) fn $to(value: $core) -> i32 {
            let value = match value { $($core::$variant => cri::$cri::$theirs,)* };
            value.into()
        }

        pub(super) fn $from(field: &str, number: i32) -> Result<$core> {
            match cri::$cri::try_from(number) {
                $(Ok(cri::$cri::$theirs) => Ok($core::$variant),)*
                Err(_) => Err(unknown(field, number)),
            }
        }
    };
}

both_ways!(to_protocol, from_protocol, Protocol, Protocol, Tcp = Tcp, Udp = Udp, Sctp = Sctp);

both_ways!(
    to_namespace,
    from_namespace,
    NamespaceMode,
    NamespaceMode,
    Pod = Pod,
    Container = Container,
    Node = Node,
    Target = Target
);

both_ways!(
    to_propagation,
    from_propagation,
    MountPropagation,
    MountPropagation,
    Private = PropagationPrivate,
    HostToContainer = PropagationHostToContainer,
    Bidirectional = PropagationBidirectional
);

both_ways!(
    to_groups_policy,
    from_groups_policy,
    SupplementalGroupsPolicy,
    SupplementalGroupsPolicy,
    Merge = Merge,
    Strict = Strict
);

pub(super) fn unknown(field: &str, number: i32) -> Error {
    Error::invalid(field, format!("{number} is not a value that is known"))
}
