//! Signals to a command, by others that are run beside it.

use async_trait::async_trait;

use super::{Helper, RemoteProcess, command::Whom};
use crate::{Context, ErrorKind, Result, helpers::signal::Signal};

/// Runs a command in the container of a session, and tells its exit code.
#[async_trait]
pub trait RunInContainer: Send + Sync + 'static {
    /// Runs it to its end; its output does not count. A missing container is `NotFound`, one that does not run
    /// `InvalidState`.
    async fn run(&self, cx: &Context, command: Vec<String>) -> Result<Option<i32>>;
}

/// Signals one life of a process in a container.
#[derive(Debug)]
pub struct Signaller<R> {
    runner: R,
    helper: Helper,
    process: RemoteProcess,
}

impl<R: RunInContainer> Signaller<R> {
    /// For this process.
    #[must_use]
    pub fn new(runner: R, helper: Helper, process: RemoteProcess) -> Self {
        Self { runner, helper, process }
    }

    /// Sends a signal. A process that has ended is `Ok`. What can't be caught is for the whole group of a process that leads
    /// one, since nobody is left then to pass it on.
    ///
    /// # Errors
    /// `PermissionDenied` when the container's user may not signal the command's; `Unsupported`; the runner's.
    pub async fn send(&self, cx: &Context, signal: Signal) -> Result<()> {
        let whom = if signal == Signal::KILL { Whom::Group } else { Whom::Process };
        match self.runner.run(cx, self.helper.kill(signal, self.process, whom)).await {
            Ok(code) => Helper::signalled(code),
            // All of its processes have ended with the container.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the process has ended.
    ///
    /// # Errors
    /// `Unsupported` by a toolbox that is older than this; the runner's.
    pub async fn has_ended(&self, cx: &Context) -> Result<bool> {
        match self.runner.run(cx, self.helper.look(self.process)).await {
            Ok(code) => Helper::goes_on(code).map(|goes_on| !goes_on),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidState) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    struct Answers(Result<Option<i32>, ErrorKind>);

    #[async_trait]
    impl RunInContainer for Answers {
        async fn run(&self, _: &Context, command: Vec<String>) -> Result<Option<i32>> {
            assert!(
                command == ["/t", "kill", "15", "7", "99", "process"]
                    || command == ["/t", "kill", "9", "7", "99", "group"]
                    || command == ["/t", "kill", "0", "7", "99", "process"]
            );
            self.0.map_err(|kind| Error::new(kind, "no"))
        }
    }

    #[tokio::test]
    async fn what_has_ended_is_fine() {
        let process = RemoteProcess { pid: 7, start_time: 99 };
        for (answer, expected) in [
            (Ok(Some(0)), Ok(false)),
            (Ok(Some(3)), Ok(true)),
            (Ok(None), Err(ErrorKind::Failed)),
            (Err(ErrorKind::NotFound), Ok(true)),
            (Err(ErrorKind::InvalidState), Ok(true)),
            (Err(ErrorKind::Unavailable), Err(ErrorKind::Unavailable)),
        ] {
            let signaller = Signaller::new(Answers(answer), Helper::Toolbox("/t".to_owned()), process);
            let ended = signaller.has_ended(&Context::background()).await;
            assert_eq!(ended.map_err(|error| error.kind()), expected, "{answer:?}");
        }
        for (answer, expected) in [
            (Ok(Some(0)), Ok(())),
            (Ok(Some(3)), Ok(())),
            (Ok(Some(4)), Err(ErrorKind::PermissionDenied)),
            (Ok(None), Err(ErrorKind::Failed)),
            (Err(ErrorKind::NotFound), Ok(())),
            (Err(ErrorKind::InvalidState), Ok(())),
            (Err(ErrorKind::Unavailable), Err(ErrorKind::Unavailable)),
        ] {
            let signaller = Signaller::new(Answers(answer), Helper::Toolbox("/t".to_owned()), process);
            for signal in [Signal::TERM, Signal::KILL] {
                let sent = signaller.send(&Context::background(), signal).await;
                assert_eq!(sent.map_err(|error| error.kind()), expected, "{answer:?}");
            }
        }
    }
}
