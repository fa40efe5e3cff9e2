//! Giving up what makes no progress, however long the whole of it takes.

use std::time::Duration;

use futures::{Stream, StreamExt, stream, stream::BoxStream};
use tokio::time::timeout;

use crate::{Error, ErrorKind, Result};

/// The error of something in which nothing arrived for so long. The next try may find a better network.
#[must_use]
pub fn exceeded(limit: Duration) -> Error {
    Error::new(ErrorKind::DeadlineExceeded, format!("nothing arrived for {limit:?}")).transient()
}

/// Passes a stream on until an item takes longer than `limit`: then the last item is [`exceeded`]. Only the time counts in
/// which somebody waits for the item, and none after an item of which `is_whole` says that everything has arrived: what is
/// left is work of the system's own.
pub fn limited<T: Send + 'static>(
    stream: impl Stream<Item = Result<T>> + Send + 'static,
    limit: Duration,
    is_whole: impl Fn(&T) -> bool + Send + 'static,
) -> BoxStream<'static, Result<T>> {
    stream::unfold(Some((stream.boxed(), Some(limit), is_whole)), |open| async move {
        let (mut stream, limit, is_whole) = open?;
        let item = match limit {
            None => stream.next().await?,
            Some(limit) => match timeout(limit, stream.next()).await {
                Ok(item) => item?,
                Err(_) => return Some((Err(exceeded(limit)), None)),
            },
        };
        let limit = limit.filter(|_| !item.as_ref().is_ok_and(&is_whole));
        Some((item, Some((stream, limit, is_whole))))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use futures::stream::TryStreamExt;
    use tokio::time::{Instant, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn paused(pauses: &'static [u64]) -> impl Stream<Item = Result<u64>> + Send {
        stream::iter(pauses).then(|pause| async move {
            sleep(Duration::from_secs(*pause)).await;
            Ok(*pause)
        })
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_may_take_longer_than_the_limit() {
        let items: Vec<_> = limited(paused(&[9, 9, 9]), LIMIT, |_| false).try_collect().await.unwrap();
        assert_eq!(items, [9, 9, 9]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_is_longer_is_the_end() {
        let started = Instant::now();
        let items: Vec<_> = limited(paused(&[9, 11, 1]), LIMIT, |_| false).collect().await;
        assert_eq!((items.len(), started.elapsed()), (2, Duration::from_secs(19)));
        let error = items[1].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::DeadlineExceeded, true));
        assert_eq!(error.message(), "nothing arrived for 10s");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_whole_has_time() {
        let items: Vec<_> =
            limited(paused(&[9, 8, 20]), LIMIT, |item| *item == 8).try_collect().await.unwrap();
        assert_eq!(items, [9, 8, 20]);
    }
}
