//! `pack` and `unpack`: files out of the container and into it, as a tar archive over the standard streams.
//!
//! Nothing that `unpack` is sent can be written outside of its directory, and what has its final name is whole.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ::archive::{Limits, Root, TarError, UnpackOptions, pack_root, unpack_with};

use crate::command::{Command, USAGE};

/// What the exit codes mean, beside 0 and [`USAGE`]. `over_exec` in the core has the same table, and so have its scripts.
mod code {
    /// There is nothing at the path.
    pub(super) const MISSING: u8 = 41;
    /// What is at the path is no directory.
    pub(super) const NOT_A_DIRECTORY: u8 = 42;
    /// Anything else; standard error says what.
    pub(super) const FAILED: u8 = 44;
    /// The system refuses the user that this runs as.
    pub(super) const DENIED: u8 = 45;
    /// There is no room.
    pub(super) const FULL: u8 = 46;
    /// A directory is where a file should go, or the other way round.
    pub(super) const IN_THE_WAY: u8 = 47;
}

/// Writes a file, directory or link as an archive with one root, named as the last part of the path.
pub(crate) const PACK: Command = Command { name: "pack", arguments: "PATH", run: pack };

/// Unpacks an archive into a directory, up to the archive's end mark. It says `ready` when it is sure of the directory, before
/// which nothing should be sent, and `stop` when it has failed; then it reads its input to the end.
pub(crate) const UNPACK: Command = Command { name: "unpack", arguments: "DIRECTORY", run: unpack };

fn pack(words: &[OsString]) -> u8 {
    let [path] = words else { return USAGE };
    let path = Path::new(path);
    let Some(name) = path.file_name() else { return USAGE };
    if let Err(error) = fs::symlink_metadata(path) {
        return match told(TarError::Io { path: path.to_owned(), source: error }) {
            // Nothing is below a file.
            code::NOT_A_DIRECTORY => code::MISSING,
            code => code,
        };
    }
    let out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let packed = pack_root(path, name, Limits::NONE, out).and_then(|mut out| {
        out.flush().map_err(|source| TarError::Io { path: "standard output".into(), source })
    });
    match packed {
        Ok(()) => 0,
        Err(error) => told_later(error),
    }
}

fn unpack(words: &[OsString]) -> u8 {
    let [directory] = words else { return USAGE };
    let directory = Path::new(directory);
    match fs::metadata(directory) {
        Err(source) => return told(TarError::Io { path: directory.to_owned(), source }),
        Ok(found) if !found.is_dir() => return code::NOT_A_DIRECTORY,
        Ok(_) => {}
    }
    let mut input = io::stdin().lock();
    say("ready");
    match unpack_with(&mut input, directory, &UnpackOptions::faithful(Root::Any)) {
        Ok(_) => 0,
        Err(error) => {
            let code = told_later(error);
            say("stop");
            // Some runtimes never tell the end of a command that leaves much of its input.
            let _ = io::copy(&mut input, &mut io::sink());
            code
        }
    }
}

/// Says a word to who sends the archive.
fn say(word: &str) {
    // If nobody is there, no archive comes either.
    let _ = writeln!(io::stdout(), "{word}").and_then(|()| io::stdout().flush());
}

/// What was asked for was there when this began.
fn told_later(error: TarError) -> u8 {
    match told(error) {
        code::MISSING | code::NOT_A_DIRECTORY => code::FAILED,
        code => code,
    }
}

fn told(error: TarError) -> u8 {
    // Nobody may be there to hear it.
    let _ = writeln!(io::stderr(), "{error}");
    code_of(&error)
}

fn code_of(error: &TarError) -> u8 {
    match error {
        TarError::InTheWay { .. } => code::IN_THE_WAY,
        TarError::Io { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => code::MISSING,
            io::ErrorKind::NotADirectory => code::NOT_A_DIRECTORY,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => code::DENIED,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => code::FULL,
            _ => code::FAILED,
        },
        _ => code::FAILED,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

    use super::*;

    #[test]
    fn codes() {
        let io = |kind: io::ErrorKind| TarError::Io { path: "x".into(), source: kind.into() };
        for (error, code) in [
            (TarError::Truncated, 44),
            (TarError::InTheWay { path: "x".into() }, 47),
            (io(io::ErrorKind::NotFound), 41),
            (io(io::ErrorKind::NotADirectory), 42),
            (io(io::ErrorKind::PermissionDenied), 45),
            (io(io::ErrorKind::ReadOnlyFilesystem), 45),
            (io(io::ErrorKind::StorageFull), 46),
            (io(io::ErrorKind::BrokenPipe), 44),
        ] {
            assert_eq!(code_of(&error), code, "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_told_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(pack(&[dir.path().join("nothing").into()]), 41);
        assert_eq!(unpack(&[dir.path().join("nothing").into()]), 41);
        fs::write(dir.path().join("file"), "x").unwrap();
        assert_eq!(unpack(&[dir.path().join("file").into()]), 42);
        assert_eq!(pack(&[dir.path().join("file/below").into()]), 41);
        assert_eq!(unpack(&[dir.path().join("file/below").into()]), 42);
        assert_eq!((pack(&[]), pack(&["/".into()]), unpack(&[])), (64, 64, 64));
    }
}
