//! Commands through a helper inside the container: which one a container has, and sessions over it. What is said to the
//! helper, and by it, is [`runtime_core::emulation`].

use async_trait::async_trait;
use remotecommand::Channels;
use runtime_core::{
    Context, Error, ErrorKind, ExecSession, ExitCause, Result,
    emulation::{HELPER_TIMEOUT, Helper, Nonce, RunInContainer, emulated_field},
    spec::ExecSpec,
};

use crate::{driver::K8sDriver, id::ContainerKey, streaming, target::Target};

/// Where an image's own toolbox is.
const TOOLBOX: &str = "/.wharf/toolbox";

/// The most that is read of what a command of ours writes, which does not count.
const MAX_OUTPUT_BYTES: u64 = 64 << 10;

impl K8sDriver {
    /// Which helper a running container has. Asks once: what a container is made of stays.
    pub(crate) async fn helper(
        &self,
        cx: &Context,
        key: &ContainerKey,
        target: &Target,
    ) -> Result<Option<Helper>> {
        if let Some(path) = target.toolbox() {
            return Ok(Some(Helper::Toolbox(path)));
        }
        let id = key.id();
        if let Some(known) = self.helpers().get(&id) {
            return Ok(known);
        }
        let candidates = [Helper::Toolbox(TOOLBOX.to_owned()), Helper::Shell];
        let helper = Helper::find(&self.beside(key), cx, candidates).await?;
        self.helpers().remember(&id, helper.clone());
        Ok(helper)
    }

    /// The helper through which a command has to go: for what Kubernetes' exec lacks, and because a helper alone tells which
    /// process is the command's, so that it can be signalled, and ended with its session. `None` where there is none and the
    /// spec can do without.
    ///
    /// # Errors
    /// `Unsupported` names the field that nothing in the container can honour.
    pub(crate) async fn helper_for(
        &self,
        cx: &Context,
        key: &ContainerKey,
        target: &Target,
        spec: &ExecSpec,
    ) -> Result<Option<Helper>> {
        match (self.helper(cx, key, target).await?, emulated_field(spec)) {
            (Some(helper), Some(_)) => helper.check(spec).map(|()| Some(helper)),
            (None, Some(field)) => Err(Helper::missing_for(field)),
            (helper, None) => Ok(helper),
        }
    }

    /// Starts a command through a helper.
    pub(crate) async fn start_with(
        &self,
        cx: &Context,
        key: &ContainerKey,
        spec: &ExecSpec,
        helper: Helper,
    ) -> Result<ExecSession> {
        let nonce = Nonce::random();
        // The helper always has an input, for what it is told. A command without gets another.
        let channels = Channels { stdin: true, tty: spec.tty };
        let command = helper.wrapper(&nonce);
        let raw = streaming::exec(self, cx, key, &command, (channels, spec.stdin)).await?;
        raw.begin(cx, spec, &nonce, (helper, self.beside(key))).await
    }

    fn beside(&self, key: &ContainerKey) -> Beside {
        Beside { driver: self.clone(), container: key.clone() }
    }
}

/// Runs commands beside the session's.
struct Beside {
    driver: K8sDriver,
    container: ContainerKey,
}

#[async_trait]
impl RunInContainer for Beside {
    async fn run(&self, cx: &Context, command: Vec<String>) -> Result<Option<i32>> {
        let cx = &cx.clone().with_timeout(HELPER_TIMEOUT);
        let session =
            streaming::exec(&self.driver, cx, &self.container, &command, Default::default()).await?;
        let output = cx.run(session.into_session().output(MAX_OUTPUT_BYTES)).await?;
        match output.exit.cause {
            ExitCause::StreamLost => {
                Err(Error::new(ErrorKind::Unavailable, "the connection to a helper was lost").transient())
            }
            _ => Ok(output.exit.code()),
        }
    }
}
