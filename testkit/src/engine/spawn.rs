//! Starting a process where it belongs, from a thread that goes there first: no code runs between fork and exec.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::confine::{Confinement, Namespaces, Pids};
use super::process::{Process, ProcessTable};
use super::rootfs::{below, resolve_in_root};
use super::space::Shares;
use super::streams::{Preparation, TerminalSize, Wiring};
use super::user::{ResolvedUser, User};
use super::{EngineError, LiveProcess, Privileges};

/// What containers run with when nobody says otherwise.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A process to be.
#[derive(Clone)]
pub(crate) struct Command {
    /// Id of the container that owns it.
    pub(crate) owner: String,
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) cwd: String,
    /// `None`: the engine's own.
    pub(crate) user: Option<User>,
    pub(crate) groups: Vec<u32>,
    pub(crate) privileges: Privileges,
    pub(crate) stdin: bool,
    pub(crate) tty: bool,
    /// The terminal's size before the process begins.
    pub(crate) terminal_size: Option<TerminalSize>,
    pub(crate) is_exec: bool,
}

/// Where it is to run.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a container that this process starts.
    Fresh(Box<Confinement>),
    /// In a process tree of its own, with the host's files.
    Pause(Shares),
    /// In a running container.
    Join(Arc<Namespaces>),
    /// On the host, with its files looked up under a directory.
    Direct(PathBuf),
}

/// Starts `command` at `place`; the namespaces are those of a fresh container.
pub(crate) async fn spawn(
    place: Place,
    command: Command,
    processes: Arc<ProcessTable>,
    runtime: Handle,
) -> Result<(Process, Option<Arc<Namespaces>>), EngineError> {
    let paths = match &place {
        Place::Fresh(confinement) if matches!(confinement.pids, Pids::Own) => Some(confinement.paths.clone()),
        _ => None,
    };
    let (process, namespaces) = on_thread("spawn", move || {
        let _entered = runtime.enter();
        let (process, namespaces) = spawn_here(&place, &command, &processes, &runtime)?;
        Ok((process, namespaces.map(Arc::new)))
    })
    .await?;
    if let (Some(namespaces), Some(paths)) = (&namespaces, paths) {
        let (namespaces, pid) = (Arc::clone(namespaces), process.pid());
        on_thread("mount-proc", move || {
            namespaces.show_processes(pid, &paths);
            Ok(())
        })
        .await?;
    }
    Ok((process, namespaces))
}

/// Runs `work` on a thread of its own, which may leave its namespaces and its user behind for good.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new()
        .name(format!("engine-{name}"))
        .spawn(move || answer.send(work()).map_err(drop))
        .map_err(|error| EngineError::io("start a thread", error))?;
    answered.await.map_err(|_| EngineError::io(name, io::Error::other("the thread died")))?
}

/// The longest pause before another try to start a program that is still open for writing; half a second in all.
const MAX_BUSY_PAUSE: Duration = Duration::from_millis(256);

fn spawn_here(
    place: &Place,
    command: &Command,
    processes: &Arc<ProcessTable>,
    runtime: &Handle,
) -> Result<(Process, Option<Namespaces>), EngineError> {
    let mut root = Path::new("/");
    let mut namespaces = None;
    match place {
        Place::Fresh(confinement) => namespaces = Some(confinement.enter()?),
        Place::Pause(shares) => {
            shares.enter()?;
            unshare(CloneFlags::CLONE_NEWPID).map_err(|error| EngineError::io("unshare", error))?;
            namespaces = Some(Namespaces::of_this_thread(shares, &Pids::Own)?);
        }
        Place::Join(namespaces) => namespaces.enter()?,
        Place::Direct(files) => root = files,
    }
    // Its terminal, too, is the container's own.
    let mut wiring = Wiring::new(command)?;
    let user = command.user.as_ref().map(|user| user.resolve(root, &command.groups)).transpose()?;
    let cwd = resolve_in_root(root, Path::new(&command.cwd)).unwrap_or_else(|_| below(root, &command.cwd));
    if !cwd.is_dir() {
        return Err(EngineError::invalid("cwd", format!("{}: no such directory", command.cwd)));
    }
    let name = command.argv.first().map(String::as_str).unwrap_or_default();
    let program = find_program(root, &command.cwd, name, &command.env)?;
    let mut env = command.env.clone();
    env.extend(home(command, user.as_ref()).map(|home| ("HOME".to_owned(), home)));
    let args = command.argv.get(1..).unwrap_or_default();
    let preparation = Preparation { name, args, env: &env, cwd: &cwd };
    command.privileges.take_on(user.as_ref())?;
    let mut pause = Duration::from_millis(1);
    let (child, streams) = loop {
        match wiring.spawn(&program, &preparation) {
            // A copy that was just written stays open for writing in whatever another thread forks at that moment, until
            // that one has become its program.
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && pause <= MAX_BUSY_PAUSE => {
                std::thread::sleep(pause);
                pause *= 2;
                wiring = Wiring::new(command)?;
            }
            result => break result.map_err(|error| spawn_error(name, error))?,
        }
    };
    let live = |pid| LiveProcess {
        pid,
        owner: command.owner.clone(),
        argv: command.argv.clone(),
        is_exec: command.is_exec,
    };
    let process = Process::adopt(child, streams, live, processes, runtime)?;
    if let Some(namespaces) = &mut namespaces {
        namespaces.begin()?;
    }
    Ok((process, namespaces))
}

/// The file that `name` stands for, by the rules of `execvp` applied inside the root.
fn find_program(
    root: &Path,
    cwd: &str,
    name: &str,
    env: &[(String, String)],
) -> Result<PathBuf, EngineError> {
    let missing = || EngineError::NoSuchCommand { command: name.to_owned() };
    // Where the root is the real one, the kernel follows links better: a script sees the name it was called by.
    let locate =
        |path: PathBuf| if root == Path::new("/") { Some(path) } else { resolve_in_root(root, &path).ok() };
    if name.contains('/') {
        let path = locate(Path::new(cwd).join(name)).filter(|path| path.exists()).ok_or_else(missing)?;
        return if is_program(&path) {
            Ok(path)
        } else {
            Err(EngineError::NotExecutable {
                command: name.to_owned(),
                reason: "permission denied".to_owned(),
            })
        };
    }
    let path = env.iter().rev().find(|(key, _)| key == "PATH").map_or(DEFAULT_PATH, |(_, value)| value);
    path.split(':')
        .filter_map(|directory| locate(Path::new(cwd).join(directory).join(name)))
        .find(|file| is_program(file))
        .ok_or_else(missing)
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The user's home where the environment has none, as container runtimes add it.
fn home(command: &Command, user: Option<&ResolvedUser>) -> Option<String> {
    let given = command.env.iter().any(|(name, _)| name == "HOME");
    let user = user.filter(|_| !given)?;
    Some(user.home.clone().unwrap_or_else(|| "/".to_owned()))
}

fn spawn_error(command: &str, error: io::Error) -> EngineError {
    let command = command.to_owned();
    match error.raw_os_error().map(nix::errno::Errno::from_raw) {
        // The program was there a moment ago: its interpreter is missing.
        Some(nix::errno::Errno::ENOENT) => EngineError::NoSuchCommand { command },
        Some(nix::errno::Errno::EACCES) => {
            EngineError::NotExecutable { command, reason: "permission denied".to_owned() }
        }
        Some(nix::errno::Errno::ENOEXEC) => {
            EngineError::NotExecutable { command, reason: "exec format error".to_owned() }
        }
        _ => EngineError::io(format!("exec {command:?}"), error),
    }
}
