//! Copying by a command in the container, for systems that have no call for it: the toolbox, else the image's own `tar` under
//! a shell.
//!
//! The archive passes over the command's standard streams, and what the command says on standard error is the reason when it
//! fails. Paths are arguments, never part of a script. The files are those of the user that the container runs as.

use std::io::Write;

use archive::{EndScanner, vet};
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt, stream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::spawn_blocking,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{PieceReader, PieceWriter, RemotePath, convert, read_with, write_with};
use crate::{
    ByteStream, ContainerId, Context, Error, ErrorKind, Exec, ExecSession, ExitCause, ExitStatus, Result,
    SessionInput, SessionOutput, spec::ExecSpec,
};

const SHELL: &str = "/bin/sh";
const PACK_SCRIPT: &str = include_str!("shell/pack.sh");
const UNPACK_SCRIPT: &str = include_str!("shell/unpack.sh");

/// What a command that unpacks says once it is sure of its directory, before which it is sent nothing. With anything else that
/// it says it has failed, and reads on to the end of its input. containerd 1.6 never tells how a command ended that leaves
/// more input than fits a pipe, so none may.
const READY: &[u8] = b"ready\n";

/// How many bytes are read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// How much of what the command complains is kept.
const REASON_BYTES: u64 = 4 * 1024;

/// What the command's exit codes mean, those of the toolbox and of the scripts alike.
mod code {
    pub(super) const MISSING: i32 = 41;
    pub(super) const NOT_A_DIRECTORY: i32 = 42;
    pub(super) const NO_TAR: i32 = 43;
    pub(super) const DENIED: i32 = 45;
    pub(super) const FULL: i32 = 46;
    pub(super) const IN_THE_WAY: i32 = 47;
    /// By a shell, and by runtimes that could not execute the command.
    pub(super) const NOT_EXECUTABLE: i32 = 126;
    pub(super) const NOT_FOUND: i32 = 127;
}

/// What makes and reads archives in a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Archiver {
    /// The toolbox, at this path.
    Toolbox(String),
    /// The image's own `tar`, under `/bin/sh`. It leaves sockets out; when it unpacks, the archive needs its room twice for a
    /// moment, and a link to a directory that is in the way of a directory is treated as this `tar` treats it.
    Tar,
}

impl Archiver {
    fn pack(&self, path: &RemotePath) -> ExecSpec {
        let whole = path.path();
        match self {
            Self::Toolbox(toolbox) => ExecSpec::new([toolbox, "pack", &whole]),
            Self::Tar => ExecSpec::new([SHELL, "-c", PACK_SCRIPT, "wharf", &whole, &path.parent, &path.name]),
        }
    }

    fn unpack(&self, directory: &str) -> ExecSpec {
        let spec = match self {
            Self::Toolbox(toolbox) => ExecSpec::new([toolbox, "unpack", directory]),
            Self::Tar => ExecSpec::new([SHELL, "-c", UNPACK_SCRIPT, "wharf", directory]),
        };
        spec.with_stdin()
    }
}

