//! Between the specs and statuses of the core and what the engine takes and tells. No IO.

mod check;
mod kept;
mod labels;
mod launch;
mod mounts;
mod security;
mod stats;
mod status;

pub(super) use check::{check_container, check_pod, check_ready};
pub(super) use labels::has_mark;
pub(super) use launch::{cgroup, credentials, exec_launch, launch, pod_launch};
pub(super) use stats::{container_stats, pod_stats};
pub(super) use status::{
    container_status, container_summary, existing_container, existing_pod, exit, image_status, outcome,
    pod_status, pod_summary,
};
