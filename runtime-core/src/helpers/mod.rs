//! Rules that every driver needs and none should write twice: pure, without IO.
//!
//! Each follows Kubernetes where the systems disagree, and has its own small error type.

pub mod arch;
pub mod command;
pub mod cri_log;
pub mod digest;
pub mod docker_config;
pub mod duration;
pub mod env;
pub mod image_ref;
pub mod kube_version;
pub mod line_assembler;
pub mod local_url;
pub mod memory;
pub mod name;
pub mod no_progress;
pub mod pull_failure;
pub mod pull_policy;
pub mod quantity;
pub mod redact;
pub mod remote_status;
pub mod retry;
pub mod signal;
pub mod single_flight;
