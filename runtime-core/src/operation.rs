//! The operations of the API, by name.

use std::fmt;

/// Makes the enum of operations with its names and idempotence.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, idempotent: $idempotent:literal;)*) => {
        /// One call of the API. The name is `facet.verb`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Operation {
            $($(#[$doc])* $variant,)*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name, such as `pod.run`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether doing it twice is the same as doing it once, so that a lost answer may be asked for again.
            #[must_use]
            pub const fn is_idempotent(self) -> bool {
                match self { $(Self::$variant => $idempotent,)* }
            }
        }
    };
}

operations! {
    /// [`Driver::ping`](crate::Driver::ping), and connecting.
    Ping = "driver.ping", idempotent: true;
    /// [`Driver::reap`](crate::Driver::reap).
    Reap = "driver.reap", idempotent: true;
    /// [`Driver::settle`](crate::Driver::settle).
    Settle = "driver.settle", idempotent: true;
    /// [`Pod::run`](crate::Pod::run).
    PodRun = "pod.run", idempotent: false;
    /// [`Pod::stop`](crate::Pod::stop).
    PodStop = "pod.stop", idempotent: true;
    /// [`Pod::remove`](crate::Pod::remove).
    PodRemove = "pod.remove", idempotent: true;
    /// [`Pod::status`](crate::Pod::status).
    PodStatus = "pod.status", idempotent: true;
    /// [`Pod::list`](crate::Pod::list).
    PodList = "pod.list", idempotent: true;
    /// [`Pod::events`](crate::Pod::events).
    PodEvents = "pod.events", idempotent: true;
    /// [`Pod::stats`](crate::Pod::stats).
    PodStats = "pod.stats", idempotent: true;
    /// [`Pod::list_stats`](crate::Pod::list_stats).
    PodListStats = "pod.list_stats", idempotent: true;
    /// [`Pod::port_forward`](crate::Pod::port_forward).
    PodPortForward = "pod.port_forward", idempotent: true;
    /// [`Container::create`](crate::Container::create).
    ContainerCreate = "container.create", idempotent: false;
    /// [`Container::start`](crate::Container::start).
    ContainerStart = "container.start", idempotent: false;
    /// [`Container::stop`](crate::Container::stop).
    ContainerStop = "container.stop", idempotent: true;
    /// [`Container::remove`](crate::Container::remove).
    ContainerRemove = "container.remove", idempotent: true;
    /// [`Container::status`](crate::Container::status).
    ContainerStatus = "container.status", idempotent: true;
    /// [`Container::list`](crate::Container::list).
    ContainerList = "container.list", idempotent: true;
    /// [`Container::wait`](crate::Container::wait).
    ContainerWait = "container.wait", idempotent: true;
    /// [`Container::logs`](crate::Container::logs).
    ContainerLogs = "container.logs", idempotent: true;
    /// [`Container::reopen_log`](crate::Container::reopen_log).
    ContainerReopenLog = "container.reopen_log", idempotent: true;
    /// [`Container::update`](crate::Container::update).
    ContainerUpdate = "container.update", idempotent: true;
    /// [`Container::stats`](crate::Container::stats).
    ContainerStats = "container.stats", idempotent: true;
    /// [`Container::list_stats`](crate::Container::list_stats).
    ContainerListStats = "container.list_stats", idempotent: true;
    /// [`Container::copy_out`](crate::Container::copy_out).
    ContainerCopyOut = "container.copy_out", idempotent: true;
    /// [`Container::copy_in`](crate::Container::copy_in).
    ContainerCopyIn = "container.copy_in", idempotent: false;
    /// [`Exec::sync`](crate::Exec::sync).
    ExecSync = "exec.sync", idempotent: false;
    /// [`Exec::start`](crate::Exec::start).
    ExecStart = "exec.start", idempotent: false;
    /// [`Exec::attach`](crate::Exec::attach).
    ExecAttach = "exec.attach", idempotent: true;
    /// [`ImageStore::pull`](crate::ImageStore::pull).
    ImagePull = "image.pull", idempotent: true;
    /// [`ImageStore::status`](crate::ImageStore::status).
    ImageStatus = "image.status", idempotent: true;
    /// [`ImageStore::list`](crate::ImageStore::list).
    ImageList = "image.list", idempotent: true;
    /// [`ImageStore::remove`](crate::ImageStore::remove).
    ImageRemove = "image.remove", idempotent: true;
    /// [`ImageStore::filesystem`](crate::ImageStore::filesystem).
    ImageFilesystem = "image.filesystem", idempotent: true;
    /// [`ImageStore::mount`](crate::ImageStore::mount).
    ImageMount = "image.mount", idempotent: false;
    /// [`ImageStore::unmount`](crate::ImageStore::unmount).
    ImageUnmount = "image.unmount", idempotent: true;
    /// [`ImageStore::remount`](crate::ImageStore::remount).
    ImageRemount = "image.remount", idempotent: true;
    /// [`ImageStore::mounts`](crate::ImageStore::mounts).
    ImageMounts = "image.mounts", idempotent: true;
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
