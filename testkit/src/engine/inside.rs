//! Work among a container's files, as the container's own processes see them.

use std::path::Path;
use std::sync::Arc;

use super::process::lock;
use super::spawn::on_thread;
use super::{Engine, EngineError};

impl Engine {
    /// Runs what blocks on a thread inside a running container, as the container's user. `work` gets the directory below
    /// which the container's files are: `/` with walls, where no path leads out; else the directory of its files. The thread
    /// goes on when the future is dropped or the container ends: `work` must come to an end by itself. Fault name `inside`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::InvalidState`] when the container does not run.
    pub async fn inside<T: Send + 'static>(
        &self,
        container: &str,
        work: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let shared = self.shared();
        let entered = async {
            shared.check_open()?;
            let entry = shared.container(container)?;
            let namespaces = {
                let main = lock(&entry.main);
                let main = main.as_ref().ok_or_else(|| entry.wrong_state())?;
                main.namespaces.as_ref().map(Arc::clone)
            };
            let (own, files) = (shared.command(&entry), entry.files.root());
            on_thread("inside", move || {
                let root = if namespaces.is_some() { Path::new("/") } else { &files };
                if let Some(namespaces) = &namespaces {
                    namespaces.enter()?;
                }
                let user = own.user.as_ref().map(|user| user.resolve(root, &own.groups)).transpose()?;
                own.privileges.take_on(user.as_ref())?;
                Ok(work(root))
            })
            .await
        };
        shared.faults.around("inside", entered).await
    }
}
