//! New resources for containers.

use k8s_cri::v1::*;
use tonic::Status;

use super::fake::Fake;
use super::{cgroup, refusal};
use crate::engine::{ContainerState, EngineError, Update};

impl Fake {
    pub(super) async fn update_container_resources(
        &self,
        request: UpdateContainerResourcesRequest,
    ) -> Result<UpdateContainerResourcesResponse, Status> {
        let (container, mut kept) = self.container_in(&request.container_id, "failed to find container")?;
        let linux = kept.config.linux.get_or_insert_default();
        let had = linux.resources.take().unwrap_or_default();
        let resources = cgroup::updated(had, request.linux.unwrap_or_default());
        let runs = matches!(container.state, ContainerState::Running { .. });
        if let Some(why) = cgroup::refused_to_running(&resources).filter(|_| runs) {
            return Err(failed(&why));
        }
        let limit = u64::try_from(resources.memory_limit_in_bytes).ok().filter(|limit| *limit > 0);
        let has_view = !container.launch.cgroup.is_empty();
        let update = Update {
            memory_limit_bytes: limit,
            cgroup: if has_view { cgroup::files(&resources) } else { Vec::new() },
            config: {
                linux.resources = Some(resources);
                serde_json::to_value(kept).map_err(|error| Status::internal(error.to_string()))?
            },
        };
        match self.engine.update_container(&container.id, update).await {
            Ok(()) => Ok(UpdateContainerResourcesResponse {}),
            Err(error @ EngineError::MemoryInUse { .. }) => Err(failed(&error.to_string())),
            Err(error) => Err(refusal::from_engine(error)),
        }
    }
}

/// The words of runc, as containerd passes them on.
fn failed(why: &str) -> Status {
    const FAILED: &str = "failed to update resources";
    Status::unknown(format!(
        "{FAILED}: {FAILED}: runc did not terminate successfully: exit status 1: {why}\n: unknown"
    ))
}
