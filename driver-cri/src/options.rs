//! Options that only CRI pods have.

use runtime_core::spec::DriverOptions;
use serde::{Deserialize, Serialize};

/// Options of a pod on a CRI runtime, for the `extensions` of its spec.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CriPodOptions {
    /// The runtime handler, by its name in the runtime's configuration, such as `runc` or `kata`. Not said: the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_handler: Option<String>,
}

impl CriPodOptions {
    /// Runs the pod by this handler.
    #[must_use]
    pub fn with_runtime_handler(mut self, handler: impl Into<String>) -> Self {
        self.runtime_handler = Some(handler.into());
        self
    }
}

impl DriverOptions for CriPodOptions {
    const KEY: &'static str = "cri";
}
