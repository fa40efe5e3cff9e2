//! The fake as a program: starts as the real one, and ends as it does.

use std::{io, path::Path, process::ExitCode};

use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Fault, Mode,
    arguments::Arguments,
    daemon::{self, Daemon, State},
    log,
    mounts::Mounts,
    server::{End, Server, listen},
};

/// What the real one's process manager sees when it ends by a panic.
const ABORTED: &str = "thread 'api-server' panicked at 'called `Option::unwrap()` on a `None` value'";

/// Runs the program with the words after its name, until it ends. In virtio-fs mode it stays after SIGTERM until somebody
/// has connected to the vhost socket, as the real daemon does; it serves no files there, nor mounts anything.
#[must_use]
pub fn main(words: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments = match Arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(refusal) if refusal.code == 0 => {
            print!("{}", refusal.text);
            return ExitCode::SUCCESS;
        }
        Err(refusal) => {
            eprint!("{}", refusal.text);
            return ExitCode::from(refusal.code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

/// The last words of the real one are those of its `main` that returned an error.
fn failed(error: &io::Error) -> ExitCode {
    log::line(&format!("Error: {error:?}"));
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> io::Result<ExitCode> {
    log::info(&daemon::banner());
    let faults = arguments.faults;
    let has = |fault: &Fault| faults.contains(fault);
    if has(&Fault::ExitAtOnce) {
        log::error("/fake-nydusd/process.rs:1", "Failed in starting daemon: the fault was asked for");
        return Err(io::Error::other("the fault was asked for"));
    }
    if arguments.open_files > 0 {
        raise_open_files(arguments.open_files)?;
    }
    if arguments.hybrid {
        log::error("/log-panics-2.1.0/src/lib.rs:130", "thread 'main' panicked at 'hybrid mode'");
        std::process::abort();
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut vhost = serve_at(arguments.mode, &arguments.serves_at)?;
    if has(&Fault::FloodLog) {
        log::flood();
    }
    let waits = arguments.upgrade || has(&Fault::NeverReady) || has(&Fault::Late);
    let daemon = Daemon {
        mode: arguments.mode,
        state: if waits { State::Init } else { State::Running },
        mounts: Mounts::default(),
        directory: std::env::current_dir()?,
        id: arguments.id,
        supervisor: arguments.supervisor,
        log_level: arguments.log_level,
    };
    let ignores = has(&Fault::IgnoreSigterm);
    let late = has(&Fault::Late);
    let api = arguments.api_socket.filter(|_| !has(&Fault::NoApi));
    let (server, mut ends) = Server::new(daemon, faults);
    let daemon = std::sync::Arc::clone(&server.daemon);
    let _serving = match &api {
        None => None,
        Some(socket) => {
            let listener = listen(socket)?;
            log::info(&format!("HTTP API server running at {}", socket.display()));
            log::info("http server started");
            Some(AbortOnDropHandle::new(tokio::spawn(server.clone().serve(listener))))
        }
    };
    let mut becomes_ready = Box::pin(tokio::time::sleep(Fault::LATE));
    let mut is_late = late;
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = &mut becomes_ready, if is_late => {
                is_late = false;
                daemon.lock().await.state = State::Running;
                continue;
            }
            Some(end) = ends.recv() => match end {
                End::Asked => log::info("exit daemon by http request"),
                End::Exit => return Err(io::Error::other("the fault was asked for")),
                End::Panic => {
                    log::error("/log-panics-2.1.0/src/lib.rs:130", ABORTED);
                    std::process::abort();
                }
            },
        }
        if !ignores {
            break;
        }
    }
    log::step("Running", "Ready", "Stop", "Some(TerminateService)");
    log::step("Ready", "Die", "Stop", "Some(Umount)");
    log::info("state_machine thread exits");
    // A request that hangs must not keep it here.
    if let Ok(mut daemon) = daemon.try_lock() {
        daemon.state = State::Ended;
    }
    if let Some(vhost) = vhost.take() {
        tokio::select! {
            _ = vhost.accept() => {}
            Some(End::Panic) = ends.recv() => {
                log::error("/log-panics-2.1.0/src/lib.rs:130", ABORTED);
                std::process::abort();
            }
        }
        _ = std::fs::remove_file(&arguments.serves_at);
    }
    log::info("nydusd quits");
    if let Some(socket) = api {
        _ = std::fs::remove_file(socket);
    }
    log::info("http-server thread exits");
    log::info("HTTP api-server handler thread exits");
    Ok(ExitCode::SUCCESS)
}

/// Begins to serve, in the order in which the real one tells of it.
fn serve_at(mode: Mode, place: &Path) -> io::Result<Option<UnixListener>> {
    match mode {
        Mode::Virtiofs => {
            log::step("Init", "Ready", "Mount", "None");
            log::step("Ready", "Running", "Start", "Some(StartService)");
            listen(place).map(Some).map_err(|error| {
                let told = format!("Error:\n\tStartService(\"socket error: {error}\")");
                log::error("/nydus-error-0.2.3/src/error.rs:22", &told);
                io::Error::other("")
            })
        }
        Mode::Fuse => {
            if let Err(error) = std::fs::read_dir(place) {
                let told = format!("Failed in starting daemon: {error}");
                log::error("/nydus-rs-2.2.0/src/bin/nydusd/main.rs:530", &told);
                return Err(error);
            }
            log::step("Init", "Ready", "Mount", "None");
            log::step("Ready", "Running", "Start", "Some(StartService)");
            Ok(None)
        }
    }
}

/// As the real one, which fails where it may not.
fn raise_open_files(limit: u64) -> io::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    log::info(&format!("Set rlimit-nofile to {limit}, maximum 1000000"));
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).map_err(io::Error::from)
}
