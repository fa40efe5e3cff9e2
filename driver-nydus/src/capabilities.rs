//! What the driver can do.

use runtime_core::{Capabilities, Capability as C};

use crate::{Mode, config::Config, driver::NAME};

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
    C::ImageMount,
    C::ImageMountPrefetch,
    C::ImageUnmount,
    C::ImageRemount,
    C::ImageMounts,
];

/// What daemons that are run like this can do.
pub(crate) fn of(config: &Config) -> Capabilities {
    let capabilities = Capabilities::none().native(ALWAYS.iter().copied()).with_extension(NAME);
    match config.mode {
        Mode::Fuse => capabilities.native([C::ImageMountPath]),
        // What is mounted is seen by the hypervisor's guest alone.
        Mode::Virtiofs => capabilities,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_there_where_files_are() {
        let path = |mode| of(&Config::new("/w").with_mode(mode)).has(C::ImageMountPath);
        assert!(path(Mode::Fuse) && !path(Mode::Virtiofs));
    }
}
