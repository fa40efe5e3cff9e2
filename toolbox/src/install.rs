//! `install`: puts this program somewhere else, such as into a volume that other containers have.

use std::{ffi::OsString, fs, io, os::unix::fs::PermissionsExt, path::Path};

use crate::command::{Command, usage};

pub(crate) const COMMAND: Command = Command { name: "install", arguments: "FILE", run };

fn run(arguments: &[OsString]) -> u8 {
    let [file] = arguments else { return usage() };
    match install(Path::new(file)) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("can't install to {}: {error}", Path::new(file).display());
            1
        }
    }
}

/// Complete under its name or not there at all: a container that is started again finds what the first run put there.
fn install(file: &Path) -> io::Result<()> {
    let mut beside = file.to_owned().into_os_string();
    beside.push(".new");
    fs::copy("/proc/self/exe", &beside)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755))?;
    fs::rename(&beside, file)
}
