//! Socket files: whose they are, and taking away those that nobody listens on.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::FileTypeExt},
    path::Path,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        sockopt::socket_peercred,
    },
};

/// The longest path that the kernel takes; a byte more is for the zero at its end.
pub(crate) const MAX_PATH_BYTES: usize = 107;

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// A socket that nobody listens on.
    Stale,
    /// A socket that somebody listens on.
    Live(Listener),
    /// A file that is no socket.
    Other,
}

/// Who listens on a socket.
#[derive(Debug)]
pub(crate) struct Listener {
    /// As this process sees it, if it does.
    pub(crate) pid: Option<u32>,
    /// Closed with this.
    _connection: Option<OwnedFd>,
}

/// Looks what is at a path, by connecting to it. Never waits.
pub(crate) fn look(path: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Ok(Found::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let connection = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&connection, &SocketAddrUnix::new(path)?) {
        Ok(()) => {
            let peer = socket_peercred(&connection).ok();
            let pid = peer.and_then(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()).ok());
            Ok(Found::Live(Listener { pid, _connection: Some(connection) }))
        }
        // So many wait already that there is no room for one more.
        Err(Errno::AGAIN) => Ok(Found::Live(Listener { pid: None, _connection: None })),
        Err(Errno::CONNREFUSED) => Ok(Found::Stale),
        Err(Errno::NOENT) => Ok(Found::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Takes a socket away that nobody listens on. Nothing, and anything else, is left alone.
pub(crate) fn remove_stale(path: &Path) -> io::Result<()> {
    if !matches!(look(path)?, Found::Stale) {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_taken_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        assert!(matches!(look(&path).unwrap(), Found::Nothing));
        remove_stale(&path).unwrap();

        let listener = UnixListener::bind(&path).unwrap();
        let Found::Live(found) = look(&path).unwrap() else { panic!("it listens") };
        assert_eq!(found.pid, Some(std::process::id()));
        remove_stale(&path).unwrap();
        assert!(path.exists());

        drop(listener);
        assert!(matches!(look(&path).unwrap(), Found::Stale));
        remove_stale(&path).unwrap();
        assert!(!path.exists());

        fs::write(&path, "mine").unwrap();
        assert!(matches!(look(&path).unwrap(), Found::Other));
        remove_stale(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn a_listener_with_a_full_queue_is_live_and_nobody_waits_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let _listener = UnixListener::bind(&path).unwrap();
        let mut held = Vec::new();
        loop {
            let Found::Live(found) = look(&path).unwrap() else { panic!("it listens") };
            let is_full = found.pid.is_none();
            held.push(found);
            if is_full {
                break;
            }
        }
    }
}
