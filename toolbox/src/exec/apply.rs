//! Doing what the header says.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    path::Path,
    process::Command,
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{Gid, Uid, getegid, geteuid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::{failure::Failure, header::Spec, program, user::User};

/// Makes this process what the command is to find, and the command. A command is the same process: this program has one
/// thread, so what is set for the thread is set for all.
pub(crate) fn command(spec: &Spec) -> Result<Command, Failure> {
    let user = spec.user.as_deref().map(User::find).transpose()?;
    let own_home = User::home_of(geteuid().as_raw());
    // As runtimes do it: with the rights that there are, else with those of the user.
    let entered = spec.cwd.as_deref().map_or(Ok(()), enter);
    if let Some(user) = &user {
        become_user(user)?;
    }
    match &spec.cwd {
        Some(cwd) if entered.is_err() => enter(cwd).map_err(|error| not_entered(&error))?,
        _ => {}
    }
    if spec.without_input {
        no_input().map_err(Failure::system("stream"))?;
    }
    let (name, arguments) = spec.arguments.split_first().ok_or(Failure::new("header"))?;
    let path = last(&spec.env, "PATH").or_else(|| env::var_os("PATH")).unwrap_or_else(program::default_path);
    let mut command = Command::new(program::find(name, &path)?);
    std::os::unix::process::CommandExt::arg0(&mut command, name);
    command.args(arguments);
    if let Some(home) = user.and_then(|user| new_home(user, own_home)) {
        command.env("HOME", home);
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

fn enter(cwd: &OsStr) -> io::Result<()> {
    env::set_current_dir(Path::new(cwd))
}

fn not_entered(error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::NotFound => "cwd-missing",
        io::ErrorKind::NotADirectory => "cwd-file",
        _ => "cwd-denied",
    };
    Failure { code, errno: error.raw_os_error().unwrap_or(0) }
}

fn become_user(user: &User) -> Result<(), Failure> {
    // Whoever is that user already needs no right to become it.
    if (geteuid().as_raw(), getegid().as_raw()) == (user.uid, user.gid) && user.uid != 0 {
        return Ok(());
    }
    let denied = Failure::system::<Errno>("user-denied");
    let groups: Vec<Gid> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_groups(&groups).map_err(&denied)?;
    set_thread_res_gid(gid, gid, gid).map_err(&denied)?;
    set_thread_res_uid(uid, uid, uid).map_err(&denied)
}

/// The home directory goes with the user, unless somebody said another than the one that runtimes set by themselves.
fn new_home(user: User, own_home: Option<String>) -> Option<String> {
    let current = env::var_os("HOME");
    let is_the_runtimes = current
        .is_none_or(|current| Some(current) == own_home.or_else(|| Some("/".to_owned())).map(OsString::from));
    is_the_runtimes.then(|| user.home.filter(|home| !home.is_empty()).unwrap_or_else(|| "/".to_owned()))
}

fn no_input() -> io::Result<()> {
    let nothing = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty())?;
    Ok(rustix::stdio::dup2_stdin(nothing)?)
}

/// The last value of a name counts.
fn last(env: &[(OsString, OsString)], name: &str) -> Option<OsString> {
    env.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.clone())
}
