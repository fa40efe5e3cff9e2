//! The built program, and the shell that stands in for it, as a driver talks to them: over pipes, and over a terminal.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::process::{ExitStatus as ProcessExit, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use runtime_core::{
    Error, ErrorKind, ExecOutput, ExecSession, ExitCause, ExitStatus, Operation, Result, SessionControl,
    TerminalSize,
    emulation::{self, Helper, Nonce, RemoteProcess},
    helpers::signal::Signal,
    spec::ExecSpec,
};
use tokio::{io::AsyncWriteExt, process::Child, sync::watch};

const LIMIT_BYTES: u64 = 16 << 20;

fn helpers() -> [Helper; 2] {
    [Helper::Toolbox(env!("CARGO_BIN_EXE_toolbox").to_owned()), Helper::Shell]
}

/// A process as the control of a session.
struct Local(watch::Receiver<Option<ProcessExit>>);

impl Local {
    fn new(mut child: Child) -> Arc<Self> {
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move { tell.send_replace(child.wait().await.ok()) });
        Arc::new(Self(ended))
    }
}

#[async_trait]
impl SessionControl for Local {
    async fn resize(&self, _: TerminalSize) -> Result<()> {
        Err(Error::unsupported(Operation::ExecStart))
    }

    async fn signal(&self, _: Signal) -> Result<()> {
        Err(Error::unsupported(Operation::ExecStart))
    }

    async fn wait(&self) -> Result<ExitStatus> {
        let mut ended = self.0.clone();
        let exit = ended.wait_for(Option::is_some).await.unwrap().unwrap();
        Ok(ExitStatus::new(exit.code().map_or(ExitCause::Unknown, ExitCause::Exited)))
    }

    fn end(&self) {}

    fn time_is_up(&self) {}
}

/// A command as it is, over pipes or a terminal.
fn plain(command: &[String], tty: bool) -> ExecSession {
    if tty {
        let (pty, pts) = pty_process::open().unwrap();
        let child = pty_process::Command::new(&command[0]).args(&command[1..]).spawn(pts).unwrap();
        let (output, input) = pty.into_split();
        ExecSession::new(Local::new(child)).with_stdin(input).with_stdout(output)
    } else {
        let mut child = tokio::process::Command::new(&command[0]);
        let mut child = child
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout, stderr) =
            (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
        ExecSession::new(Local::new(child)).with_stdin(stdin).with_stdout(stdout).with_stderr(stderr)
    }
}

async fn start(helper: &Helper, spec: &ExecSpec) -> Result<(ExecSession, RemoteProcess)> {
    let nonce = Nonce::random();
    let session = plain(&helper.wrapper(&nonce), spec.tty);
    emulation::begin(session, spec, &nonce).await
}

async fn output(helper: &Helper, spec: &ExecSpec) -> ExecOutput {
    start(helper, spec).await.unwrap().0.output(LIMIT_BYTES).await.unwrap()
}

fn with_large_env(spec: ExecSpec) -> (ExecSpec, String) {
    let value = "0123456789abcde\n".repeat(4096);
    let value = &value[..value.len() - 1];
    let spec = (0..4).fold(spec, |spec, number| spec.with_env(format!("LARGE{number}"), value));
    (spec, value.to_owned())
}

#[tokio::test]
async fn a_large_environment_arrives_whole() {
    for helper in helpers() {
        let (spec, value) = with_large_env(ExecSpec::new(["printenv", "LARGE0", "LARGE3"]));
        let told = output(&helper, &spec).await;
        assert_eq!(told.stdout_text(), format!("{value}\n{value}\n"), "{helper:?}");
        let told = output(&helper, &spec.with_tty()).await;
        let expected = format!("{value}\n{value}\n").replace('\n', "\r\n");
        assert!(told.stdout_text() == expected, "{helper:?}: {} bytes", told.stdout.len());
    }
}

#[tokio::test]
async fn a_terminal_is_left_as_it_was() {
    let untouched = plain(&["stty".to_owned(), "-a".to_owned()], true).output(LIMIT_BYTES).await.unwrap();
    assert!(untouched.stdout_text().contains(" echo "), "{}", untouched.stdout_text());
    for helper in helpers() {
        let spec = ExecSpec::new(["stty", "-a"]).with_tty().with_stdin().with_env("A", "b");
        assert_eq!(output(&helper, &spec).await.stdout, untouched.stdout, "{helper:?}");
    }
}

#[tokio::test]
async fn a_terminal_passes_the_input_on() {
    for helper in helpers() {
        let spec = ExecSpec::new(["head", "-n", "2"]).with_tty().with_stdin().with_cwd("/");
        let (mut session, _) = start(&helper, &spec).await.unwrap();
        session.stdin.as_mut().unwrap().write_all(b"one\ntwo\n").await.unwrap();
        let input = session.stdin.take();
        let text = session.output(LIMIT_BYTES).await.unwrap().stdout_text();
        drop(input);
        // Its echo, and what the command wrote.
        let mut lines: Vec<_> = text.split_whitespace().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["one", "one", "two", "two"], "{helper:?}: {text:?}");
    }
}

