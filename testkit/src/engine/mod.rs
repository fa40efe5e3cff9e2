//! The engine behind every fake: host processes, images, logs and a ledger of what is alive.
//!
//! [`Engine`] runs pods, containers and commands for real, as processes of this host, without any container runtime.
//! As root each container gets its own mounts, host name and process tree ([`Isolation::Chroot`]), and what it asks for of
//! limited privileges and of a network and a process tree that it shares with its pod; otherwise its processes run
//! directly in a copy of the image ([`Isolation::None`]) and what needs root is refused.

mod attach;
mod capabilities;
mod check;
mod confine;
mod connect;
mod container;
mod core;
mod entry;
mod error;
mod event;
mod exec;
mod fault;
mod host_mount;
mod image;
mod inside;
mod isolation;
mod ledger;
mod lifecycle;
mod log;
mod memory;
mod network;
mod options;
mod paths;
mod pod;
mod privileges;
mod process;
mod resolv;
mod rootfs;
mod run;
mod seccomp;
mod space;
mod spawn;
mod streams;
mod sweep;
mod update;
mod usage;
mod user;

pub use attach::{Attachment, SharedInput};
pub use capabilities::LinuxCapabilities;
pub use container::{
    CgroupFile, Container, ContainerState, Exit, Launch, Mount, MountKind, Outcome, PidSpace, Propagation,
};
pub use core::Engine;
pub(crate) use core::random_id;
pub use error::{EngineError, Object};
pub use event::{Event, EventKind, Subject};
pub use exec::{ExecLaunch, ExecOutput, ExecProcess};
pub use fault::{Action, Fault, FaultHandle, Faults, Phase};
pub use host_mount::HostMount;
pub use image::{
    Asked, Credentials, HOST_IMAGE, ImageConfig, ImageRecord, LayerProgress, Pull, PullError, PullEvent,
    Reference,
};
pub use isolation::Isolation;
pub use ledger::{Ledger, LiveExec, LiveProcess};
pub use options::EngineOptions;
pub use pod::{Pod, PodLaunch, PodNetwork, PodProcess, PodSpace, PublishedPort};
pub use privileges::Privileges;
pub use resolv::resolv_conf;
pub(crate) use rootfs::resolve_in_root;
pub use streams::{Input, Output, TerminalSize};
pub use sweep::{Swept, sweep};
pub use update::Update;
pub use usage::{Layer, Traffic, Usage};
pub use user::User;

#[cfg(test)]
mod tests;