/// Reads a path of a container as an archive, as [`Container::copy_out`](crate::Container::copy_out) has it. The context is
/// for the beginning.
///
/// # Errors
/// As there; `Unsupported` when the container has no archiver.
pub async fn copy_out(
    exec: &dyn Exec,
    cx: &Context,
    id: &ContainerId,
    archiver: &Archiver,
    path: &str,
) -> Result<ByteStream> {
    let path = RemotePath::parse(path)?;
    let mut session = exec.start(cx, id, &archiver.pack(&path)).await.map_err(why_not_started)?;
    let stdout = session.stdout.take().ok_or_else(no_streams)?;
    let reason = Reason::read(session.stderr.take());
    let buffer = BytesMut::with_capacity(PIECE_BYTES);
    let mut output =
        Output { session, stdout, buffer, scanner: EndScanner::default(), reason, path: path.path() };
    // The first piece says that there is something; a command that has nothing ends without.
    let first = cx.run(output.next()).await?.ok_or_else(cut)?;
    let rest = stream::unfold(Some(output), |output| async {
        let mut output = output?;
        match output.next().await {
            Ok(None) => None,
            Ok(Some(piece)) => Some((Ok(piece), Some(output))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(stream::iter([Ok(first)]).chain(rest).boxed())
}

/// Unpacks an archive into a directory of a container, as [`Container::copy_in`](crate::Container::copy_in) has it.
///
/// # Errors
/// As there; `Unsupported` when the container has no archiver.
pub async fn copy_in(
    exec: &dyn Exec,
    cx: &Context,
    id: &ContainerId,
    archiver: &Archiver,
    directory: &str,
    archive: ByteStream,
) -> Result<()> {
    cx.run(async {
        let spec = archiver.unpack(directory);
        let mut session = exec.start(cx, id, &spec).await.map_err(why_not_started)?;
        let stdin = session.stdin.take().ok_or_else(no_streams)?;
        let mut stdout = session.stdout.take().ok_or_else(no_streams)?;
        let reason = Reason::read(session.stderr.take());
        let mut word = Vec::new();
        // A connection that breaks is told by the session's end.
        let _ = (&mut stdout).take(READY.len() as u64).read_to_end(&mut word).await;
        if word != READY {
            drop((stdin, stdout));
            ended(session.wait().await, reason, directory).await?;
            return Err(Error::new(ErrorKind::Protocol, "the archiver ended without a word"));
        }
        let archive = match archiver {
            Archiver::Toolbox(_) => archive,
            Archiver::Tar => vetted(archive),
        };
        let over = CancellationToken::new();
        let mut sending = send(archive, stdin, over.clone()).boxed();
        let rest = tokio::select! {
            biased;
            // Another word, or the end of its output: it wants no more.
            _ = stdout.read_u8() => {
                over.cancel();
                sending.await?
            }
            // After an error the input is never ended, so that the command can't take the archive for whole; it ends with the
            // session.
            sent = &mut sending => sent?,
        };
        drop(stdout);
        ended(session.wait().await, reason, directory).await?;
        match rest {
            Some(rest) => drained(rest).await,
            None => Ok(()),
        }
    })
    .await
}

/// Sends an archive, and ends the input behind it. Gives the rest back if the command has closed its end or it is `over`.
async fn send(
    mut archive: ByteStream,
    mut stdin: SessionInput,
    over: CancellationToken,
) -> Result<Option<ByteStream>> {
    loop {
        let piece = tokio::select! {
            piece = archive.next() => piece,
            () = over.cancelled() => return Ok(Some(archive)),
        };
        let Some(piece) = piece.transpose()? else { break };
        tokio::select! {
            written = stdin.write_all(&piece) => if written.is_err() { return Ok(Some(archive)) },
            () = over.cancelled() => return Ok(Some(archive)),
        }
    }
    tokio::select! {
        // If it is closed by now, the command's end says whether that was right.
        _ = stdin.shutdown() => {}
        () = over.cancelled() => {}
    }
    Ok(None)
}

/// Waits for an archive's own end, after its content has been taken.
async fn drained(rest: ByteStream) -> Result<()> {
    write_with(rest, |reader| async {
        drop(reader);
        Ok(())
    })
    .await
}

/// The archive in a form that any `tar` can be given.
fn vetted(archive: ByteStream) -> ByteStream {
    read_with(|writer| write_with(archive, |reader| async { vet_aside(reader, writer).await }))
}

async fn vet_aside(reader: PieceReader, writer: PieceWriter) -> Result<()> {
    let vetting = spawn_blocking(move || {
        let mut writer = vet(reader, writer).map_err(convert)?;
        // Whoever reads has gone; then nobody wants to know.
        let _ = writer.flush();
        Ok(())
    });
    vetting.await.unwrap_or_else(|lost| Err(Error::new(ErrorKind::Unexpected, lost.to_string())))
}

/// An archive that the command sends.
struct Output {
    session: ExecSession,
    stdout: SessionOutput,
    buffer: BytesMut,
    scanner: EndScanner,
    reason: Reason,
    path: String,
}

impl Output {
    /// The next piece; `None` at the archive's end, if the command ended well.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.buffer.reserve(PIECE_BYTES);
        match (&mut self.stdout).take(PIECE_BYTES as u64).read_buf(&mut self.buffer).await {
            Ok(1..) => {
                let piece = self.buffer.split().freeze();
                self.scanner.push(&piece).map_err(convert)?;
                Ok(Some(piece))
            }
            // A broken stream is told by the session's end.
            Ok(0) | Err(_) => {
                let reason = std::mem::take(&mut self.reason);
                ended(self.session.wait().await, reason, &self.path).await?;
                if self.scanner.at_end() { Ok(None) } else { Err(cut()) }
            }
        }
    }
}

/// What the command complains, read aside so that it is never stopped by it.
#[derive(Default)]
struct Reason(Option<AbortOnDropHandle<String>>);

impl Reason {
    fn read(stderr: Option<SessionOutput>) -> Self {
        Self(stderr.map(|stderr| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                let mut kept = Vec::new();
                // What is more is dropped with the stream.
                let _ = stderr.take(REASON_BYTES).read_to_end(&mut kept).await;
                String::from_utf8_lossy(&kept).trim().to_owned()
            }))
        }))
    }

    async fn text(self) -> String {
        match self.0 {
            Some(reading) => reading.await.unwrap_or_default(),
            None => String::new(),
        }
    }
}

