//! Commands that show what the process was started with: arguments, environment, place, user, privileges.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use nix::unistd;

use crate::command::{Command, Failure, Outcome, about, exactly};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "env", arguments: "", run: env },
    Command { name: "args", arguments: "WORD…", run: args },
    Command { name: "cwd", arguments: "", run: cwd },
    Command { name: "id", arguments: "", run: id },
    Command { name: "hostname", arguments: "", run: hostname },
    Command { name: "proc-status", arguments: "FIELD", run: proc_status },
];

/// One `NAME=VALUE` line a variable, in the order in which they were handed over.
fn env(_: &[String]) -> Outcome {
    let mut out = io::stdout().lock();
    for (name, value) in std::env::vars_os() {
        out.write_all(&[name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat())?;
    }
    Ok(())
}

/// Each argument as a JSON string on a line of its own, so that blanks and line ends stay visible.
fn args(words: &[String]) -> Outcome {
    let mut out = io::stdout().lock();
    for word in words {
        writeln!(out, "{}", json_string(word))?;
    }
    Ok(())
}

fn cwd(_: &[String]) -> Outcome {
    Ok(writeln!(io::stdout(), "{}", std::env::current_dir()?.display())?)
}

fn id(_: &[String]) -> Outcome {
    let groups: Vec<String> = unistd::getgroups()?.iter().map(ToString::to_string).collect();
    let (user, group) = (unistd::geteuid(), unistd::getegid());
    Ok(writeln!(io::stdout(), "uid={user} gid={group} groups={}", groups.join(","))?)
}

fn hostname(_: &[String]) -> Outcome {
    Ok(writeln!(io::stdout(), "{}", unistd::gethostname()?.to_string_lossy())?)
}

fn proc_status(words: &[String]) -> Outcome {
    let [field] = exactly(words)?;
    let path = "/proc/self/status";
    let status = std::fs::read_to_string(path).map_err(about(path))?;
    let value =
        status_field(&status, field).ok_or_else(|| Failure::Refused(format!("{path} has no {field}")))?;
    Ok(writeln!(io::stdout(), "{value}")?)
}

fn status_field<'a>(status: &'a str, field: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.map(str::trim)
}

fn json_string(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => json.push_str(&format!("\\u{:04x}", control as u32)),
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings_escape_what_json_must() {
        assert_eq!(json_string("a b"), r#""a b""#);
        assert_eq!(json_string("q\"b\\n\né"), r#""q\"b\\n\u000aé""#);
    }

    #[test]
    fn a_status_field_is_found_by_its_whole_name() {
        let status = "CapInh:\t0000\nCapEff:\t00ff\nNoNewPrivs:\t1\n";
        assert_eq!(status_field(status, "CapEff"), Some("00ff"));
        assert_eq!(status_field(status, "Cap"), None);
    }
}
