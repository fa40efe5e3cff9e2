//! Commands through a helper inside the container: which one a container has, and sessions over it. What is said to the
//! helper, and by it, is [`runtime_core::emulation`].

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use k8s_cri::v1 as cri;
use runtime_core::{
    ContainerId, Context, Error, ErrorKind, ExecSession, Result, SessionControl,
    emulation::{self, Helper, Nonce, RunInContainer, Signaller},
    helpers::signal::Signal,
    spec::ExecSpec,
};

use crate::{
    config::Endpoint,
    container::{is_running, missing},
    driver::CriDriver,
    streaming::{self, Kill, Wanted},
};

/// Where the toolbox is in containers.
const TOOLBOX: &str = "/.wharf/toolbox";

/// How many containers' helpers are remembered.
const MAX_REMEMBERED: usize = 4096;

/// How long a helper may take to show that it is there, or to send a signal.
const HELPER_TIMEOUT: Duration = Duration::from_secs(10);

/// The helpers of containers, as far as they are known. The oldest are forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Helpers(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_container: HashMap<ContainerId, Option<Helper>>,
    oldest_first: VecDeque<ContainerId>,
}

impl Helpers {
    fn get(&self, id: &ContainerId) -> Option<Option<Helper>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_container.get(id).cloned()
    }

    fn remember(&self, id: &ContainerId, helper: Option<Helper>) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.by_container.insert(id.clone(), helper).is_none() {
            remembered.oldest_first.push_back(id.clone());
        }
        if remembered.oldest_first.len() > MAX_REMEMBERED
            && let Some(oldest) = remembered.oldest_first.pop_front()
        {
            remembered.by_container.remove(&oldest);
        }
    }
}

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
        let mut helper = None;
        if container.mounts.iter().any(|mount| mount.container_path == TOOLBOX) {
            helper = Some(toolbox);
        } else {
            for candidate in [toolbox, Helper::Shell] {
                if self.answers(cx, id, &candidate).await? {
                    helper = Some(candidate);
                    break;
                }
            }
        }
        self.helpers().remember(id, helper.clone());
        Ok(helper)
    }

    async fn answers(&self, cx: &Context, id: &ContainerId, helper: &Helper) -> Result<bool> {
        match self.exit_code(cx, id, helper.probe()).await {
            Ok(code) => Ok(code == Some(0)),
            // It is not there.
            Err(error) if error.kind() == ErrorKind::Failed => Ok(false),
            Err(error) => Err(error),
        }
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
            None => {
                let message =
                    "the runtime can't do this, and the container has neither the toolbox nor /bin/sh for it";
                Err(Error::new(ErrorKind::Unsupported, message).with_field(field))
            }
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
        if let Some(size) = spec.terminal_size {
            raw.remote.resize(size).await?;
        }
        let remote = Arc::clone(&raw.remote);
        let (session, process) = cx.run(emulation::begin(raw.into_session(), spec, &nonce)).await?;
        let runner = Beside { driver: self.clone(), container: id.clone() };
        remote.kill_with(Arc::new(ByHelper(Signaller::new(runner, helper, process))));
        Ok(session)
    }
}

/// The first field that runtimes can't honour.
pub(crate) fn emulated_field(spec: &ExecSpec) -> Option<&'static str> {
    let fields = [(!spec.env.is_empty(), "env"), (spec.cwd.is_some(), "cwd"), (spec.user.is_some(), "user")];
    fields.into_iter().find(|(is_set, _)| *is_set).map(|(_, field)| field)
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

/// Ends and signals a session's command.
struct ByHelper(Signaller<Beside>);

#[async_trait]
impl Kill for ByHelper {
    async fn send(&self, signal: Signal) -> Result<()> {
        self.0.send(&Context::background().with_timeout(HELPER_TIMEOUT), signal).await
    }

    async fn has_ended(&self) -> Result<bool> {
        self.0.has_ended(&Context::background().with_timeout(HELPER_TIMEOUT)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let helpers = Helpers::default();
        let id = |number: usize| ContainerId::new(number.to_string());
        for number in 0..=MAX_REMEMBERED {
            helpers.remember(&id(number), Some(Helper::Shell));
            helpers.remember(&id(number), None);
        }
        assert_eq!(helpers.get(&id(0)), None);
        assert_eq!(helpers.get(&id(1)), Some(None));
        assert_eq!(helpers.get(&id(MAX_REMEMBERED)), Some(None));
    }

    #[test]
    fn fields_that_runtimes_lack() {
        let spec = ExecSpec::new(["a"]);
        assert_eq!(emulated_field(&spec.clone().with_tty().with_stdin()), None);
        assert_eq!(emulated_field(&spec.clone().with_user("u").with_cwd("/")), Some("cwd"));
        assert_eq!(emulated_field(&spec.with_user("u").with_env("A", "b")), Some("env"));
    }
}
