//! One call of the API with its arguments, as layers and checks see it.

use std::time::Duration;

use crate::{
    AttachOptions, Capability, ContainerFilter, ContainerId, CreateOptions, ImageFilter, Leftover,
    LogOptions, Object, Operation, PodFilter, PodId, PullOptions, RunOptions, StopOptions,
    helpers::image_ref::ImageReference,
    spec::{ContainerSpec, ExecSpec, ImageMountSpec, PodSpec, Resources},
};

/// A call and what it is given. Layers look at it, checks walk it; nothing changes it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the variants and fields are those of the facets' methods")]
pub enum Call<'a> {
    Ping,
    Reap { leftovers: &'a [Leftover] },
    Settle,
    PodRun { spec: &'a PodSpec, options: &'a RunOptions },
    PodStop { id: &'a PodId, options: &'a StopOptions },
    PodRemove { id: &'a PodId },
    PodStatus { id: &'a PodId },
    PodList { filter: &'a PodFilter },
    PodEvents,
    PodStats { id: &'a PodId },
    PodListStats { filter: &'a PodFilter },
    PodPortForward { id: &'a PodId, port: u16 },
    ContainerCreate { pod: &'a PodId, spec: &'a ContainerSpec, options: &'a CreateOptions },
    ContainerStart { id: &'a ContainerId },
    ContainerStop { id: &'a ContainerId, options: &'a StopOptions },
    ContainerRemove { id: &'a ContainerId },
    ContainerStatus { id: &'a ContainerId },
    ContainerList { filter: &'a ContainerFilter },
    ContainerWait { id: &'a ContainerId },
    ContainerLogs { id: &'a ContainerId, options: &'a LogOptions },
    ContainerReopenLog { id: &'a ContainerId },
    ContainerUpdate { id: &'a ContainerId, resources: &'a Resources },
    ContainerStats { id: &'a ContainerId },
    ContainerListStats { filter: &'a ContainerFilter },
    ContainerCopyOut { id: &'a ContainerId, path: &'a str },
    ContainerCopyIn { id: &'a ContainerId, directory: &'a str },
    ExecSync { id: &'a ContainerId, spec: &'a ExecSpec },
    ExecStart { id: &'a ContainerId, spec: &'a ExecSpec },
    ExecAttach { id: &'a ContainerId, options: &'a AttachOptions },
    ImagePull { image: &'a ImageReference, options: &'a PullOptions },
    ImageStatus { image: &'a ImageReference },
    ImageList { filter: &'a ImageFilter },
    ImageRemove { image: &'a ImageReference },
    ImageFilesystem,
    ImageMount { pod: &'a PodId, spec: &'a ImageMountSpec },
    ImageUnmount { pod: &'a PodId, id: &'a str },
    ImageRemount { pod: &'a PodId, spec: &'a ImageMountSpec },
    ImageMounts { pod: &'a PodId },
}

impl Call<'_> {
    /// Which operation it is.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Ping => Operation::Ping,
            Self::Reap { .. } => Operation::Reap,
            Self::Settle => Operation::Settle,
            Self::PodRun { .. } => Operation::PodRun,
            Self::PodStop { .. } => Operation::PodStop,
            Self::PodRemove { .. } => Operation::PodRemove,
            Self::PodStatus { .. } => Operation::PodStatus,
            Self::PodList { .. } => Operation::PodList,
            Self::PodEvents => Operation::PodEvents,
            Self::PodStats { .. } => Operation::PodStats,
            Self::PodListStats { .. } => Operation::PodListStats,
            Self::PodPortForward { .. } => Operation::PodPortForward,
            Self::ContainerCreate { .. } => Operation::ContainerCreate,
            Self::ContainerStart { .. } => Operation::ContainerStart,
            Self::ContainerStop { .. } => Operation::ContainerStop,
            Self::ContainerRemove { .. } => Operation::ContainerRemove,
            Self::ContainerStatus { .. } => Operation::ContainerStatus,
            Self::ContainerList { .. } => Operation::ContainerList,
            Self::ContainerWait { .. } => Operation::ContainerWait,
            Self::ContainerLogs { .. } => Operation::ContainerLogs,
            Self::ContainerReopenLog { .. } => Operation::ContainerReopenLog,
            Self::ContainerUpdate { .. } => Operation::ContainerUpdate,
            Self::ContainerStats { .. } => Operation::ContainerStats,
            Self::ContainerListStats { .. } => Operation::ContainerListStats,
            Self::ContainerCopyOut { .. } => Operation::ContainerCopyOut,
            Self::ContainerCopyIn { .. } => Operation::ContainerCopyIn,
            Self::ExecSync { .. } => Operation::ExecSync,
            Self::ExecStart { .. } => Operation::ExecStart,
            Self::ExecAttach { .. } => Operation::ExecAttach,
            Self::ImagePull { .. } => Operation::ImagePull,
            Self::ImageStatus { .. } => Operation::ImageStatus,
            Self::ImageList { .. } => Operation::ImageList,
            Self::ImageRemove { .. } => Operation::ImageRemove,
            Self::ImageFilesystem => Operation::ImageFilesystem,
            Self::ImageMount { .. } => Operation::ImageMount,
            Self::ImageUnmount { .. } => Operation::ImageUnmount,
            Self::ImageRemount { .. } => Operation::ImageRemount,
            Self::ImageMounts { .. } => Operation::ImageMounts,
        }
    }

    /// The object that it is about.
    #[must_use]
    pub fn object(&self) -> Option<Object> {
        match self {
            Self::PodRun { spec, .. } => Some(Object::pod(spec.full_name())),
            Self::PodStop { id, .. }
            | Self::PodRemove { id }
            | Self::PodStatus { id }
            | Self::PodStats { id }
            | Self::PodPortForward { id, .. } => Some(Object::pod(id.as_str())),
            Self::ContainerCreate { pod, spec, .. } => {
                Some(Object::container(format!("{pod}/{}", spec.name)))
            }
            Self::ContainerStart { id }
            | Self::ContainerStop { id, .. }
            | Self::ContainerRemove { id }
            | Self::ContainerStatus { id }
            | Self::ContainerWait { id }
            | Self::ContainerLogs { id, .. }
            | Self::ContainerReopenLog { id }
            | Self::ContainerUpdate { id, .. }
            | Self::ContainerStats { id }
            | Self::ContainerCopyOut { id, .. }
            | Self::ContainerCopyIn { id, .. }
            | Self::ExecSync { id, .. }
            | Self::ExecStart { id, .. }
            | Self::ExecAttach { id, .. } => Some(Object::container(id.as_str())),
            Self::ImageMount { pod, spec } | Self::ImageRemount { pod, spec } => {
                Some(Object::image(format!("{pod}/{}", spec.id)))
            }
            Self::ImageUnmount { pod, id } => Some(Object::image(format!("{pod}/{id}"))),
            Self::ImageMounts { pod } => Some(Object::pod(pod.as_str())),
            Self::ImagePull { image, .. } | Self::ImageStatus { image } | Self::ImageRemove { image } => {
                Some(Object::image(image.to_string()))
            }
            Self::Ping
            | Self::Reap { .. }
            | Self::Settle
            | Self::PodList { .. }
            | Self::PodEvents
            | Self::PodListStats { .. }
            | Self::ContainerList { .. }
            | Self::ContainerListStats { .. }
            | Self::ImageList { .. }
            | Self::ImageFilesystem => None,
        }
    }

    /// The capability of the operation itself; `None` for what every driver does.
    #[must_use]
    pub fn capability(&self) -> Option<Capability> {
        Some(match self {
            Self::Ping | Self::Reap { .. } | Self::Settle => return None,
            Self::PodRun { .. } => Capability::PodRun,
            Self::PodStop { .. } => Capability::PodStop,
            Self::PodRemove { .. } => Capability::PodRemove,
            Self::PodStatus { .. } => Capability::PodStatus,
            Self::PodList { .. } => Capability::PodList,
            Self::PodEvents => Capability::PodEvents,
            Self::PodStats { .. } | Self::PodListStats { .. } => Capability::PodStats,
            Self::PodPortForward { .. } => Capability::PodPortForward,
            Self::ContainerCreate { .. } => Capability::ContainerCreate,
            Self::ContainerStart { .. } => Capability::ContainerStart,
            Self::ContainerStop { .. } => Capability::ContainerStop,
            Self::ContainerRemove { .. } => Capability::ContainerRemove,
            Self::ContainerStatus { .. } => Capability::ContainerStatus,
            Self::ContainerList { .. } => Capability::ContainerList,
            Self::ContainerWait { .. } => Capability::ContainerWait,
            Self::ContainerLogs { .. } => Capability::ContainerLogs,
            Self::ContainerReopenLog { .. } => Capability::ContainerReopenLog,
            Self::ContainerUpdate { .. } => Capability::ContainerUpdate,
            Self::ContainerStats { .. } | Self::ContainerListStats { .. } => Capability::ContainerStats,
            Self::ContainerCopyOut { .. } | Self::ContainerCopyIn { .. } => Capability::ContainerCopy,
            Self::ExecSync { .. } => Capability::ExecSync,
            Self::ExecStart { .. } => Capability::ExecStream,
            Self::ExecAttach { .. } => Capability::ExecAttach,
            Self::ImagePull { .. } => Capability::ImagePull,
            Self::ImageStatus { .. } => Capability::ImageStatus,
            Self::ImageList { .. } => Capability::ImageList,
            Self::ImageRemove { .. } => Capability::ImageRemove,
            Self::ImageFilesystem => Capability::ImageFilesystem,
            Self::ImageMount { .. } => Capability::ImageMount,
            Self::ImageUnmount { .. } => Capability::ImageUnmount,
            Self::ImageRemount { .. } => Capability::ImageRemount,
            Self::ImageMounts { .. } => Capability::ImageMounts,
        })
    }

    /// How long the call takes by its own nature: a stop its grace period, a command its timeout.
    #[must_use]
    pub fn own_duration(&self) -> Duration {
        match self {
            Self::PodStop { options, .. } | Self::ContainerStop { options, .. } => options.grace_period,
            Self::ExecSync { spec, .. } => spec.timeout.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}
