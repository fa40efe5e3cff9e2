//! Where logs are, and their removal.

use std::path::{Path, PathBuf};

use crate::engine::{Container, Engine, EngineError, Pod};

/// The log directory of a pod whose spec names none: its own, by the mark of its making.
pub(super) fn default_directory(engine: &Engine, mark: &str) -> PathBuf {
    all(engine).join(mark)
}

/// Removes the log of a container.
pub(super) async fn remove(container: &Container) -> Result<(), EngineError> {
    let Some(path) = &container.launch.log_path else { return Ok(()) };
    absent_is_fine(path, tokio::fs::remove_file(path).await)
}

/// Removes the log directory of a pod, if it is the driver's.
pub(super) async fn remove_directory(engine: &Engine, pod: &Pod) -> Result<(), EngineError> {
    let own = pod.launch.log_directory.as_deref().filter(|directory| directory.starts_with(all(engine)));
    let Some(directory) = own else { return Ok(()) };
    absent_is_fine(directory, tokio::fs::remove_dir_all(directory).await)
}

fn all(engine: &Engine) -> PathBuf {
    engine.state_dir().join("logs")
}

fn absent_is_fine(path: &Path, removed: std::io::Result<()>) -> Result<(), EngineError> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EngineError::io(format!("remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}
