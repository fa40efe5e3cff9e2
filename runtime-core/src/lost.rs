//! Creates whose answer was lost: the system may be in the middle of them.
//!
//! A system shows what it makes once it is made. Whoever looked for it at once would find nothing, call it undone, and leave
//! behind what appears a moment later, with its name taken.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use crate::Result;

/// How long something may take to appear. A system whose client is gone gives its create up, which takes containerd less than
/// a second on a busy machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest time between two looks.
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// Looks until something is found, or can be taken for not being made any more. A system that can't be asked may be starting.
pub async fn wait_for<T, F: Future<Output = Result<Option<T>>>>(find: impl Fn() -> F) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Ok(Some(found)) = find().await {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = MAX_PAUSE.min(pause * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{Error, ErrorKind};

    #[tokio::test(start_paused = true)]
    async fn looks_until_it_is_there_or_patience_ends() {
        let looks = Cell::new(0);
        let found = wait_for(|| {
            looks.set(looks.get() + 1);
            let answer = match looks.get() {
                1 => Err(Error::new(ErrorKind::Unavailable, "down")),
                2 => Ok(None),
                _ => Ok(Some(())),
            };
            std::future::ready(answer)
        })
        .await;
        assert_eq!((found, looks.get()), (Some(()), 3));

        let start = Instant::now();
        assert_eq!(wait_for(|| std::future::ready(Ok(None::<()>))).await, None);
        assert!((PATIENCE..PATIENCE + MAX_PAUSE * 2).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
}
