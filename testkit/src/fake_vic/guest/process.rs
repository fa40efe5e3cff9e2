//! From a task to a process: what of it the guest honours.

use crate::engine::{ExecLaunch, Isolation, Launch, User};
use crate::fake_vic::containers::{Config, Device, Task};
use crate::fake_vic::port_layer::PortLayer;

/// What a process gets where the guest ignores the task's own.
const DEFAULT_ENV: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("TERM", "xterm")];
const NO_SUCH_FILE: &str = "no such file or directory";

/// How a task's process is run.
struct Process {
    env: Vec<(String, String)>,
    cwd: String,
    user: Option<User>,
    tty: bool,
}

impl PortLayer {
    /// The container of the engine that a task is.
    pub(super) fn session_launch(&self, config: &Config, task: &Task, boot: u32) -> Result<Launch, String> {
        let Process { env, cwd, user, tty } = self.process(task);
        let walls = self.engine.isolation() == Isolation::Chroot;
        let is_logged = task.id == config.id && config.logging != Device::None;
        Ok(Launch {
            name: task.id.clone(),
            attempt: boot,
            image: files(config, task)?,
            argv: task.argv.clone(),
            env,
            cwd: Some(cwd),
            user,
            tty,
            stdin: task.open_stdin,
            hostname: walls.then(|| hostname(config)),
            log_path: is_logged.then(|| self.log_path(&config.id)),
            ..Launch::default()
        })
    }

    /// The command that a task is.
    pub(super) fn command_launch(&self, task: &Task) -> ExecLaunch {
        let Process { env, cwd, user, tty } = self.process(task);
        let argv = task.argv.clone();
        ExecLaunch { argv, env, cwd: Some(cwd), user, stdin: task.open_stdin, tty, ..ExecLaunch::default() }
    }

    fn process(&self, task: &Task) -> Process {
        let walls = self.engine.isolation() == Isolation::Chroot;
        if !self.options.guest_applies_oci {
            let env = DEFAULT_ENV.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let user = walls.then_some(User::Id { uid: 0, gid: Some(0) });
            return Process { env, cwd: "/".to_owned(), user, tty: false };
        }
        let pair =
            |entry: &String| entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let user = if task.user.is_empty() { "0:0" } else { &task.user };
        Process {
            env: task.env.iter().filter_map(pair).collect(),
            cwd: if task.cwd.is_empty() { "/".to_owned() } else { task.cwd.clone() },
            user: walls.then(|| User::Name(user.to_owned())),
            tty: task.tty,
        }
    }
}

/// The image whose top layer the task names; the last one for a task that names none.
fn files(config: &Config, task: &Task) -> Result<String, String> {
    let image = match task.namespace.as_str() {
        "" => config.images.last(),
        layer => config.images.iter().find(|image| image.layer == layer),
    };
    image.and_then(|image| image.files.clone()).ok_or_else(|| NO_SUCH_FILE.to_owned())
}

/// The container whose files a command sees: of several of one image the first, since layers are all that names them.
pub(super) fn place(config: &Config, command: &Task) -> Option<String> {
    let session = match command.namespace.as_str() {
        "" => config.primary(),
        layer => config.sessions.iter().find(|session| session.namespace == layer),
    };
    session.map(|session| session.id.clone())
}

pub(super) fn hostname(config: &Config) -> String {
    let short = config.id.get(..12).unwrap_or(&config.id);
    if config.hostname.is_empty() { short.to_owned() } else { config.hostname.clone() }
}
