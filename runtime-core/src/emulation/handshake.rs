//! Holding the conversation over a session's streams.

use std::io::Cursor;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};

use super::{Header, Mark, MarkScanner, Nonce, RemoteProcess, UNANSWERED_LINES};
use crate::{Error, ErrorKind, ExecSession, ExitCause, Result, SessionInput, SessionOutput, spec::ExecSpec};

/// How much output is read at once.
const PIECE_BYTES: usize = 16 << 10;

/// Tells the wrapper in a session what to run, and waits until it becomes that. The session must have input and output; the
/// one that is returned is the command's own, with input only if the spec asks for it.
///
/// # Errors
/// Why there is no command, if the wrapper says so, see `reason`; else what the session's end says.
pub async fn begin(
    mut session: ExecSession,
    spec: &ExecSpec,
    nonce: &Nonce,
) -> Result<(ExecSession, RemoteProcess)> {
    let (Some(mut stdin), Some(mut stdout)) = (session.stdin.take(), session.stdout.take()) else {
        return Err(Error::new(ErrorKind::Unexpected, "the session of the wrapper has no streams"));
    };
    let header = Header::new(spec);
    let mut scanner = MarkScanner::new(nonce);
    let room = Semaphore::new(UNANSWERED_LINES);
    let said = {
        let sending = async {
            send(&mut stdin, &header, &room).await?;
            if !spec.stdin && !spec.tty {
                // The command's input is elsewhere; this only tells the system that nothing comes. Right away: a server that
                // has closed a connection drops what it has not sent yet if something arrives.
                drop(stdin.shutdown().await);
            }
            Ok::<_, std::io::Error>(())
        };
        let listening = listen(&mut stdout, &mut scanner, &room);
        tokio::pin!(sending, listening);
        let mut sent = false;
        loop {
            tokio::select! {
                // What the wrapper says is why sending failed, if it did.
                said = &mut listening => break said,
                _ = &mut sending, if !sent => sent = true,
            }
        }
    };
    match said {
        Some(Mark::Ready(process)) => {
            session.stdin = if spec.stdin {
                Some(stdin)
            } else {
                if spec.tty {
                    drop(stdin.shutdown().await);
                }
                None
            };
            let rest = scanner.into_rest();
            session.stdout = Some(match rest.is_empty() {
                true => stdout,
                false => SessionOutput::new(Cursor::new(rest).chain(stdout)),
            });
            Ok((session, process))
        }
        Some(Mark::Failed(failure)) => Err(failure.into_error(spec)),
        Some(Mark::Read) | None => {
            drop((stdin, stdout));
            Err(why_silent(&session).await)
        }
    }
}

/// Sends the header; where lines are answered, no faster than they are.
async fn send(stdin: &mut SessionInput, header: &Header, room: &Semaphore) -> std::io::Result<()> {
    if !header.answered() {
        stdin.write_all(header.lines().concat().as_bytes()).await?;
        return stdin.flush().await;
    }
    for line in header.lines() {
        if let Ok(permit) = room.acquire().await {
            permit.forget();
        }
        stdin.write_all(line.as_bytes()).await?;
        stdin.flush().await?;
    }
    Ok(())
}

/// Reads up to the mark that says how it went; `None` when the output ends without.
async fn listen(stdout: &mut SessionOutput, scanner: &mut MarkScanner, room: &Semaphore) -> Option<Mark> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        while let Some(mark) = scanner.next_mark() {
            match mark {
                Mark::Read => room.add_permits(1),
                mark => return Some(mark),
            }
        }
        match stdout.read(&mut piece).await {
            Ok(count @ 1..) => scanner.push(piece.get(..count)?),
            Ok(0) | Err(_) => return None,
        }
    }
}

