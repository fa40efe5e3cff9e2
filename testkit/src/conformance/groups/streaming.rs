//! Commands whose streams the caller holds.

use std::time::{Duration, Instant};

use futures::{FutureExt, future::join_all};
use runtime_core::{
    Capability, ContainerHandle, Context, ErrorKind, ExecSession, ExitCause, SessionOutput, TerminalSize,
    spec::{ExecSpec, Mount},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_command, guest_exec, kind_of},
};

cases! { Exec;
    a_session_keeps_streams_apart: proves [ExecStream], needs [PodRun];
    a_session_tells_the_end_again_and_again: proves [ExecStream], needs [PodRun];
    a_session_of_a_killed_command: proves [], needs [ExecStream, PodRun];
    a_session_of_a_missing_command: proves [], needs [ExecStream, PodRun];
    a_session_refuses_what_does_not_run: proves [], needs [ExecStream, PodRun, ContainerCreate, ContainerWait];
    without_input_a_command_sees_its_end: proves [], needs [ExecStream, PodRun];
    a_session_collects_its_output: proves [], needs [ExecStream, PodRun];
    output_can_be_read_after_the_end: proves [], needs [ExecStream, PodRun];
    input_is_echoed_and_has_an_end: proves [ExecStdin], needs [ExecStream, PodRun];
    dropped_input_has_an_end: proves [], needs [ExecStdin, ExecStream, PodRun];
    large_binary_input_arrives_whole: proves [], needs [ExecStdin, ExecStream, PodRun];
    input_that_nobody_reads_waits: proves [], needs [ExecStdin, ExecStream, ExecSync, PodRun, ContainerRootfs];
    a_command_that_leaves_its_input: proves [], needs [ExecStdin, ExecStream, PodRun];
    a_terminal_has_a_size_that_changes: proves [ExecResize], needs [ExecStream, ExecTty, ExecStdin, PodRun];
    only_terminals_have_a_size: proves [], needs [ExecStream, PodRun];
    large_output_waits_for_a_slow_reader: proves [], needs [ExecStream, PodRun];
    a_dropped_output_stops_nothing: proves [], needs [ExecStream, PodRun];
    a_dropped_session_ends_its_command: proves [ExecStream], needs [ExecSync, PodRun, ContainerMounts];
    dropped_sessions_of_one_command_end_each_its_own: proves [], needs [ExecStream, PodRun, ContainerMounts];
    a_session_outlives_the_call: proves [], needs [ExecStream, PodRun];
    several_sessions_at_once: proves [], needs [ExecStdin, ExecStream, PodRun];
    a_session_ends_at_its_timeout: proves [], needs [ExecStream, ExecTimeout, ExecSync, PodRun, ContainerMounts];
    a_deadline_ends_the_start_of_a_session: proves [], needs [ExecStream, PodRun];
}

/// What `bytes` of the guest repeats has this period.
const PERIOD: usize = 61;

/// Long enough for anything that should happen, short enough for a test.
const SOON: Duration = Duration::from_secs(20);

async fn start<const N: usize>(
    container: &ContainerHandle,
    command: [&str; N],
) -> Result<ExecSession, Failure> {
    Ok(container.start_exec(&guest_command(command)).await?)
}

pub(super) fn stream<T>(stream: &mut Option<T>) -> Result<T, Failure> {
    stream.take().ok_or_else(|| Failure::Failed("a stream is missing".to_owned()))
}

/// Reads a stream to its end.
pub(super) async fn text(mut stream: SessionOutput) -> Result<String, Failure> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Failure> {
    let ended = tokio::time::timeout(SOON, future).await;
    ended.map_err(|_| Failure::Failed(format!("{what} did not come within {SOON:?}")))
}

async fn a_session_keeps_streams_apart(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let mut session =
        start(&container, ["do", "echo", "out", ";;", "err", "wrong", ";;", "exit", "7"]).await?;
    ensure!(session.stdin.is_none(), "nobody asked for input");
    let (stdout, stderr) = (stream(&mut session.stdout)?, stream(&mut session.stderr)?);
    let (stdout, stderr) = tokio::join!(text(stdout), text(stderr));
    ensure_eq!((stdout?.as_str(), stderr?.as_str()), ("out\n", "wrong\n"));
    ensure_eq!(session.wait().await?.cause, ExitCause::Exited(7));
    Ok(())
}

