//! Commands in containers, run to their end.

use std::time::Duration;

use k8s_cri::v1::{ExecSyncRequest, ExecSyncResponse};
use tonic::{Code, Status};

use super::fake::Fake;
use super::{refusal, status};
use crate::engine::{EngineError, ExecLaunch};

const CONTEXT: &str = "failed to exec in container";

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
            Err(EngineError::InvalidState { .. }) => {
                let state = status::state_name(&container);
                Err(Status::unknown(format!("{CONTEXT}: container is in {state} state")))
            }
            Err(EngineError::ExecTimeout { after, .. }) => {
                let text =
                    format!("{CONTEXT}: timeout {}s exceeded: context deadline exceeded", after.as_secs());
                Err(Status::new(Code::DeadlineExceeded, text))
            }
            Err(EngineError::InvalidArgument { field: "argv", .. }) => {
                Err(not_started(&container.id, "args must not be empty"))
            }
            Err(error @ (EngineError::NoSuchCommand { .. } | EngineError::NotExecutable { .. })) => {
                Err(not_started(&container.id, &refusal::runc_words(&error.to_string())))
            }
            Err(error) => Err(refusal::from_engine(error)),
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
