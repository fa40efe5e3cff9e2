//! What the driver can do.

use runtime_core::{Capabilities, Capability as C};

use crate::{config::Config, driver::NAME};

/// Whatever the mode.
const ALWAYS: &[C] = &[
    C::PodRun,
    C::PodStop,
    C::PodRemove,
    C::PodStatus,
    C::PodList,
    C::PodDurable,
    C::PodWithoutContainers,
    C::PodExisting,
    C::PodEvents,
    C::PodStats,
];

/// What daemons that are run like this can do.
pub(crate) fn of(_: &Config) -> Capabilities {
    Capabilities::none().native(ALWAYS.iter().copied()).with_extension(NAME)
}
