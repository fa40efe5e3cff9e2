//! Runs the built program as the conformance cases do.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn guest(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guest"));
    command.args(words).stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = guest(words).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn stdout(words: &[&str]) -> String {
    let (code, stdout, stderr) = run(words);
    assert_eq!((code, stderr.as_str()), (0, ""), "{words:?}");
    stdout
}

/// Starts a program that says a line when it is ready, and waits for that line.
fn started(words: &[&str]) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = guest(words).stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    (child, reader, line)
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

/// Waits until the program watches for signals and all its threads sleep.
fn wait_until_settled(child: &Child) {
    let tasks = format!("/proc/{}/task", child.id());
    let settled = || {
        let states = std::fs::read_dir(&tasks)
            .unwrap()
            .map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap());
        let states: Vec<bool> = states.map(|status| status.contains("State:\tS")).collect();
        states.len() == 2 && states.into_iter().all(|asleep| asleep)
    };
    let mut pause = Duration::from_millis(1);
    while !settled() {
        std::thread::sleep(pause);
        pause *= 2;
    }
}

#[test]
fn a_command_ends_with_the_code_that_fits() {
    assert_eq!(run(&["exit", "7"]).0, 7);
    assert_eq!(run(&["exit", "many"]), (64, String::new(), "usage: guest exit CODE\n".to_owned()));
    assert_eq!(run(&["nonsense"]), (127, String::new(), "guest: nonsense: command not found\n".to_owned()));
    assert_eq!(run(&["sleep", "-1"]).0, 64);
    assert_eq!(run(&["cat", "/missing"]).0, 1);
    assert_eq!(run(&[]).0, 64);
    assert!(stdout(&["help"]).contains("tcp-send HOST PORT TEXT\n"));
}

#[test]
fn output_goes_where_it_was_sent() {
    assert_eq!(stdout(&["echo", "two", "words"]), "two words\n");
    assert_eq!(stdout(&["partial", "no end"]), "no end");
    assert_eq!(stdout(&["lines", "3", "1"]), "line 1\nline 2\nline 3\n");
    assert_eq!(stdout(&["bytes", "100000"]).len(), 100_000);
    assert_eq!(run(&["bytes", "70000", "stderr"]).2.len(), 70_000);
    assert_eq!(run(&["err", "oh", "no"]), (0, String::new(), "oh no\n".to_owned()));
    assert_eq!(run(&["lines-both", "3"]), (0, "line 1\nline 3\n".to_owned(), "line 2\n".to_owned()));
}

#[test]
fn identity_is_what_the_process_was_given() {
    let output = guest(&["env"]).env_clear().env("A", "b=c").output().unwrap();
    assert_eq!(output.stdout, b"A=b=c\n");
    assert_eq!(stdout(&["args", "a b", "", "q\"\n"]), "\"a b\"\n\"\"\n\"q\\\"\\u000a\"\n");
    assert_eq!(guest(&["cwd"]).current_dir("/").output().unwrap().stdout, b"/\n");
    assert!(stdout(&["id"]).starts_with(&format!(
        "uid={} gid={} groups=",
        nix::unistd::geteuid(),
        nix::unistd::getegid()
    )));
    assert_eq!(stdout(&["hostname"]).trim(), nix::unistd::gethostname().unwrap().to_str().unwrap());
    assert_eq!(stdout(&["proc-status", "Name"]), "guest\n");
    assert!(stdout(&["mount-of", "/proc"]).starts_with("point=/proc type=proc "));
}

#[test]
fn files_are_written_shown_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    stdout(&[
        "do",
        "mkdir",
        &at("a/b"),
        ";;",
        "write",
        &at("a/f"),
        "one",
        ";;",
        "append",
        &at("a/f"),
        " two",
    ]);
    stdout(&["symlink", "f", &at("a/link")]);
    assert_eq!(stdout(&["cat", &at("a/link")]), "one two");
    assert_eq!(stdout(&["ls", &at("a")]), "b\nf\nlink\n");
    assert_eq!(stdout(&["readlink", &at("a/link")]), "f\n");
    let [kind, _, _, _, size] = stdout(&["stat", &at("a/f")])
        .trim()
        .split(' ')
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!((kind.as_str(), size.as_str()), ("file", "7"));
    assert_eq!(stdout(&["do", "rm", &at("a"), ";;", "ls", &at("")]), "");
}

