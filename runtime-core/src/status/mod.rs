//! What systems report: one shape for all. What a system does not report is `None`, never invented.

mod container;
mod event;
mod exit;
mod health;
mod image;
mod pod;
mod pod_summary;
mod stats;

pub use container::{ContainerPhase, ContainerStatus, ContainerSummary};
pub use event::Event;
pub use exit::{ExitCause, ExitStatus};
pub use health::{Condition, Health};
pub use image::{FilesystemUsage, ImageMount, ImageStatus, PullEvent};
pub use pod::{PodPhase, PodRun, PodStatus, StartedContainer};
pub use pod_summary::{PodFacts, PodSummary};
pub use stats::{ContainerStats, CpuStats, InterfaceStats, MemoryStats, PodStats};
