//! Commands and containers whose streams the caller holds.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::FutureExt;
use remotecommand::{Attached, Channels, Kill, RawSession, VERSION_4, VERSION_5};
use runtime_core::{
    AttachOptions, Context, Driver, Error, ErrorKind, ExecSession, Operation, Result, helpers::signal::Signal,
};

use super::{path, upgrade};
use crate::{driver::K8sDriver, error::Refusal, id::ContainerKey};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts a command in a container. With `ends` the end of its input matters.
///
/// # Errors
/// `NotFound`, `InvalidState` when the container does not run; `Unsupported` where the end of the input can't be told.
pub(crate) async fn exec(
    driver: &K8sDriver,
    cx: &Context,
    key: &ContainerKey,
    command: &[String],
    (channels, ends): (Channels, bool),
) -> Result<RawSession> {
    let asked = channels.to_ask_for();
    let path = path::exec(key, command, asked);
    open(driver, cx, key, Opening { path, asked, wanted: channels, ends, kill: Some(Arc::new(NoWay)) }).await
}

/// Attaches to a container.
///
/// # Errors
/// `NotFound`; `InvalidState` when the container does not run, or input is asked for and it has none; `Unsupported` where the
/// end of the input can't be told.
pub(crate) async fn attach(
    driver: &K8sDriver,
    cx: &Context,
    key: &ContainerKey,
    options: &AttachOptions,
) -> Result<ExecSession> {
    let target = driver.running(cx, key).await?;
    let is = |field: fn(&k8s_openapi::api::core::v1::Container) -> Option<bool>| {
        target.spec().and_then(field).unwrap_or(false)
    };
    if options.stdin && !is(|spec| spec.stdin) {
        return Err(Error::new(ErrorKind::InvalidState, "the container has no input"));
    }
    let channels = Channels { stdin: options.stdin, tty: is(|spec| spec.tty) };
    // A terminal of a container that has no input can't be asked for any.
    let path = path::attach(key, channels);
    let opening = Opening { path, asked: channels, wanted: channels, ends: true, kill: None };
    let session = open(driver, cx, key, opening).await?;
    let (driver, id) = (driver.clone(), key.id());
    let exit = move || {
        let (driver, id) = (driver.clone(), id.clone());
        async move {
            let containers =
                driver.containers().ok_or_else(|| Error::unsupported(Operation::ContainerWait))?;
            containers.wait(&Context::background(), &id).await
        }
        .boxed()
    };
    let control = Attached::new(Arc::clone(session.remote()), exit);
    Ok(session.with_control(control))
}

/// How a session is opened.
struct Opening {
    path: String,
    asked: Channels,
    wanted: Channels,
    /// The end of the input matters.
    ends: bool,
    kill: Option<Arc<dyn Kill>>,
}

async fn open(driver: &K8sDriver, cx: &Context, key: &ContainerKey, opening: Opening) -> Result<RawSession> {
    let Opening { path, asked, wanted, ends, kill } = opening;
    let needs_version_5 = wanted.stdin && ends && !wanted.tty;
    let offers: &[_] = if needs_version_5 { &[VERSION_5] } else { &[VERSION_5, VERSION_4] };
    // The command starts with the handshake. A caller that goes away meanwhile leaves it to this task, which then ends with a
    // session that nobody has.
    let opening = driver.tasks().spawn({
        let (driver, cx) = (driver.clone(), cx.fresh(HANDSHAKE_TIMEOUT));
        async move {
            let (socket, chosen) = upgrade::open(driver.client(), &cx, &path, offers).await?;
            let parts = remotecommand::start(socket, asked, chosen == VERSION_5);
            Ok::<_, Refusal>(RawSession::new(parts, wanted, kill, driver.tasks().clone()))
        }
    });
    let lost = |error: tokio::task::JoinError| Error::new(ErrorKind::Unexpected, error.to_string());
    match cx.run(async { opening.await.map_err(lost) }).await? {
        Ok(session) => Ok(session),
        // Servers have a status to say for whatever else they refuse.
        Err(refusal)
            if needs_version_5 && matches!(refusal.code, Some(400 | 403)) && refusal.reason.is_empty() =>
        {
            Err(no_end())
        }
        Err(refusal) => Err(driver.why_refused(cx, key, refusal).await),
    }
}

fn no_end() -> Error {
    let message = "the server speaks version 4 of the channel protocol alone, in which input has no end";
    Error::new(ErrorKind::Unsupported, message).with_field("stdin")
}

/// What stands for a way to a command's process as long as no helper gives one: systems let a command go on when its
/// connection is gone, and have no call to end it.
struct NoWay;

#[async_trait]
impl Kill for NoWay {
    async fn send(&self, _: Signal) -> Result<()> {
        Err(no_way())
    }

    async fn has_ended(&self) -> Result<bool> {
        Err(no_way())
    }
}

fn no_way() -> Error {
    let message = "signalling a command needs the toolbox in the container, or /bin/sh, and neither is there";
    Error::new(ErrorKind::Unsupported, message)
}