#[test]
fn a_sequence_stops_at_the_first_failure_and_at_exit() {
    assert_eq!(
        run(&["do", "echo", "a", ";;", "exit", "0", ";;", "echo", "b"]),
        (0, "a\n".to_owned(), String::new())
    );
    assert_eq!(run(&["do", "partial", "a", ";;", "cat", "/missing", ";;", "echo", "b"]).0, 1);
    assert_eq!(run(&["do", "echo", "a", ";;", "nonsense", ";;", "echo", "b"]).1, "a\n");
}

#[test]
fn cat_answers_before_its_input_ends() {
    let mut child = guest(&["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answer = [0; 4];
    stdin.write_all(b"ping").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn each_command_ends_at_a_signal_as_it_says() {
    for (words, signal, code) in [
        (["pause"].as_slice(), Signal::SIGTERM, 0),
        (&["pause"], Signal::SIGINT, 0),
        (&["pause"], Signal::SIGUSR1, 138),
        (&["sleep", "1000"], Signal::SIGTERM, 143),
        (&["sleep", "1000"], Signal::SIGINT, 130),
    ] {
        let mut child = guest(words).spawn().unwrap();
        wait_until_settled(&child);
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{words:?} {signal}");
    }
}

#[test]
fn a_farewell_is_said_at_sigterm() {
    let (mut child, mut out, line) = started(&["on-term", "bye", "9"]);
    assert_eq!(line, "ready\n");
    send(&child, Signal::SIGTERM);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("bye\n", Some(9)));
}

#[test]
fn a_lingering_end_takes_its_time() {
    let (mut child, _out, line) = started(&["linger", "0.2", "9"]);
    assert_eq!(line, "ready\n");
    let began = std::time::Instant::now();
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert!(began.elapsed() >= std::time::Duration::from_millis(200));
}

#[test]
fn an_ignored_sigterm_leaves_sigkill() {
    let (mut child, _out, line) = started(&["ignore-term"]);
    assert_eq!(line, "ready\n");
    send(&child, Signal::SIGTERM);
    wait_until_settled(&child);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None);
}

#[test]
fn hold_ends_at_once_and_leaves_the_output_open() {
    let start = Instant::now();
    let mut child = guest(&["hold", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let ended = start.elapsed();
    child.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap();
    assert!(
        start.elapsed() >= Duration::from_secs(1) && start.elapsed() > ended + Duration::from_millis(200)
    );
}

#[test]
fn text_sent_comes_back() {
    let (mut child, _out, line) = started(&["tcp-serve", "0"]);
    let port = line.trim().strip_prefix("listening ").unwrap();
    assert_eq!(stdout(&["tcp-send", "127.0.0.1", port, "hello"]), "hello\n");
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn memory_is_taken_before_it_is_reported() {
    let (mut child, _out, line) = started(&["alloc", "16"]);
    assert_eq!(line, "allocated\n");
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    assert!(resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >= 16 * 1024);
    send(&child, Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_signal_to_itself_ends_it() {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(guest(&["die", "9"]).status().unwrap().signal(), Some(9));
    assert_eq!(run(&["die", "x"]).0, 64);
}

#[test]
fn what_a_connection_sent_is_counted_at_its_end() {
    let (mut child, _reader, line) = started(&["tcp-count", "0"]);
    let port = line.trim().strip_prefix("listening ").unwrap().to_owned();
    assert_eq!(stdout(&["tcp-send", "127.0.0.1", &port, "hello"]), "5 bytes\n\n");
    child.kill().unwrap();
    child.wait().unwrap();
}
