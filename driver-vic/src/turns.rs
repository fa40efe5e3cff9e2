//! Whose turn it is to change a VM: of two changes at once the second is refused, so those of this process wait for each other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::OwnedMutexGuard;

type Turn = tokio::sync::Mutex<()>;

/// The VMs that somebody is changing, by id.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<Turn>>>);

impl Turns {
    /// Waits for the turn to change a VM, which lasts as long as the answer is held.
    pub(crate) async fn of(&self, id: &str) -> OwnedMutexGuard<()> {
        self.turn(id).lock_owned().await
    }

    fn turn(&self, id: &str) -> Arc<Turn> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::default());
        turns.insert(id.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_each_and_nothing_is_kept() {
        let turns = Turns::default();
        let first = turns.of("a").await;
        assert!(turns.of("a").now_or_never().is_none());
        let other = turns.of("b").now_or_never();
        assert!(other.is_some());
        drop((first, other));
        assert!(turns.of("a").now_or_never().is_some());
        drop(turns.turn("c"));
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
