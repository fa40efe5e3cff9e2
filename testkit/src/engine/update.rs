//! New resources for a container that has others.

use std::sync::Arc;

use serde_json::Value;

use super::confine::CgroupView;
use super::core::Shared;
use super::entry::Entry;
use super::memory::{MemoryWatch, resident_bytes};
use super::process::lock;
use super::{CgroupFile, ContainerState, Engine, EngineError, Isolation, Launch};

/// What of a container's [`Launch`] can be changed later. All of it is taken, as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Most memory its processes may have together, in bytes. `None`: no limit.
    pub memory_limit_bytes: Option<u64>,
    /// What it sees at `/sys/fs/cgroup`.
    pub cgroup: Vec<CgroupFile>,
    /// For the caller's use.
    pub config: Value,
}

impl Engine {
    /// Changes the resources of a container, in whatever state. Fault name `update_container`.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::MemoryInUse`] for a limit below what it has, which changes nothing.
    pub async fn update_container(&self, id: &str, update: Update) -> Result<(), EngineError> {
        let shared = self.shared();
        shared
            .faults
            .around("update_container", async {
                let (task, entry) = (Arc::clone(shared), shared.container(id)?);
                shared.to_the_end(async move { task.update(&entry, update).await }).await
            })
            .await
    }
}

impl Shared {
    async fn update(&self, entry: &Entry, update: Update) -> Result<(), EngineError> {
        let _turn = entry.turn.lock().await;
        self.container(&entry.id)?;
        let pid = entry.main_pid();
        if let (Some(limit_bytes), Some(_)) = (update.memory_limit_bytes, pid) {
            let roots = self.processes.of(&entry.id);
            let used_bytes = self.blocking(move || Ok(resident_bytes(&roots))).await?;
            if used_bytes > limit_bytes {
                return Err(EngineError::MemoryInUse { limit_bytes, used_bytes });
            }
        }
        let Update { memory_limit_bytes, cgroup, config } = update;
        let launch = Launch { memory_limit_bytes, cgroup, config, ..Launch::clone(&entry.launch_now()) };
        *lock(&entry.updated) = Some(Arc::new(launch));
        let runs = matches!(*entry.state.borrow(), ContainerState::Running { .. });
        if let Some(pid) = pid.filter(|_| runs) {
            if self.abilities.isolation == Isolation::Chroot {
                let view = entry.cgroup_view();
                self.blocking(move || view.write()).await?;
            }
            self.watch_memory(entry, pid);
        }
        Ok(())
    }

    /// Keeps a running container to its limit of now.
    pub(super) fn watch_memory(&self, entry: &Entry, pid: i32) {
        let limit = entry.launch_now().memory_limit_bytes;
        let mut watch = lock(&entry.memory);
        match (watch.as_ref(), limit) {
            (Some(watch), limit) => watch.set_limit(limit.unwrap_or(u64::MAX)),
            (None, Some(limit)) => {
                *watch = Some(MemoryWatch::start(pid, entry.id.clone(), limit, Arc::clone(&self.processes)));
            }
            (None, None) => {}
        }
    }
}

impl Entry {
    /// What the container sees of its cgroup.
    pub(super) fn cgroup_view(&self) -> CgroupView {
        CgroupView { directory: Some(self.files.cgroup()), files: self.launch_now().cgroup.clone() }
    }
}
