//! What the fake can't show.

use runtime_core::Capability;

/// What a CRI driver declares and real runtimes honour, but the engine behind this server can't do, and why.
pub const LACKS: &[(Capability, &str)] = &[];
