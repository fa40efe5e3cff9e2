//! Commands and containers whose streams the caller holds.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use k8s_cri::v1 as cri;
use remotecommand::{Attached, Channels, Kill, Parts, RawSession, VERSION_4, VERSION_5};
use runtime_core::{AttachOptions, ContainerId, Context, Error, ErrorKind, ExecSession, Result};
use tokio_util::task::AbortOnDropHandle;

use super::{
    address::Address,
    dialect::Way,
    handshake::{self, Refused},
    spdy,
    untold::Untold,
};
use crate::{
    container::{is_running, missing},
    driver::{CriDriver, Info},
    host_process::Search,
    wait,
};

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The streams that a session has beside its output.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) stdin: bool,
    /// The end of the input matters: a way that has one is taken first.
    pub(crate) stdin_ends: bool,
    /// A terminal; then there is no standard error.
    pub(crate) tty: bool,
    /// The caller knows a way of its own to the command's process, and gives it by
    /// [`Remote::kill_with`](remotecommand::Remote::kill_with). Else the process
    /// is looked for on this host, and commands that are the same start one after the other in a container.
    pub(crate) has_kill: bool,
}

impl Wanted {
    fn channels(self) -> Channels {
        Channels { stdin: self.stdin, tty: self.tty }
    }
}

/// Starts a command in a container.
pub(crate) async fn exec(
    driver: &CriDriver,
    cx: &Context,
    id: &ContainerId,
    command: &[String],
    wanted: Wanted,
) -> Result<RawSession> {
    let channels = wanted.channels().to_ask_for();
    let ways = driver.dialects().ways(wanted.stdin && wanted.stdin_ends && !wanted.tty);
    let request = cri::ExecRequest {
        container_id: id.as_str().to_owned(),
        cmd: command.to_vec(),
        tty: wanted.tty,
        stdin: channels.stdin,
        stdout: true,
        stderr: !wanted.tty,
    };
    let url = || async {
        match driver.client().exec(cx, request.clone()).await {
            Ok(answer) => Ok(answer.url),
            Err(refusal) => Err(driver.why_no_exec(refusal, cx, id).await),
        }
    };
    let search = Search::new(driver, id, command);
    open(driver, cx, &ways, (wanted, channels), url, Some(search)).await
}

/// Attaches to a container.
pub(crate) async fn attach(
    driver: &CriDriver,
    cx: &Context,
    id: &ContainerId,
    options: &AttachOptions,
) -> Result<ExecSession> {
    let found = driver.find_container_status(cx, id.as_str(), true).await?;
    let (container, info) = found.ok_or_else(|| missing(id))?;
    if !is_running(&container) {
        return Err(Error::new(ErrorKind::InvalidState, "the container is not running"));
    }
    let config = Config::of(&info);
    if options.stdin && !config.stdin {
        return Err(Error::new(ErrorKind::InvalidState, "the container has no input"));
    }
    let wanted = Wanted { stdin: options.stdin, stdin_ends: true, tty: config.tty, has_kill: true };
    let channels = wanted.channels();
    let ways = driver.dialects().ways_to_attach(wanted.stdin && !wanted.tty, config.stdin);
    let request = cri::AttachRequest {
        container_id: id.as_str().to_owned(),
        stdin: wanted.stdin,
        tty: wanted.tty,
        stdout: true,
        stderr: !wanted.tty,
    };
    let url = || async {
        match driver.client().attach(cx, request.clone()).await {
            Ok(answer) => Ok(answer.url),
            Err(refusal) => Err(driver.why_no_exec(refusal, cx, id).await),
        }
    };
    let session = open(driver, cx, &ways, (wanted, channels), url, None).await?;
    let (driver, id) = (driver.clone(), id.clone());
    let exit = move || {
        let (driver, id) = (driver.clone(), id.clone());
        async move { wait::for_exit(&driver, &Context::background(), id.as_str()).await }.boxed()
    };
    let control = Attached::new(Arc::clone(session.remote()), exit);
    Ok(session.with_control(control))
}

/// What a runtime says of how a container was made.
struct Config {
    stdin: bool,
    tty: bool,
}

impl Config {
    /// Runtimes leave out what is false. One that says nothing at all may have an input, which then is its own to refuse.
    fn of(info: &Info) -> Self {
        let document = info.document().unwrap_or_default();
        let config = document.get("config");
        let says = |key| {
            config.and_then(|config| config.get(key)?.as_bool()).unwrap_or(config.is_none() && key == "stdin")
        };
        Self { stdin: says("stdin"), tty: says("tty") }
    }
}

/// Opens a session in the first way that the runtime takes.
async fn open<U, F>(
    driver: &CriDriver,
    cx: &Context,
    ways: &[Way],
    (wanted, channels): (Wanted, Channels),
    url: U,
    search: Option<Search>,
) -> Result<RawSession>
where
    U: Fn() -> F,
    F: Future<Output = Result<String>>,
{
    let mut refusal = None;
    for &way in ways {
        let address = Address::parse(&url().await?, driver.endpoint())?;
        let turn = match &search {
            Some(search) if !wanted.has_kill => Some(cx.run(async { Ok(search.turn().await) }).await?),
            _ => None,
        };
        // The command starts with the handshake. A caller that goes away meanwhile leaves it to this task, which then ends
        // with a session that nobody has, and that ends the command.
        let opening = driver.tasks().spawn({
            let (driver, search) = (driver.clone(), search.clone());
            async move {
                let connecting = connect(&driver, way, &address, channels);
                let (parts, untold) = match tokio::time::timeout(HANDSHAKE_TIMEOUT, connecting).await {
                    Ok(parts) => parts?,
                    Err(_) => return Err(Refused::Server(no_handshake())),
                };
                let kill = search.map(|search| Arc::new(search.start(turn)) as Arc<dyn Kill>);
                let session = RawSession::new(parts, wanted.channels(), kill, driver.tasks().clone());
                if let Some(untold) = untold {
                    let watch = tokio::spawn(untold.watch(Arc::downgrade(session.remote())));
                    session.remote().watched_by(AbortOnDropHandle::new(watch));
                }
                Ok(session)
            }
        });
        let opened = cx.run(async { opening.await.map_err(|_| no_handshake()) }).await?;
        match opened {
            Ok(session) => {
                driver.dialects().learn(way, true);
                return Ok(session);
            }
            Err(Refused::Offer(error)) => {
                tracing::debug!(?way, %error, "the runtime takes no streams this way");
                driver.dialects().learn(way, false);
                refusal = Some(error);
            }
            Err(Refused::Server(error)) => return Err(error),
        }
    }
    Err(refusal.unwrap_or_else(no_handshake))
}

async fn connect(
    driver: &CriDriver,
    way: Way,
    address: &Address,
    channels: Channels,
) -> Result<(Parts, Option<Untold>), Refused> {
    let offers: &[_] = match way {
        Way::WebSocket5 => &[VERSION_5],
        Way::WebSocket => &[VERSION_5, VERSION_4],
        Way::Spdy => {
            let connection = handshake::spdy(address, VERSION_4).await?;
            return spdy::start(connection, channels).await.map_err(Refused::Server);
        }
    };
    let (socket, chosen) = handshake::web_socket(address, offers).await?;
    if way == Way::WebSocket {
        driver.dialects().learn_version(chosen == VERSION_5);
    }
    Ok((remotecommand::start(socket, channels, chosen == VERSION_5), None))
}

fn no_handshake() -> Error {
    let message = "the runtime's streaming server didn't finish the handshake";
    Error::new(ErrorKind::Unavailable, message).transient()
}
