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
        let sending = send(&mut stdin, &header, &room);
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
                // The command's input is elsewhere; this only tells the system that nothing comes.
                drop(stdin.shutdown().await);
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
