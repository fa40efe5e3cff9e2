//! The streams between the runtime and what blocks.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
};

use super::{pieces::PIECES, *};
use crate::{ByteStream, Error, ErrorKind, Result};

async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap()
}

fn failed() -> Error {
    Error::new(ErrorKind::Failed, "as asked")
}

/// Pieces that are counted when they are taken.
fn counted(pieces: usize, taken: &Arc<AtomicUsize>) -> ByteStream {
    let taken = Arc::clone(taken);
    stream::iter((0..pieces).map(move |_| {
        taken.fetch_add(1, Ordering::SeqCst);
        Ok(Bytes::from_static(&[7; 64 * 1024]))
    }))
    .boxed()
}

#[tokio::test]
async fn a_writer_waits_for_who_reads() {
    const ALL: usize = 200;
    let (count, mut written) = watch::channel(0);
    let mut stream = read_with(|mut writer| {
        aside(move || {
            for _ in 0..ALL {
                writer.write_all(&[1; 64 * 1024]).map_err(|_| failed())?;
                count.send_modify(|count| *count += 1);
            }
            Ok(())
        })
    });
    for read in 1..=ALL {
        assert_eq!(stream.next().await.unwrap().unwrap().len(), 64 * 1024);
        // It goes as far as there is room, and no further.
        let room = ALL.min(read + PIECES);
        assert_eq!(*written.wait_for(|written| *written >= room).await.unwrap(), room);
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_holds_up_who_sends() {
    let taken = Arc::new(AtomicUsize::new(0));
    let (go, gone) = oneshot::channel();
    let sending = tokio::spawn(write_with(counted(1000, &taken), |mut reader| async move {
        let () = gone.await.unwrap();
        aside(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(|_| failed())?;
            Ok(bytes.len())
        })
        .await
    }));
    // Over once nothing has anything to do.
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One more than there is room for is in the sender's hand.
    assert_eq!(taken.load(Ordering::SeqCst), PIECES + 1);
    go.send(()).unwrap();
    assert_eq!(sending.await.unwrap().unwrap(), 1000 * 64 * 1024);
}

#[tokio::test]
async fn how_the_work_ends_is_how_the_stream_ends() {
    let stream = read_with(|mut writer| {
        aside(move || {
            writer.write_all(b"some").and_then(|()| writer.flush()).map_err(|_| failed())?;
            Err(failed())
        })
    });
    let items: Vec<_> = stream.collect().await;
    assert_eq!(items.len(), 2);
    assert_eq!(items[0].as_ref().unwrap(), "some");
    assert!(items[1].is_err());
    let stream = read_with(|writer| {
        aside(move || {
            drop(writer);
            Ok(())
        })
    });
    assert_eq!(stream.count().await, 0);
    // Dropped, it fails to write.
    let (ended, told) = std::sync::mpsc::channel();
    let mut stream = read_with(move |mut writer| {
        aside(move || {
            let outcome = (0..100).try_for_each(|_| writer.write_all(&[0; 64 * 1024]));
            let _ = ended.send(outcome.is_err());
            Ok(())
        })
    });
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert!(aside(move || Ok(told.recv().unwrap())).await.unwrap());
}

#[tokio::test]
async fn the_streams_error_comes_before_what_the_work_made_of_it() {
    let broken = || {
        let error = Error::new(ErrorKind::Unavailable, "cut");
        stream::iter([Ok(Bytes::from_static(b"half")), Err(error)]).boxed()
    };
    let read_all =
        |mut reader: PieceReader| aside(move || reader.read_to_end(&mut Vec::new()).map_err(|_| failed()));
    assert_eq!(write_with(broken(), read_all).await.unwrap_err().kind(), ErrorKind::Unavailable);
    // Also when the work has had enough before.
    let nothing = |reader| async {
        drop::<PieceReader>(reader);
        Ok(())
    };
    assert_eq!(write_with(broken(), nothing).await.unwrap_err().kind(), ErrorKind::Unavailable);
    // Padding is read, but not for ever.
    let taken = Arc::new(AtomicUsize::new(0));
    write_with(counted(8, &taken), nothing).await.unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 8);
    assert_eq!(write_with(counted(1000, &taken), nothing).await.unwrap_err().kind(), ErrorKind::Protocol);
    assert!(taken.load(Ordering::SeqCst) < 40);
    // A work that fails is not waited for by the rest.
    let endless = stream::pending().boxed();
    let fail = |_: PieceReader| async { Err::<(), _>(failed()) };
    assert_eq!(write_with(endless, fail).await.unwrap_err().kind(), ErrorKind::Failed);
}
