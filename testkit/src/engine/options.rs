//! What an engine is started with.

use std::path::PathBuf;

use super::Isolation;

/// Options of [`Engine::start`](super::Engine::start). The default is a temporary directory and the strongest
/// isolation that works here.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// Where state lives: made if missing, removed at the end. `None`: a new temporary directory.
    pub state_dir: Option<PathBuf>,
    /// Forces an isolation. `None`: probed.
    pub isolation: Option<Isolation>,
}