/// The wrapper has gone without a word: it was never there, was killed, or the connection was lost.
async fn why_silent(session: &ExecSession) -> Error {
    match session.wait().await {
        Err(error) => error,
        Ok(exit) if exit.cause == ExitCause::StreamLost => {
            Error::new(ErrorKind::Unavailable, "the connection was lost before the command began").transient()
        }
        Ok(exit) => {
            let message = format!("the helper in the container ended before the command began: {exit}");
            Error::new(ErrorKind::Failed, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ExitStatus, SessionControl, TerminalSize, helpers::signal::Signal};
    use async_trait::async_trait;
    use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, duplex};

    struct Ends(ExitCause);

    #[async_trait]
    impl SessionControl for Ends {
        async fn resize(&self, _: TerminalSize) -> Result<()> {
            Ok(())
        }
        async fn signal(&self, _: Signal) -> Result<()> {
            Ok(())
        }
        async fn wait(&self) -> Result<ExitStatus> {
            Ok(ExitStatus::new(self.0.clone()))
        }
        fn end(&self) {}
        fn time_is_up(&self) {}
    }

    /// A session, and the other ends of its input and output.
    fn session(cause: ExitCause) -> (ExecSession, BufReader<DuplexStream>, DuplexStream) {
        let ((stdin, theirs), (stdout, output)) = (duplex(4096), duplex(4096));
        (ExecSession::new(Ends(cause)).with_stdin(stdin).with_stdout(stdout), BufReader::new(theirs), output)
    }

    #[tokio::test]
    async fn the_session_is_the_commands_own() {
        let (session, mut input, mut output) = session(ExitCause::Exited(0));
        let nonce = Nonce::random();
        let (spec, said) = (ExecSpec::new(["cat"]).with_stdin(), nonce.clone());
        let wrapper = async {
            let mut lines = Vec::new();
            while lines.last().is_none_or(|line| line != "x\n") {
                let mut line = String::new();
                input.read_line(&mut line).await.unwrap();
                lines.push(line);
            }
            output.write_all(format!("noise<wharf:{said}:ready:7:99>first").as_bytes()).await.unwrap();
            lines
        };
        let (begun, lines) = tokio::join!(begin(session, &spec, &nonce), wrapper);
        assert_eq!(lines, ["1 7 -\n", "acat\n", "x\n"]);
        let (mut session, process) = begun.unwrap();
        assert_eq!(process, RemoteProcess { pid: 7, start_time: 99 });
        session.stdin.take().unwrap().write_all(b"mine").await.unwrap();
        let mut mine = String::new();
        input.read_to_string(&mut mine).await.unwrap();
        assert_eq!(mine, "mine");
        output.write_all(b" second").await.unwrap();
        drop(output);
        let mut text = String::new();
        session.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "first second");
    }

    #[tokio::test]
    async fn input_that_is_not_wanted_ends_before_the_command_begins() {
        let (session, mut input, mut output) = session(ExitCause::Exited(0));
        let nonce = Nonce::random();
        let (spec, said) = (ExecSpec::new(["true"]), nonce.clone());
        let wrapper = async {
            let mut all = String::new();
            input.read_to_string(&mut all).await.unwrap();
            output.write_all(format!("<wharf:{said}:ready:7:99>").as_bytes()).await.unwrap();
            all
        };
        let (begun, all) = tokio::join!(begin(session, &spec, &nonce), wrapper);
        assert!(all.ends_with("x\n"), "{all}");
        assert!(begun.unwrap().0.stdin.is_none());
    }

    #[tokio::test]
    async fn a_terminals_queue_never_overflows() {
        let (session, mut input, mut output) = session(ExitCause::Exited(0));
        let nonce = Nonce::random();
        let value = "v".repeat(20_000);
        let (spec, said) = (ExecSpec::new(["cat"]).with_tty().with_env("V", value.as_str()), nonce.clone());
        let wrapper = async {
            let (mut line, mut most) = (String::new(), 0);
            while line != "x\n" {
                // What was sent waits here, as in the terminal's queue.
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                most = most.max(input.fill_buf().await.unwrap().len());
                line.clear();
                input.read_line(&mut line).await.unwrap();
                // The terminal echoes what it is given.
                output.write_all(format!("{line}<wharf:{said}:+>").as_bytes()).await.unwrap();
            }
            output.write_all(format!("<wharf:{said}:ready:7:99>").as_bytes()).await.unwrap();
            most
        };
        let (begun, most) = tokio::join!(begin(session, &spec, &nonce), wrapper);
        let (session, _) = begun.unwrap();
        assert!(session.stdin.is_none());
        assert!(most > 1024 && most < 4096, "{most}");
    }

    #[tokio::test]
    async fn why_there_is_no_command_is_told() {
        for (said, cause, kind, part) in [
            (
                Some("fail:cwd-missing:2"),
                ExitCause::Exited(125),
                ErrorKind::InvalidArgument,
                "\"/here\" does not exist",
            ),
            (None, ExitCause::Exited(1), ErrorKind::Failed, "ended before the command began"),
            (None, ExitCause::StreamLost, ErrorKind::Unavailable, "connection was lost"),
        ] {
            let (session, _input, mut output) = session(cause);
            let nonce = Nonce::random();
            if let Some(said) = said {
                output.write_all(format!("<wharf:{nonce}:{said}>").as_bytes()).await.unwrap();
            }
            drop(output);
            let spec = ExecSpec::new(["cat"]).with_cwd("/here");
            let error = begin(session, &spec, &nonce).await.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.message().contains(part), "{error}");
        }
    }
}
