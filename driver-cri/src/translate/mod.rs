//! Between wharf's types and CRI's, without IO and in both directions.
//!
//! Going to CRI and back keeps everything that CRI can carry. CRI has no "not said" for numbers and texts: zero and empty
//! mean it.

mod container;
mod enums;
pub(crate) mod marks;
mod mount;
pub(crate) mod native;
mod pod;
mod pull_reason;
mod resources;
mod security;
pub(crate) mod stats;
pub(crate) mod status;
mod windows;

#[cfg(test)]
mod tests;

pub use container::{container_config, container_spec};
pub use pod::{pod_config, pod_spec};
pub(crate) use pull_reason::pull_reason;
pub use resources::linux_resources;
pub(crate) use resources::update_of;

/// CRI's way to say nothing.
fn said(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