async fn a_session_tells_the_end_again_and_again(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let session = start(&container, ["do", "sleep", "0.3", ";;", "exit", "3"]).await?;
    for _ in 0..10 {
        // A future that is dropped loses nothing.
        ensure!(session.wait().now_or_never().is_none(), "it ended at once");
    }
    let (one, other) = tokio::join!(session.wait(), session.wait());
    ensure_eq!((one?.code(), other?.code()), (Some(3), Some(3)));
    ensure_eq!(session.wait().await?.code(), Some(3));
    Ok(())
}

async fn a_session_of_a_killed_command(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let exit = start(&container, ["die", "9"]).await?.wait().await?;
    // Systems that report signals as a shell does can't tell.
    ensure!(matches!(exit.cause, ExitCause::Signaled(9) | ExitCause::Exited(137)), "{exit:?}");
    Ok(())
}

async fn a_session_of_a_missing_command(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let ended = match container.start_exec(&ExecSpec::new(["/no/such/command"])).await {
        Ok(session) => within("the end", session.wait()).await?,
        Err(error) => Err(error),
    };
    match ended {
        Ok(exit) => ensure!(matches!(exit.code(), Some(126 | 127)), "{exit:?}"),
        Err(error) => ensure_eq!(error.kind(), ErrorKind::Failed),
    }
    Ok(())
}

async fn a_session_refuses_what_does_not_run(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let echo = guest_command(["echo"]);
    let created = pod.create_container(&env.container("created", ["pause"])).await?;
    kind_of(created.start_exec(&echo).await, ErrorKind::InvalidState)?;
    let ended = pod.create_container(&env.container("ended", ["exit", "0"])).await?;
    ended.start().await?;
    ended.wait().await?;
    kind_of(ended.start_exec(&echo).await, ErrorKind::InvalidState)?;
    ended.remove().await?;
    kind_of(ended.start_exec(&echo).await, ErrorKind::NotFound)?;
    // The beginning of an id is not the id.
    let half = &container.id().as_str()[..container.id().as_str().len() / 2];
    kind_of(env.client().container(half).start_exec(&echo).await, ErrorKind::NotFound)?;
    Ok(())
}

async fn without_input_a_command_sees_its_end(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let mut session = start(&container, ["do", "cat", ";;", "echo", "end"]).await?;
    ensure_eq!(within("the end", text(stream(&mut session.stdout)?)).await??, "end\n");
    ensure!(session.wait().await?.success(), "it failed");
    Ok(())
}

async fn a_session_collects_its_output(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let output = start(&container, ["lines-both", "1000"]).await?.output(1 << 20).await?;
    ensure_eq!(output.stdout_text().lines().count(), 500);
    ensure_eq!(output.stderr_text().lines().count(), 500);
    let short = start(&container, ["lines", "1000"]).await?.output(100).await;
    kind_of(short, ErrorKind::ResourceExhausted)?;
    Ok(())
}

async fn output_can_be_read_after_the_end(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    // As much as fits a pipe, so that the command need not wait for a reader.
    let command = ["do", "bytes", "30000", ";;", "err", "last words", ";;", "exit", "3"];
    let mut session = start(&container, command).await?;
    ensure_eq!(within("the end", session.wait()).await??.code(), Some(3));
    let (stdout, stderr) = (stream(&mut session.stdout)?, stream(&mut session.stderr)?);
    ensure_eq!(within("the output", text(stdout)).await??.len(), 30_000);
    ensure_eq!(within("the rest", text(stderr)).await??, "last words\n");
    ensure_eq!(session.wait().await?.code(), Some(3));
    Ok(())
}

