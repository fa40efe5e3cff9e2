//! What containers use: memory, which is all that can be measured without cgroups.

use jiff::Timestamp;
use k8s_cri::v1::*;
use tonic::Status;

use super::container::Kept;
use super::fake::Fake;
use super::{filter, ids, refusal};
use crate::engine::{self, ContainerState};

impl Fake {
    pub(super) async fn container_stats(
        &self,
        request: ContainerStatsRequest,
    ) -> Result<ContainerStatsResponse, Status> {
        let (container, kept) = self.container_in(&request.container_id, "failed to find container")?;
        if !matches!(container.state, ContainerState::Running { .. }) {
            return Err(Status::unknown("unexpected metrics response: []"));
        }
        Ok(ContainerStatsResponse { stats: Some(self.stats(&container, kept).await?) })
    }

    pub(super) async fn list_container_stats(
        &self,
        request: ListContainerStatsRequest,
    ) -> Result<ListContainerStatsResponse, Status> {
        let filter = request.filter.unwrap_or_default();
        let all: Vec<_> = self.containers().collect();
        let pods = self.engine.pods();
        let container = ids::find(all.iter().map(|(container, _)| container.id.as_str()), &filter.id).owned();
        let pod = ids::find(pods.iter().map(|pod| pod.id.as_str()), &filter.pod_sandbox_id).owned();
        let mut stats = Vec::new();
        for (one, kept) in all {
            let wanted = (filter.id.is_empty() || container.as_ref() == Some(&one.id))
                && (filter.pod_sandbox_id.is_empty() || pod.as_ref() == Some(&one.pod))
                && filter::selects(&filter.label_selector, &kept.config.labels);
            if wanted {
                stats.push(self.stats(&one, kept).await?);
            }
        }
        Ok(ListContainerStatsResponse { stats })
    }

    async fn stats(&self, container: &engine::Container, kept: Kept) -> Result<ContainerStats, Status> {
        let attributes = ContainerAttributes {
            id: container.id.clone(),
            metadata: kept.config.metadata,
            labels: kept.config.labels,
            annotations: kept.config.annotations,
        };
        let memory = match container.state {
            ContainerState::Running { .. } => {
                let bytes = self.engine.memory_bytes(&container.id).await.map_err(refusal::from_engine)?;
                let value = Some(UInt64Value { value: bytes });
                let timestamp = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
                Some(MemoryUsage {
                    timestamp,
                    working_set_bytes: value,
                    usage_bytes: value,
                    rss_bytes: value,
                    ..Default::default()
                })
            }
            _ => None,
        };
        Ok(ContainerStats { attributes: Some(attributes), memory, ..Default::default() })
    }
}
