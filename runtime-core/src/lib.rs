//! The traits, types and helpers that every wharf driver shares.
//!
//! *Callers* hold a [`Client`] and its handles. *Driver authors* implement [`Driver`] and the facets [`Pod`], [`Container`],
//! [`Exec`] and [`ImageStore`]. This crate knows no driver and no network.

mod call;
mod capability;
mod client;
pub mod compose;
mod context;
pub mod copy;
mod driver;
pub mod emulation;
mod error;
pub mod events;
mod facet;
pub mod file_watch;
pub mod group;
pub mod helpers;
mod id;
mod janitor;
pub mod layer;
mod leftover;
pub mod log_file;
pub mod lost;
pub mod marks;
mod object;
mod operation;
pub mod persist;
mod preflight;
mod registry;
mod requirements;
mod secret;
mod session;
pub mod spec;
mod status;
mod validate;

pub use call::Call;
pub use capability::{Capabilities, Capability, Limits, Support};
pub use client::{Client, ClientBuilder, ContainerHandle, Images, PodHandle};
pub use context::Context;
pub use driver::{Driver, DriverInfo};
pub use error::{Error, ErrorKind, Result};
pub use facet::{
    AttachOptions, Container, ContainerFilter, CopyOptions, CreateOptions, EventStream, Exec, ExecOutput,
    ExistingPolicy, ImageFilter, ImageStore, LogLine, LogOptions, LogSource, LogStream, Pod, PodFilter,
    PullOptions, PullStream, RunOptions, StopOptions, WaitFor,
};
pub use id::{ContainerId, ImageId, PodId};
pub use janitor::{Janitor, Recorder};
pub use leftover::Leftover;
pub use object::{Object, ObjectKind};
pub use operation::Operation;
pub use preflight::{Preflight, Verdict, admit};
pub use registry::{Connect, Registry};
pub use secret::Secret;
pub use session::{
    ByteStream, Duplex, ExecSession, PortStream, SessionControl, SessionInput, SessionOutput, TerminalSize,
};
pub use status::{
    Condition, ContainerPhase, ContainerStats, ContainerStatus, ContainerSummary, CpuStats, Event, ExitCause,
    ExitStatus, FilesystemUsage, Health, ImageMount, ImageStatus, InterfaceStats, MemoryStats, PodFacts,
    PodPhase, PodRun, PodStats, PodStatus, PodSummary, PullEvent, StartedContainer,
};
