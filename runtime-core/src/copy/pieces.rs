//! Between streams and what blocks: a few pieces, then whoever is faster waits.

use std::{
    io::{self, Read, Write},
    pin::pin,
};

use bytes::{Buf, Bytes, BytesMut};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::sync::mpsc;

use crate::{ByteStream, Error, ErrorKind, Result};

/// How large a piece is that is written.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces wait at most.
pub(super) const PIECES: usize = 4;
/// The most that may follow an archive's end mark: archives are filled up to a multiple of their writer's block.
const MAX_PADDING: usize = 1 << 20;

/// A blocking writer whose bytes come out as a stream. What is not flushed when it is dropped is lost.
#[derive(Debug)]
pub struct PieceWriter {
    pieces: mpsc::Sender<Bytes>,
    piece: BytesMut,
}

/// A blocking reader of a stream. It ends when the stream does, and also when that fails or is dropped: a cut is told by the
/// archive's missing end.
#[derive(Debug)]
pub struct PieceReader {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

/// The stream of what `start`'s work writes. Its outcome is the stream's: after an error that is the last item. The work
/// begins when the stream is first read, and fails to write when the stream is dropped; so work on a thread ends with it.
pub fn read_with<W>(start: impl FnOnce(PieceWriter) -> W) -> ByteStream
where
    W: Future<Output = Result<()>> + Send + 'static,
{
    let (pieces, received) = mpsc::channel(PIECES);
    let work = start(PieceWriter { pieces, piece: BytesMut::new() }).boxed();
    stream::unfold(Some((received, Work::Runs(work))), |state| async {
        let (mut received, mut work) = state?;
        while let Work::Runs(running) = &mut work {
            tokio::select! {
                biased;
                piece = received.recv() => match piece {
                    Some(piece) => return Some((Ok(piece), Some((received, work)))),
                    // The writer is gone; how the work ended is still to come.
                    None => work = Work::Ended(running.await),
                },
                outcome = &mut *running => work = Work::Ended(outcome),
            }
        }
        match (received.recv().await, work) {
            (Some(piece), work) => Some((Ok(piece), Some((received, work)))),
            (None, Work::Ended(Err(error))) => Some((Err(error), None)),
            (None, _) => None,
        }
    })
    .boxed()
}

enum Work {
    Runs(BoxFuture<'static, Result<()>>),
    Ended(Result<()>),
}

/// Feeds an archive to `start`'s work, and returns its outcome once the archive is whole: an error that is the stream's last
/// item is the outcome then, whatever the work made of what came before.
///
/// # Errors
/// The stream's, else the work's; `Protocol` when something long follows the archive's end.
pub async fn write_with<T, W>(mut archive: ByteStream, start: impl FnOnce(PieceReader) -> W) -> Result<T>
where
    W: Future<Output = Result<T>>,
{
    let (pieces, received) = mpsc::channel(PIECES);
    let mut work = pin!(start(PieceReader { pieces: received, piece: Bytes::new() }));
    let feed = async move {
        let mut padding = 0;
        while let Some(piece) = archive.next().await {
            let piece = piece?;
            let length = piece.len();
            if pieces.send(piece).await.is_err() {
                // The archive has come to its end, or the work has failed, which ends this.
                padding += length;
                if padding > MAX_PADDING {
                    return Ok(Fed::Beyond);
                }
            }
        }
        Ok(Fed::Whole)
    };
    // Boxed, so that it can be dropped, and the reader's end with it, before the work is waited for.
    let mut feed = feed.boxed();
    let mut outcome = None;
    let fed = loop {
        tokio::select! {
            fed = &mut feed => break fed,
            done = &mut work, if outcome.is_none() => outcome = Some(done?),
        }
    };
    drop(feed);
    let outcome = match outcome {
        Some(outcome) => Ok(outcome),
        // After a cut it only clears up.
        None => work.await,
    };
    match fed? {
        Fed::Whole => outcome,
        // Work that failed takes no more either; why it did is what matters then.
        Fed::Beyond => outcome.and(Err(Error::new(ErrorKind::Protocol, "the archive goes on after its end"))),
    }
}

/// How far an archive was fed.
enum Fed {
    /// To its end.
    Whole,
    /// Until nobody took it any more.
    Beyond,
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.piece.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = self.piece.split().freeze();
        self.pieces.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.split_to(count).copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}
