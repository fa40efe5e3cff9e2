//! The facets of a driver: what systems have in common, one trait each.

mod container;
mod exec;
mod filter;
mod image;
mod options;
mod pod;

pub use container::{Container, LogStream};
pub use exec::{Exec, ExecOutput};
pub use image::{ImageStore, PullStream};
pub use options::{
    AttachOptions, ContainerFilter, CopyOptions, CreateOptions, ExistingPolicy, ImageFilter, LogLine,
    LogOptions, LogSource, PodFilter, PullOptions, RunOptions, StopOptions, WaitFor,
};
pub use pod::{EventStream, Pod};