async fn input_is_echoed_and_has_an_end(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let spec = guest_command(["do", "cat", ";;", "echo", "end"]).with_stdin();
    let mut session = container.start_exec(&spec).await?;
    let mut stdin = stream(&mut session.stdin)?;
    let mut stdout = BufReader::new(stream(&mut session.stdout)?);
    for line in ["one\n", "two\n"] {
        stdin.write_all(line.as_bytes()).await?;
        stdin.flush().await?;
        let mut echo = String::new();
        within("the echo", stdout.read_line(&mut echo)).await??;
        ensure_eq!(echo, line);
    }
    stdin.shutdown().await?;
    let mut rest = String::new();
    within("the end", stdout.read_to_string(&mut rest)).await??;
    ensure_eq!(rest, "end\n");
    ensure!(session.wait().await?.success(), "it failed");
    Ok(())
}

async fn dropped_input_has_an_end(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let mut session = container.start_exec(&guest_command(["cat"]).with_stdin()).await?;
    stream(&mut session.stdin)?.write_all(b"last words").await?;
    ensure_eq!(within("the end", text(stream(&mut session.stdout)?)).await??, "last words");
    ensure!(session.wait().await?.success(), "it failed");
    Ok(())
}

async fn large_binary_input_arrives_whole(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let mut session = container.start_exec(&guest_command(["cat"]).with_stdin()).await?;
    // Every byte, in pieces that fit no frame, with a period that fits none either.
    let sent: Vec<u8> = (0..=255).chain(0..=250).cycle().take(8 << 20).collect();
    let (mut stdin, mut stdout) = (stream(&mut session.stdin)?, stream(&mut session.stdout)?);
    let write = async {
        for piece in sent.chunks(100_003) {
            stdin.write_all(piece).await?;
        }
        stdin.shutdown().await
    };
    let mut received = Vec::new();
    let (written, read) = tokio::join!(write, stdout.read_to_end(&mut received));
    written?;
    read?;
    ensure!(received == sent, "{} bytes came back of {}, or others", received.len(), sent.len());
    ensure!(session.wait().await?.success(), "it failed");
    Ok(())
}

async fn input_that_nobody_reads_waits(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let spec = guest_command(["do", "wait-file", "/tmp/go", ";;", "cat"]).with_stdin();
    let mut session = container.start_exec(&spec).await?;
    let (mut stdin, mut stdout) = (stream(&mut session.stdin)?, stream(&mut session.stdout)?);
    let piece = vec![7; 1 << 20];
    let mut taken = 0;
    let endless = async {
        while taken < 64 << 20 {
            taken += stdin.write(&piece).await?;
        }
        Ok::<_, Failure>(())
    };
    let ended = tokio::time::timeout(Duration::from_secs(2), endless).await;
    ensure!(ended.is_err(), "the caller got rid of 64 MiB that nobody read: {ended:?}");
    guest_exec(&container, ["write", "/tmp/go", ""]).await?;
    // All that was taken arrives.
    let mut received = Vec::new();
    let (shut_down, read) =
        tokio::join!(stdin.shutdown(), within("the end", stdout.read_to_end(&mut received)));
    shut_down?;
    read??;
    ensure_eq!(received.len(), taken);
    ensure!(session.wait().await?.success(), "it failed");
    Ok(())
}

async fn a_command_that_leaves_its_input(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let spec = guest_command(["do", "sleep", "0.5", ";;", "echo", "enough", ";;", "exit", "7"]).with_stdin();
    // Little fits what lies between caller and command, much does not; both are ended by the caller, or left open.
    for (bytes, ends) in [(10, true), (1 << 20, true), (1 << 20, false)] {
        let mut session = container.start_exec(&spec).await?;
        let (mut stdin, stdout) = (stream(&mut session.stdin)?, stream(&mut session.stdout)?);
        let piece = vec![7; bytes];
        let write = async {
            // That nobody takes it may be told, or not.
            let written = stdin.write_all(&piece).await;
            if ends && written.is_ok() {
                drop(stdin.shutdown().await);
            }
        };
        let end = async { tokio::join!(write, text(stdout), session.wait()) };
        let ((), text, exit) =
            within("the end", end).await.map_err(|failure| failure.at(&format!("{bytes} bytes, {ends}")))?;
        ensure_eq!(text?, "enough\n");
        let exit = exit?;
        // A runtime that never tells the end of a command with input left can't tell its code either.
        ensure!(
            exit.code() == Some(7) || exit.cause == ExitCause::Unknown,
            "{bytes} bytes, {ends}: {exit:?}"
        );
        ensure!(bytes > 10 || exit.code() == Some(7), "{exit:?}");
    }
    Ok(())
}

