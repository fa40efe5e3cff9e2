//! The calls that hand out URLs.

use k8s_cri::v1::*;
use tonic::Status;

use super::Grant;
use crate::engine::ContainerState;
use crate::fake_cri::{fake::Fake, status};

impl Fake {
    pub(in crate::fake_cri) async fn exec(&self, request: ExecRequest) -> Result<ExecResponse, Status> {
        let wanted = &request.container_id;
        self.check_running(wanted, &format!("failed to find container {wanted:?} in store"))?;
        let ExecRequest { tty, stdin, stdout, stderr, .. } = request;
        check_streams(tty, [stdin, stdout, stderr], "one of stdin, stdout, or stderr must be set")?;
        Ok(ExecResponse { url: self.streaming.url(Grant::Exec(request))? })
    }

    pub(in crate::fake_cri) async fn attach(&self, request: AttachRequest) -> Result<AttachResponse, Status> {
        self.check_running(&request.container_id, "failed to find container in store")?;
        let AttachRequest { tty, stdin, stdout, stderr, .. } = request;
        check_streams(tty, [stdin, stdout, stderr], "one of stdin, stdout, and stderr must be set")?;
        Ok(AttachResponse { url: self.streaming.url(Grant::Attach(request))? })
    }

    pub(in crate::fake_cri) async fn port_forward(
        &self,
        request: PortForwardRequest,
    ) -> Result<PortForwardResponse, Status> {
        let wanted = &request.pod_sandbox_id;
        let (pod, _) = self.sandbox(wanted, &format!("failed to find sandbox {wanted:?}"))?;
        if !pod.is_ready() {
            return Err(Status::unknown("sandbox container is not running"));
        }
        Ok(PortForwardResponse { url: self.streaming.url(Grant::PortForward(request))? })
    }

    fn check_running(&self, wanted: &str, missing: &str) -> Result<(), Status> {
        let (container, _) = self.container_in(wanted, missing)?;
        if matches!(container.state, ContainerState::Running { .. }) {
            return Ok(());
        }
        Err(Status::unknown(format!("container is in {} state", status::state_name(&container))))
    }
}

fn check_streams(tty: bool, [stdin, stdout, stderr]: [bool; 3], none: &str) -> Result<(), Status> {
    if tty && stderr {
        return Err(Status::invalid_argument("tty and stderr cannot both be true"));
    }
    if stdin || stdout || stderr { Ok(()) } else { Err(Status::invalid_argument(none)) }
}
