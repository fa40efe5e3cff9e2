//! Which helper a container has.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{Helper, RunInContainer};
use crate::{ContainerId, Context, Error, ErrorKind, Result, spec::ExecSpec};

/// How many containers' helpers are remembered.
const MAX_REMEMBERED: usize = 4096;

/// How long a helper may take to show that it is there, or to send a signal.
pub const HELPER_TIMEOUT: Duration = Duration::from_secs(10);

/// The helpers of containers, as far as they are known: what a container is made of stays. The oldest are forgotten first.
#[derive(Debug, Default)]
pub struct KnownHelpers(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_container: HashMap<ContainerId, Option<Helper>>,
    oldest_first: VecDeque<ContainerId>,
}

impl KnownHelpers {
    /// The helper of a container, which may be none, if that is known.
    #[must_use]
    pub fn get(&self, id: &ContainerId) -> Option<Option<Helper>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_container.get(id).cloned()
    }

    /// Takes note of what was found out.
    pub fn remember(&self, id: &ContainerId, helper: Option<Helper>) {
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

impl Helper {
    /// The first of these that a running container has.
    ///
    /// # Errors
    /// The runner's, but that a helper which can't be started is not there.
    pub async fn find(
        runner: &impl RunInContainer,
        cx: &Context,
        candidates: impl IntoIterator<Item = Self> + Send,
    ) -> Result<Option<Self>> {
        let candidates: Vec<_> = candidates.into_iter().collect();
        for candidate in candidates {
            match runner.run(cx, candidate.probe()).await {
                Ok(Some(0)) => return Ok(Some(candidate)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Failed => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What it means that a container has no helper, where a field of the spec needs one.
    #[must_use]
    pub fn missing_for(field: &'static str) -> Error {
        let message =
            "the runtime can't do this, and the container has neither the toolbox nor /bin/sh for it";
        Error::new(ErrorKind::Unsupported, message).with_field(field)
    }
}

/// The first field of a spec that a system's exec without environment, working directory and user can't honour.
#[must_use]
pub fn emulated_field(spec: &ExecSpec) -> Option<&'static str> {
    let fields = [(!spec.env.is_empty(), "env"), (spec.cwd.is_some(), "cwd"), (spec.user.is_some(), "user")];
    fields.into_iter().find(|(is_set, _)| *is_set).map(|(_, field)| field)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let helpers = KnownHelpers::default();
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
    fn fields_that_systems_lack() {
        let spec = ExecSpec::new(["a"]);
        assert_eq!(emulated_field(&spec.clone().with_tty().with_stdin()), None);
        assert_eq!(emulated_field(&spec.clone().with_user("u").with_cwd("/")), Some("cwd"));
        assert_eq!(emulated_field(&spec.with_user("u").with_env("A", "b")), Some("env"));
    }

    /// A container with a shell and a toolbox that can't be executed.
    struct ShellAlone;

    #[async_trait]
    impl RunInContainer for ShellAlone {
        async fn run(&self, _: &Context, command: Vec<String>) -> Result<Option<i32>> {
            match command.first().map(String::as_str) {
                Some("/bin/sh") => Ok(Some(0)),
                Some("/denied") => Ok(Some(126)),
                Some("/lost") => Err(Error::new(ErrorKind::Unavailable, "gone")),
                _ => Err(Error::new(ErrorKind::Failed, "no such command")),
            }
        }
    }

    #[tokio::test]
    async fn the_first_that_answers_is_taken() {
        let cx = Context::background();
        let toolbox = |path: &str| Helper::Toolbox(path.to_owned());
        let found = Helper::find(&ShellAlone, &cx, [toolbox("/t"), toolbox("/denied"), Helper::Shell]).await;
        assert_eq!(found.unwrap(), Some(Helper::Shell));
        assert_eq!(Helper::find(&ShellAlone, &cx, [toolbox("/t")]).await.unwrap(), None);
        let lost = Helper::find(&ShellAlone, &cx, [toolbox("/lost"), Helper::Shell]).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Unavailable);
    }
}
