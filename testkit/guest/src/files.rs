//! Commands about files.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::command::{Command, Failure, Outcome, about, exactly};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "cat", arguments: "[FILE…]", run: cat },
    Command { name: "write", arguments: "FILE TEXT", run: write },
    Command { name: "append", arguments: "FILE TEXT", run: append },
    Command { name: "ls", arguments: "DIR", run: ls },
    Command { name: "stat", arguments: "PATH", run: stat },
    Command { name: "mkdir", arguments: "DIR", run: mkdir },
    Command { name: "rm", arguments: "PATH", run: rm },
    Command { name: "readlink", arguments: "PATH", run: readlink },
    Command { name: "symlink", arguments: "TARGET PATH", run: symlink },
    Command { name: "wait-file", arguments: "PATH", run: wait_file },
];

fn cat(files: &[String]) -> Outcome {
    if files.is_empty() {
        return copy_to_stdout(&mut io::stdin().lock());
    }
    for path in files {
        copy_to_stdout(&mut fs::File::open(path).map_err(about(path))?).map_err(|failure| match failure {
            Failure::Refused(reason) => Failure::Refused(format!("{path}: {reason}")),
            other => other,
        })?;
    }
    Ok(())
}

/// Hands on what was read at once: a test that talks to `cat` waits for its answer.
fn copy_to_stdout(from: &mut impl Read) -> Outcome {
    let mut out = io::stdout().lock();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                out.write_all(&buffer[..length])?;
                out.flush()?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn write(words: &[String]) -> Outcome {
    let [path, text] = exactly(words)?;
    fs::write(path, text).map_err(about(path))
}

fn append(words: &[String]) -> Outcome {
    let [path, text] = exactly(words)?;
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).map_err(about(path))?;
    file.write_all(text.as_bytes()).map_err(about(path))
}

fn ls(words: &[String]) -> Outcome {
    let [path] = exactly(words)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(about(path))? {
        names.push(entry.map_err(about(path))?.file_name());
    }
    names.sort();
    let mut out = io::stdout().lock();
    for name in names {
        writeln!(out, "{}", name.display())?;
    }
    Ok(())
}

/// `TYPE MODE UID GID SIZE` of the path itself, a link not followed; the mode in octal.
fn stat(words: &[String]) -> Outcome {
    let [path] = exactly(words)?;
    let data = fs::symlink_metadata(path).map_err(about(path))?;
    let kind = match data.file_type() {
        kind if kind.is_dir() => "dir",
        kind if kind.is_file() => "file",
        kind if kind.is_symlink() => "symlink",
        kind if kind.is_socket() => "socket",
        kind if kind.is_fifo() => "fifo",
        kind if kind.is_char_device() => "char",
        _ => "block",
    };
    let (mode, user, group, size) = (data.mode() & 0o7777, data.uid(), data.gid(), data.size());
    Ok(writeln!(io::stdout(), "{kind} {mode:04o} {user} {group} {size}")?)
}

/// Makes the directory and those above it; one that is there is fine.
fn mkdir(words: &[String]) -> Outcome {
    let [path] = exactly(words)?;
    fs::create_dir_all(path).map_err(about(path))
}

/// Removes a file or a whole directory.
fn rm(words: &[String]) -> Outcome {
    let [path] = exactly(words)?;
    let is_dir = fs::symlink_metadata(path).map_err(about(path))?.is_dir();
    if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) }.map_err(about(path))
}

fn readlink(words: &[String]) -> Outcome {
    let [path] = exactly(words)?;
    Ok(writeln!(io::stdout(), "{}", fs::read_link(path).map_err(about(path))?.display())?)
}

fn symlink(words: &[String]) -> Outcome {
    let [target, path] = exactly(words)?;
    std::os::unix::fs::symlink(target, path).map_err(about(path))
}

fn wait_file(words: &[String]) -> Outcome {
    let [path] = exactly(words)?;
    let mut pause = Duration::from_millis(1);
    while !Path::new(path).try_exists().map_err(about(path))? {
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(())
}
