//! Commands in containers, run to their end.

use std::time::Duration;

use k8s_cri::v1::{ExecSyncRequest, ExecSyncResponse};
use tonic::{Code, Status};

use super::fake::Fake;
use super::{refusal, status};
use crate::engine::{Container, EngineError, ExecLaunch};

pub(super) const CONTEXT: &str = "failed to exec in container";

impl Fake {
    pub(super) async fn exec_sync(&self, request: ExecSyncRequest) -> Result<ExecSyncResponse, Status> {
        let wanted = &request.container_id;
        let missing = format!("{CONTEXT}: failed to find container {wanted:?} in store");
        let (container, _) = self.container_in(wanted, &missing)?;
        let timeout = u64::try_from(request.timeout).ok().filter(|seconds| *seconds > 0);
        let launch = ExecLaunch {
            argv: request.cmd,
            timeout: timeout.map(Duration::from_secs),
            // As containerd, which waits until everybody has let go of the output.
            drain: Duration::MAX,
            ..Default::default()
        };
        match self.engine.exec(&container.id, launch).await {
            Ok(output) => Ok(ExecSyncResponse {
                exit_code: output.outcome.code(),
                stdout: output.stdout,
                stderr: output.stderr,
            }),
            Err(error) => Err(self.exec_refused(&container, error)),
        }
    }

    /// Why a command can't be run, or its output not be had.
    pub(super) fn exec_refused(&self, container: &Container, error: EngineError) -> Status {
        match error {
            EngineError::InvalidState { .. } => {
                let now = self.engine.container(&container.id);
                let state = status::state_name(now.as_ref().unwrap_or(container));
                Status::unknown(format!("{CONTEXT}: container is in {state} state"))
            }
            EngineError::ExecTimeout { after, .. } => {
                let text =
                    format!("{CONTEXT}: timeout {}s exceeded: context deadline exceeded", after.as_secs());
                Status::new(Code::DeadlineExceeded, text)
            }
            EngineError::InvalidArgument { field: "argv", .. } => {
                not_started(&container.id, "args must not be empty")
            }
            error @ (EngineError::NoSuchCommand { .. } | EngineError::NotExecutable { .. }) => {
                not_started(&container.id, &refusal::runc_words(&error.to_string()))
            }
            error => refusal::from_engine(error),
        }
    }
}

/// containerd names the exec by a random id; the container's looks the same.
fn not_started(id: &str, why: &str) -> Status {
    let text = format!(
        "{CONTEXT}: failed to start exec {id:?}: OCI runtime exec failed: exec failed: {why}: unknown"
    );
    Status::unknown(text)
}