async fn a_terminal_has_a_size_that_changes(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let command = ["do", "wait-size", "100", "40", ";;", "wait-size", "132", "50"];
    let spec = guest_command(command).with_stdin().with_terminal_size(TerminalSize::new(100, 40));
    let mut session = container.start_exec(&spec).await?;
    ensure!(session.stderr.is_none(), "a terminal has one stream for both");
    let mut stdout = BufReader::new(stream(&mut session.stdout)?);
    let mut line = String::new();
    within("the first size", stdout.read_line(&mut line)).await??;
    ensure_eq!(line.trim(), "100 columns, 40 rows");
    session.resize(TerminalSize::new(132, 50)).await?;
    line.clear();
    within("the second size", stdout.read_line(&mut line)).await??;
    ensure_eq!(line.trim(), "132 columns, 50 rows");
    ensure!(within("the end", session.wait()).await??.success(), "it failed");
    // One that has ended has no size, which is nobody's fault.
    session.resize(TerminalSize::new(80, 25)).await?;
    Ok(())
}

async fn only_terminals_have_a_size(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let session = start(&container, ["sleep", "5"]).await?;
    let refused = session.resize(TerminalSize::new(80, 25)).await;
    let kind = if env.has(Capability::ExecResize) { ErrorKind::InvalidState } else { ErrorKind::Unsupported };
    kind_of(refused, kind)?;
    Ok(())
}

async fn large_output_waits_for_a_slow_reader(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let size = 32 << 20;
    let mut session = start(&container, ["do", "bytes", &size.to_string(), ";;", "err", "done"]).await?;
    let (mut stdout, stderr) = (stream(&mut session.stdout)?, stream(&mut session.stderr)?);
    let done = text(stderr);
    tokio::pin!(done);
    // While nobody reads, the command can't come to its end: nobody holds that much for it.
    ensure!(tokio::time::timeout(Duration::from_secs(1), &mut done).await.is_err(), "32 MiB were buffered");
    let read = async {
        let (mut buffer, mut position) = (vec![0; 70_001], 0);
        loop {
            let length = stdout.read(&mut buffer).await?;
            if length == 0 {
                return Ok::<_, Failure>(position);
            }
            let first = buffer[0];
            let expected = PATTERN[position % PERIOD];
            ensure!(first == expected, "byte {position} is {first}, not {expected}");
            position += length;
        }
    };
    let (length, done) = tokio::join!(read, done);
    ensure_eq!((length?, done?.as_str()), (size, "done\n"));
    ensure!(session.wait().await?.success(), "it failed");
    Ok(())
}

/// What `bytes` of the guest repeats.
const PATTERN: &[u8; PERIOD] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX\n";

async fn a_dropped_output_stops_nothing(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let mut session = start(&container, ["do", "bytes", "8000000", ";;", "err", "done"]).await?;
    drop(session.stdout.take());
    ensure_eq!(within("the end", text(stream(&mut session.stderr)?)).await??, "done\n");
    ensure!(within("the end", session.wait()).await??.success(), "it failed");
    Ok(())
}

/// A container with the case's directory at `/data`.
async fn with_data(env: &Env) -> Result<ContainerHandle, Failure> {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0] = spec.containers[0].clone().with_mount(Mount::host(env.directory(), "/data"));
    Ok(env.run(&spec).await?.1)
}

