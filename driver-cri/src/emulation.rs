//! Commands through a helper inside the container: which one a container has, and sessions over it. What is said to the
//! helper, and by it, is [`runtime_core::emulation`].

use async_trait::async_trait;
use k8s_cri::v1 as cri;
use runtime_core::{
    ContainerId, Context, Error, ErrorKind, ExecSession, Result,
    emulation::{HELPER_TIMEOUT, Helper, Nonce, RunInContainer, emulated_field},
    spec::ExecSpec,
};

use crate::{
    config::Endpoint,
    container::{is_running, missing},
    driver::CriDriver,
    streaming::{self, Wanted},
};

/// Where the toolbox is in containers.
const TOOLBOX: &str = "/.wharf/toolbox";

impl CriDriver {
    /// The mount that puts the toolbox into a container, if there is a toolbox.
    pub(crate) fn toolbox_mount(&self) -> Result<Option<cri::Mount>> {
        let Some(path) = self.toolbox() else { return Ok(None) };
        let host_path = path.to_str().ok_or_else(|| Error::invalid("toolbox", "the path is not UTF-8"))?;
        Ok(Some(cri::Mount {
            container_path: TOOLBOX.to_owned(),
            host_path: host_path.to_owned(),
            readonly: true,
            ..Default::default()
        }))
    }

    /// Which helper a running container has. Asks once: what a container is made of stays.
    ///
    /// # Errors
    /// `NotFound`, `InvalidState` when it doesn't run.
    pub(crate) async fn helper(&self, cx: &Context, id: &ContainerId) -> Result<Option<Helper>> {
        if let Some(known) = self.helpers().get(id) {
            return Ok(known);
        }
        let found = self.find_container_status(cx, id.as_str(), false).await?;
        let (container, _) = found.ok_or_else(|| missing(id))?;
        if !is_running(&container) {
            return Err(Error::new(ErrorKind::InvalidState, "the container is not running"));
        }
        let toolbox = Helper::Toolbox(TOOLBOX.to_owned());
        let helper = if container.mounts.iter().any(|mount| mount.container_path == TOOLBOX) {
            Some(toolbox)
        } else {
            Helper::find(&self.beside(id), cx, [toolbox, Helper::Shell]).await?
        };
        self.helpers().remember(id, helper.clone());
        Ok(helper)
    }

    /// Runs a command of ours to its end.
    async fn exit_code(&self, cx: &Context, id: &ContainerId, command: Vec<String>) -> Result<Option<i32>> {
        let cx = &cx.clone().with_timeout(HELPER_TIMEOUT);
        let request = cri::ExecSyncRequest {
            container_id: id.as_str().to_owned(),
            cmd: command,
            timeout: i64::try_from(HELPER_TIMEOUT.as_secs()).unwrap_or(i64::MAX),
        };
        match self.client().exec_sync(cx, request).await {
            Ok(answer) => Ok(Some(answer.exit_code)),
            Err(refusal) => Err(self.why_no_exec(refusal, cx, id).await),
        }
    }

    /// The helper through which a command has to go, or should: where it is asked for more than runtimes can do, and where a
    /// helper alone, or a helper better than all else, tells which process is the command's. `None` where the runtime does it
    /// alone.
    ///
    /// # Errors
    /// `Unsupported` names the field that nothing in the container can honour.
    pub(crate) async fn helper_for(
        &self,
        cx: &Context,
        id: &ContainerId,
        spec: &ExecSpec,
    ) -> Result<Option<Helper>> {
        let Some(field) = emulated_field(spec) else {
            // On this host the command's process can be found without help. A helper is better, but for that alone it is not
            // looked for where it is unlikely, and a shell does not know more.
            let is_here = matches!(self.endpoint(), Endpoint::Unix(_));
            let is_likely = self.toolbox().is_some() || self.helpers().get(id).is_some();
            let helper = if is_likely || !is_here { self.helper(cx, id).await? } else { None };
            return Ok(helper.filter(|helper| !is_here || *helper != Helper::Shell));
        };
        match self.helper(cx, id).await? {
            Some(helper) => helper.check(spec).map(|()| Some(helper)),
            None => Err(Helper::missing_for(field)),
        }
    }

    /// Starts a command through a helper.
    pub(crate) async fn start_with(
        &self,
        cx: &Context,
        id: &ContainerId,
        spec: &ExecSpec,
        helper: Helper,
    ) -> Result<ExecSession> {
        let nonce = Nonce::random();
        // The helper always has an input, for what it is told. A command without gets another.
        let wanted = Wanted { stdin: true, stdin_ends: spec.stdin, tty: spec.tty, has_kill: true };
        let raw = streaming::exec(self, cx, id, &helper.wrapper(&nonce), wanted).await?;
        raw.begin(cx, spec, &nonce, (helper, self.beside(id))).await
    }

    fn beside(&self, id: &ContainerId) -> Beside {
        Beside { driver: self.clone(), container: id.clone() }
    }
}

/// Runs commands beside the session's.
struct Beside {
    driver: CriDriver,
    container: ContainerId,
}

#[async_trait]
impl RunInContainer for Beside {
    async fn run(&self, cx: &Context, command: Vec<String>) -> Result<Option<i32>> {
        self.driver.exit_code(cx, &self.container, command).await
    }
}