/// What the end of the command means for the copy.
async fn ended(exit: Result<ExitStatus>, reason: Reason, path: &str) -> Result<()> {
    let exit = exit.map_err(why_not_started)?;
    if exit.success() {
        return Ok(());
    }
    let error = failure(&exit, path);
    match reason.text().await {
        text if text.is_empty() => Err(error),
        text => Err(error.with_reason(text)),
    }
}

/// The table of ends.
fn failure(exit: &ExitStatus, path: &str) -> Error {
    let failed = |kind, message: &str| Error::new(kind, message);
    match exit.cause {
        ExitCause::Exited(code::MISSING) => {
            Error::new(ErrorKind::NotFound, format!("{path} does not exist in the container"))
        }
        ExitCause::Exited(code::NOT_A_DIRECTORY) => {
            Error::invalid("directory", format!("{path} is not a directory"))
        }
        ExitCause::Exited(code::NO_TAR | code::NOT_EXECUTABLE | code::NOT_FOUND) => no_archiver(),
        ExitCause::Exited(code::DENIED) => {
            failed(ErrorKind::PermissionDenied, "the container's user may not copy this")
        }
        ExitCause::Exited(code::FULL) => {
            failed(ErrorKind::ResourceExhausted, "the container has no room for this")
        }
        ExitCause::Exited(code::IN_THE_WAY) => {
            failed(ErrorKind::InvalidState, "a directory is where a file should go, or the other way round")
        }
        ExitCause::StreamLost => {
            failed(ErrorKind::Unavailable, "the connection was lost before the copy was complete").transient()
        }
        _ => Error::new(ErrorKind::Failed, format!("the archiver in the container {exit}")),
    }
}

/// A command that can't be started isn't there.
fn why_not_started(error: Error) -> Error {
    if error.kind() == ErrorKind::Failed { no_archiver().with_source(error) } else { error }
}

fn no_archiver() -> Error {
    let message =
        "copying needs the toolbox in the container, or its own tar and /bin/sh, and neither is there";
    Error::new(ErrorKind::Unsupported, message)
}

fn no_streams() -> Error {
    Error::new(ErrorKind::Unexpected, "the session of the archiver lacks a stream")
}

fn cut() -> Error {
    Error::new(ErrorKind::Failed, "the archive ended before its end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        use ErrorKind::*;
        for (cause, kind) in [
            (ExitCause::Exited(1), Failed),
            (ExitCause::Exited(41), NotFound),
            (ExitCause::Exited(42), InvalidArgument),
            (ExitCause::Exited(43), Unsupported),
            (ExitCause::Exited(44), Failed),
            (ExitCause::Exited(45), PermissionDenied),
            (ExitCause::Exited(46), ResourceExhausted),
            (ExitCause::Exited(47), InvalidState),
            (ExitCause::Exited(126), Unsupported),
            (ExitCause::Exited(127), Unsupported),
            (ExitCause::Exited(137), Failed),
            (ExitCause::Signaled(9), Failed),
            (ExitCause::StreamLost, Unavailable),
            (ExitCause::Unknown, Failed),
        ] {
            assert_eq!(failure(&ExitStatus::new(cause.clone()), "/a").kind(), kind, "{cause:?}");
        }
    }
}
