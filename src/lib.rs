//! One API for pods, containers, exec and images over runtimes that have nothing in common.
//!
//! Pick drivers by cargo feature and a runtime by URL:
//!
//! ```no_run
//! use wharf::{Client, spec::{ContainerSpec, ExecSpec, PodSpec}};
//!
//! # async fn example() -> wharf::Result<()> {
//! let client = Client::from_url("cri:///run/containerd/containerd.sock").await?;
//! let spec = PodSpec::new("hello").with_container(ContainerSpec::new("main", "busybox:1").with_args(["sleep", "60"]));
//! let pod = client.run_pod(&spec).await?;
//! if let Some(main) = pod.container("main") {
//!     let output = main.exec(&ExecSpec::new(["echo", "hello"])).await?;
//!     println!("{}", output.stdout_text());
//! }
//! pod.remove().await
//! # }
//! ```
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds | URL |
//! | --- | --- | --- |
//! | `memory` | the in-memory reference driver | `memory://` |
//! | `cri` | CRI v1 runtimes: containerd, CRI-O | `cri:///path.sock`, `cri://host:port` |
//! | `k8s` | Kubernetes clusters | `k8s://CONTEXT/NAMESPACE` |
//! | `nydus` | nydusd, the daemon of lazily loaded images | `nydus:///work/dir?mode=virtiofs`, `…?mode=fuse` |
//! | `vic` | container VMs of vSphere Integrated Containers | `vic://host:2377?persona=host:port&host_uuid=UUID` |

mod client;
mod registry;

pub use client::Client;
pub use registry::registry;
pub use runtime_core::{
    AttachOptions, ByteStream, Call, Capabilities, Capability, ClientBuilder, Condition, Connect, Container,
    ContainerFilter, ContainerHandle, ContainerId, ContainerPhase, ContainerStats, ContainerStatus,
    ContainerSummary, Context, CopyOptions, CpuStats, CreateOptions, Driver, DriverInfo, Duplex, Error,
    ErrorKind, Event, EventStream, Exec, ExecOutput, ExecSession, ExistingPolicy, ExitCause, ExitStatus,
    FilesystemUsage, Health, ImageFilter, ImageId, ImageMount, ImageStatus, ImageStore, Images,
    InterfaceStats, Leftover, Limits, LogLine, LogOptions, LogSource, LogStream, MemoryStats, Object,
    ObjectKind, Operation, Pod, PodFacts, PodFilter, PodHandle, PodId, PodPhase, PodRun, PodStats, PodStatus,
    PodSummary, PortStream, Preflight, PullEvent, PullOptions, PullStream, Registry, Result, RunOptions,
    Secret, SessionControl, SessionInput, SessionOutput, StartedContainer, StopOptions, Support,
    TerminalSize, Verdict, WaitFor, group, helpers, layer, spec,
};

#[cfg(feature = "cri")]
pub use driver_cri as cri;
#[cfg(feature = "k8s")]
pub use driver_k8s as k8s;
#[cfg(feature = "nydus")]
pub use driver_nydus as nydus;
#[cfg(feature = "vic")]
pub use driver_vic as vic;
#[cfg(feature = "memory")]
pub use testkit::memory;

/// Compiles the README's sample.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
