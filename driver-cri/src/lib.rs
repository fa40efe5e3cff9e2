//! wharf driver for CRI v1 runtimes: containerd, CRI-O and others, over gRPC on a unix socket or a TCP port.
//!
//! [`connect`] gives a [`CriDriver`]; programs usually reach it through a `Client` and a `cri://` URL instead. Options of
//! a pod that only CRI has are [`CriPodOptions`].
//!
//! CRI lacks what wharf promises in some places, and the driver makes up for it:
//! - *Pods with containers*: made one by one, undone as a whole.
//! - *Waiting*: on the container's process itself where it can be seen from here, else by asking every 0.5 s at most.
//! - *Logs*: read from the files that runtimes write, so driver and runtime must share the log directory. Following rides
//!   on inotify. See [`runtime_core::log_file`] for rotation and long lines.
//! - *Grace periods* are whole seconds in CRI, and are rounded up.
//! - *Pulls*: callers who want the same image with the same credentials share one. Why one failed is told by the runtime's
//!   words where it has no code for it, which is the only place where words are looked at. How
//!   far one is can be seen where the runtime is a containerd whose directories can be read from here; any pull of the runtime
//!   counts as progress there.
//! - *Events*: runtimes that tell of changes (containerd since 1.7, CRI-O) say where to look; the others are listed, every
//!   second at most while nothing changes. A runtime that was started anew is noticed by its socket.
//! - *Updates* of resources that fail are undone by sending the old ones: runtimes change what comes before the failure.
//! - *Statistics* of a pod as a whole need a cgroup parent on containerd 1.6; without one there are those of its containers.
//! - *Environment, working directory and user of a command*: through the toolbox in the container, or its shell. See
//!   [`Config::toolbox`] and [`runtime_core::emulation`].
//! - *Sessions* end with their command also where the runtime would let it go on: see `host_process`. containerd 1.6 never
//!   tells the end of a command that left more of its input unread than pipes hold. Over SPDY, which sessions with input have
//!   there, the end of the outputs is seen; once the process is seen to be gone, too, the session ends with the cause
//!   `Unknown`. Over WebSocket alone only a timeout, or dropping the session, ends such a one.
//! - *A runtime that has just started*: containerd 1.6 refuses every call without a code of its own for some milliseconds.
//!   Connecting and pinging take that for transient, since they have nothing else to be refused for; other calls can't tell
//!   it from a failure for good. So after a start it is pinged first.
//! - *Forwarded ports*: containerd 1.6 closes a connection a second after one side has ended what it sends, and doesn't tell
//!   the pod of it before.
//! - *Signals*: CRI reports a process that was killed by signal N as one that ended with 128 + N.
//!
//! # All calls of CRI v1
//!
//! | call | here |
//! | --- | --- |
//! | `Version`, `Status` | [`Driver::ping`](runtime_core::Driver::ping); verbosely [`CriDriver::runtime_details`] |
//! | `RunPodSandbox`, `StopPodSandbox`, `RemovePodSandbox`, `PodSandboxStatus`, `ListPodSandbox` | [`Pod`](runtime_core::Pod) |
//! | `CreateContainer`, `StartContainer`, `StopContainer`, `RemoveContainer`, `ListContainers`, `ContainerStatus` | [`Container`](runtime_core::Container) |
//! | `UpdateContainerResources` | [`Container::update`](runtime_core::Container::update) |
//! | `ReopenContainerLog` | [`Container::reopen_log`](runtime_core::Container::reopen_log) |
//! | `ContainerStats`, `ListContainerStats` | [`Container::stats`](runtime_core::Container::stats), [`list_stats`](runtime_core::Container::list_stats) |
//! | `PodSandboxStats`, `ListPodSandboxStats` | [`Pod::stats`](runtime_core::Pod::stats), [`list_stats`](runtime_core::Pod::list_stats) |
//! | `GetContainerEvents` | [`Pod::events`](runtime_core::Pod::events) |
//! | `ExecSync`, `Exec`, `Attach` | [`Exec`](runtime_core::Exec) |
//! | `PortForward` | [`Pod::port_forward`](runtime_core::Pod::port_forward) |
//! | `PullImage`, `ImageStatus`, `ListImages`, `RemoveImage`, `ImageFsInfo` | [`ImageStore`](runtime_core::ImageStore) |
//! | `RuntimeConfig` | [`CriDriver::runtime_config`] |
//! | `UpdateRuntimeConfig` | [`CriDriver::set_pod_cidr`] |
//! | `CheckpointContainer` | [`CriDriver::checkpoint_container`] |
//! | `ListMetricDescriptors` | [`CriDriver::metric_descriptors`] |
//! | `ListPodSandboxMetrics` | [`CriDriver::pod_metrics`] |
//! | `UpdatePodSandboxResources` | unsupported: the bindings (k8s-cri 0.11) lack it |
//! | `StreamPodSandboxes`, `StreamContainers`, `StreamImages` | unsupported: the bindings lack them; lists are taken up to 256 MiB |
//! | `StreamContainerStats`, `StreamPodSandboxStats`, `StreamPodSandboxMetrics` | unsupported: the bindings lack them |
//! | `CheckpointPod`, `RestorePod` | unsupported: the bindings lack them |

mod capabilities;
mod client;
mod config;
mod container;
mod content;
mod copy;
mod driver;
mod emulation;
mod error;
mod events;
mod exec;
mod held_name;
mod host_process;
mod image;
mod log_directory;
mod logs;
mod native;
mod options;
mod parts;
mod pod;
mod process;
mod pull;
mod stats;
mod stop;
mod streaming;
pub mod translate;
mod update;
mod wait;

pub use config::{Config, Endpoint};
pub use driver::{CriDriver, connect, connect_url};
pub use native::{
    CgroupDriver, Metric, MetricDescriptor, MetricKind, PodMetrics, RuntimeConfig, RuntimeDetails,
};
pub use options::CriPodOptions;
