//! Commands in running containers.

use async_trait::async_trait;
use runtime_core::{
    AttachOptions, Call, ContainerId, Context, Error, ErrorKind, Exec, ExecOutput, ExecSession, Object,
    Result, spec::ExecSpec,
};

use super::{MemoryDriver, capabilities::EXEC_OUTPUT_BYTES, error::convert, session, translate};

#[async_trait]
impl Exec for MemoryDriver {
    async fn sync(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecOutput> {
        self.admit(cx, &Call::ExecSync { id, spec })?;
        let container = self.engine().container(id.as_str()).map_err(convert)?;
        let launch = translate::exec_launch(spec, &container.launch, EXEC_OUTPUT_BYTES);
        let output = self.call(cx, self.engine().exec(id.as_str(), launch)).await?;
        if output.truncated {
            let message = format!("the command wrote more than {EXEC_OUTPUT_BYTES} bytes");
            return Err(
                Error::new(ErrorKind::ResourceExhausted, message).with_object(Object::container(id.as_str()))
            );
        }
        Ok(ExecOutput::new(output.stdout, output.stderr, translate::outcome(output.outcome)))
    }

    async fn start(&self, cx: &Context, id: &ContainerId, spec: &ExecSpec) -> Result<ExecSession> {
        self.admit(cx, &Call::ExecStart { id, spec })?;
        let container = self.engine().container(id.as_str()).map_err(convert)?;
        let launch = translate::exec_launch(spec, &container.launch, EXEC_OUTPUT_BYTES);
        let process = self.call(cx, self.engine().exec_stream(id.as_str(), launch)).await?;
        Ok(session::of_command(process, spec.timeout))
    }

    async fn attach(&self, cx: &Context, id: &ContainerId, options: &AttachOptions) -> Result<ExecSession> {
        self.admit(cx, &Call::ExecAttach { id, options })?;
        let attachment = self.call(cx, self.engine().attach(id.as_str())).await?;
        self.attached(id, attachment, options.stdin)
    }
}