async fn a_dropped_session_ends_its_command(env: &Env) -> Verdict {
    let container = with_data(env).await?;
    let mut session =
        start(&container, ["do", "echo", "up", ";;", "sleep", "2", ";;", "write", "/data/late", "x"]).await?;
    let mut stdout = BufReader::new(stream(&mut session.stdout)?);
    let mut line = String::new();
    within("the first line", stdout.read_line(&mut line)).await??;
    // Its streams elsewhere don't keep it.
    drop(session);
    // Also one that has hardly begun.
    drop(start(&container, ["do", "sleep", "2", ";;", "write", "/data/early", "x"]).await?);
    guest_exec(&container, ["sleep", "4"]).await?;
    for file in ["late", "early"] {
        ensure!(
            !env.directory().join(file).exists(),
            "the command that writes {file:?} went on without its session"
        );
    }
    Ok(())
}

async fn dropped_sessions_of_one_command_end_each_its_own(env: &Env) -> Verdict {
    let container = with_data(env).await?;
    let command = ["do", "wait-file", "/data/go", ";;", "append", "/data/written", "x"];
    let started = join_all((0..4).map(|_| start(&container, command))).await;
    let mut sessions = started.into_iter().collect::<Result<Vec<_>, _>>()?;
    // Two of the four are let go.
    sessions.remove(2);
    sessions.remove(0);
    env.settle().await?;
    std::fs::write(env.directory().join("go"), "")?;
    for session in &sessions {
        ensure!(within("the end", session.wait()).await??.success(), "a session that was kept was ended");
    }
    ensure_eq!(std::fs::read_to_string(env.directory().join("written"))?, "xx");
    Ok(())
}

async fn a_session_outlives_the_call(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let hasty = env.client().with_timeout(Duration::from_secs(2)).container(container.id().clone());
    let mut session = start(&hasty, ["do", "sleep", "4", ";;", "echo", "late"]).await?;
    ensure_eq!(within("the end", text(stream(&mut session.stdout)?)).await??, "late\n");
    ensure!(session.wait().await?.success(), "it failed");
    Ok(())
}

async fn several_sessions_at_once(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let spec = guest_command(["cat"]).with_stdin();
    let talk = |number: usize| {
        let (container, spec) = (&container, &spec);
        async move {
            let mut session = container.start_exec(spec).await?;
            let word = format!("session {number}\n").repeat(1000);
            let (mut stdin, stdout) = (stream(&mut session.stdin)?, stream(&mut session.stdout)?);
            let write = async {
                stdin.write_all(word.as_bytes()).await?;
                stdin.shutdown().await
            };
            let (written, read) = tokio::join!(write, text(stdout));
            written?;
            ensure!(read? == word, "session {number} read something else than it wrote");
            ensure!(session.wait().await?.success(), "session {number} failed");
            Ok(())
        }
    };
    join_all((0..8).map(talk)).await.into_iter().collect()
}

async fn a_session_ends_at_its_timeout(env: &Env) -> Verdict {
    let container = with_data(env).await?;
    let slow = guest_command(["do", "echo", "up", ";;", "sleep", "4", ";;", "write", "/data/late", "x"]);
    let started = Instant::now();
    let mut session = container.start_exec(&slow.with_timeout(Duration::from_secs(1))).await?;
    let exit = within("the end", session.wait()).await??;
    ensure_eq!(exit.cause, ExitCause::DeadlineExceeded);
    ensure!(started.elapsed() < Duration::from_secs(3), "ended after {:?}", started.elapsed());
    let mut line = String::new();
    BufReader::new(stream(&mut session.stdout)?).read_line(&mut line).await?;
    ensure_eq!(line, "up\n");
    guest_exec(&container, ["sleep", "4"]).await?;
    ensure!(!env.directory().join("late").exists(), "the command went on after its timeout");
    Ok(())
}

async fn a_deadline_ends_the_start_of_a_session(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let hasty = env.client().with_timeout(Duration::ZERO).container(container.id().clone());
    kind_of(hasty.start_exec(&guest_command(["echo"])).await, ErrorKind::DeadlineExceeded)?;
    let token = tokio_util::sync::CancellationToken::new();
    token.cancel();
    let cancelled = env
        .client()
        .with_context(Context::background().with_cancellation(token))
        .container(container.id().clone());
    kind_of(cancelled.start_exec(&guest_command(["echo"])).await, ErrorKind::Cancelled)?;
    Ok(())
}