#[tokio::test]
async fn without_input_the_end_comes_at_once() {
    for helper in helpers() {
        for spec in [ExecSpec::new(["cat"]), ExecSpec::new(["cat"]).with_tty()] {
            let (mut session, _) = start(&helper, &spec).await.unwrap();
            assert!(session.stdin.is_none());
            let (stdout, stderr) = (session.stdout.take(), session.stderr.take());
            assert!(session.wait().await.unwrap().success(), "{helper:?}");
            drop((stdout, stderr));
        }
    }
}

#[tokio::test]
async fn input_goes_on_behind_the_header() {
    let input: Vec<u8> = (0..=255_u8).cycle().take(300_000).collect();
    for helper in helpers() {
        let (mut session, _) =
            start(&helper, &ExecSpec::new(["cat"]).with_stdin().with_env("A", "b")).await.unwrap();
        let mut stdin = session.stdin.take().unwrap();
        let sent = input.clone();
        let writing = tokio::spawn(async move {
            stdin.write_all(&sent).await.unwrap();
            stdin.shutdown().await.unwrap();
        });
        let told = session.output(LIMIT_BYTES).await.unwrap();
        writing.await.unwrap();
        assert!(told.stdout == input, "{helper:?}: {} bytes", told.stdout.len());
    }
}

#[tokio::test]
async fn every_byte_but_nul_arrives() {
    // Not UTF-8 can't be said in a spec; the rest of what bytes can do is in here.
    let value: String = (1..=0x7ff_u32).filter_map(char::from_u32).collect();
    for helper in helpers() {
        let told = output(&helper, &ExecSpec::new(["printenv", "V"]).with_env("V", value.as_str())).await;
        assert_eq!(told.stdout_text(), format!("{value}\n"), "{helper:?}");
    }
}

#[tokio::test]
async fn nothing_of_it_is_on_a_command_line() {
    for helper in helpers() {
        let spec = ExecSpec::new(["cat", "/proc/self/cmdline"]).with_env("TOKEN", "hunter2").with_cwd("/tmp");
        let (session, process) = start(&helper, &spec).await.unwrap();
        let told = session.output(LIMIT_BYTES).await.unwrap();
        assert_eq!(told.stdout_text(), "cat\0/proc/self/cmdline\0");
        assert!(process.start_time > 0);
    }
}

#[tokio::test]
async fn why_there_is_no_command_is_told_in_the_words_of_the_spec() {
    for helper in helpers() {
        use ErrorKind::{Failed, InvalidArgument};
        for (spec, kind, field, part) in [
            (
                ExecSpec::new(["true"]).with_cwd("/no/such"),
                InvalidArgument,
                "cwd",
                "\"/no/such\" does not exist",
            ),
            (
                ExecSpec::new(["true"]).with_user("bob-nobody"),
                InvalidArgument,
                "user",
                "no user \"bob-nobody\"",
            ),
            (ExecSpec::new(["/no/such"]).with_env("A", "b"), Failed, "command", "no command \"/no/such\""),
            (ExecSpec::new(["/etc"]).with_tty().with_env("A", "b"), Failed, "command", "can't be executed"),
        ] {
            let error = start(&helper, &spec).await.unwrap_err();
            assert_eq!((error.kind(), error.field()), (kind, Some(field)), "{helper:?}: {error}");
            assert!(error.message().contains(part), "{error}");
        }
    }
}

#[tokio::test]
async fn users_change() {
    if !std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t") {
        eprintln!("skipped: needs root");
        return;
    }
    for helper in helpers() {
        for (user, expected) in [("daemon", "1 1 /usr/sbin"), ("1234:5", "1234 5 /"), ("root", "0 0 /root")] {
            let command = ["sh", "-c", "echo $(id -u) $(id -g) $HOME"];
            let told = output(&helper, &ExecSpec::new(command).with_user(user)).await.stdout_text();
            assert_eq!(told.trim(), expected, "{helper:?}");
        }
    }
}

#[tokio::test]
async fn the_process_is_signalled_as_long_as_it_is_the_same() {
    for helper in helpers() {
        let (session, process) = start(&helper, &ExecSpec::new(["sleep", "60"])).await.unwrap();
        let kill = |start_time: u64, signal: &str| {
            let pid = process.pid.to_string();
            let words = [signal, &pid, &start_time.to_string(), "group"].map(str::to_owned);
            std::process::Command::new(env!("CARGO_BIN_EXE_toolbox"))
                .arg("kill")
                .args(words)
                .status()
                .unwrap()
                .code()
        };
        assert_eq!(kill(process.start_time + 1, "9"), Some(3));
        assert_eq!(kill(process.start_time, "40"), Some(5));
        assert_eq!(kill(process.start_time + 1, "0"), Some(3));
        assert_eq!(kill(process.start_time, "0"), Some(0));
        assert_eq!(kill(process.start_time, "nonsense"), Some(64));
        assert_eq!(kill(process.start_time, "9"), Some(0));
        session.wait().await.unwrap();
        assert_eq!(kill(process.start_time, "9"), Some(3));
    }
}

#[tokio::test]
async fn the_program_puts_itself_elsewhere_and_over_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("toolbox");
    for _ in 0..2 {
        let installed = std::process::Command::new(env!("CARGO_BIN_EXE_toolbox"))
            .arg("install")
            .arg(&file)
            .status()
            .unwrap();
        assert!(installed.success());
        assert!(std::process::Command::new(&file).arg("version").status().unwrap().success());
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let refused = std::process::Command::new(&file).arg("install").arg("/no/such/place").status().unwrap();
    assert_eq!(refused.code(), Some(1));
}
