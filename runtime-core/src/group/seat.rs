//! Whether a member may act, at this moment.

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::Loss;
use crate::Result;

/// The validity of one membership. Everybody who acts in its name asks here.
///
/// It ends by the clock, not by a task that notices: whoever asks too late is the one who ends it. Once it has ended it
/// stays so, since somebody may have acted upon that.
#[derive(Debug)]
pub(super) struct Seat(watch::Sender<State>);

#[derive(Debug, Clone, Copy)]
struct State {
    until: Instant,
    loss: Option<Loss>,
}

impl Seat {
    pub(super) fn new(until: Instant) -> Self {
        Self(watch::Sender::new(State { until, loss: None }))
    }

    /// # Errors
    /// `InvalidState` if the membership has ended.
    pub(super) fn check(&self) -> Result<()> {
        self.loss().map_or(Ok(()), |loss| Err(loss.error()))
    }

    /// How it ended, if it has.
    pub(super) fn loss(&self) -> Option<Loss> {
        self.update(|_| {}).loss
    }

    /// A renewal lets it last until then, unless it has ended meanwhile.
    pub(super) fn extend(&self, until: Instant) {
        self.update(|state| state.until = state.until.max(until));
    }

    /// Ends it, unless it has ended otherwise.
    pub(super) fn lose(&self, loss: Loss) {
        self.update(|state| state.loss = Some(loss));
    }

    /// Waits until it has ended.
    pub(super) async fn lost(&self) -> Loss {
        let mut changes = self.0.subscribe();
        loop {
            changes.mark_unchanged();
            let State { until, loss } = self.update(|_| {});
            if let Some(loss) = loss {
                return loss;
            }
            tokio::select! {
                // The sender lives as long as this.
                _ = changes.changed() => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Changes a state that has not ended, and tells what it is then.
    fn update(&self, change: impl FnOnce(&mut State)) -> State {
        let mut after = None;
        self.0.send_if_modified(|state| {
            let before = (state.until, state.loss);
            if state.loss.is_none() && state.until <= Instant::now() {
                state.loss = Some(Loss::Expired);
            }
            if state.loss.is_none() {
                change(state);
            }
            after = Some(*state);
            before != (state.until, state.loss)
        });
        after.unwrap_or_else(|| *self.0.borrow())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_by_the_clock_and_stays_ended() {
        let seconds = Duration::from_secs;
        let seat = Seat::new(Instant::now() + seconds(55));
        advance(seconds(54)).await;
        assert_eq!(seat.loss(), None);
        seat.extend(Instant::now() + seconds(55));
        advance(seconds(54)).await;
        assert_eq!(seat.loss(), None);
        advance(seconds(1)).await;
        // The answer to a renewal that comes now comes too late.
        seat.extend(Instant::now() + seconds(55));
        assert_eq!(seat.loss(), Some(Loss::Expired));
        seat.lose(Loss::Left);
        assert_eq!(seat.lost().await, Loss::Expired);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_at_once() {
        let start = Instant::now();
        let seat = Seat::new(start + Duration::from_secs(55));
        assert_eq!(seat.lost().await, Loss::Expired);
        assert_eq!(start.elapsed().as_secs(), 55);
        let seat = Seat::new(Instant::now() + Duration::from_secs(55));
        let lose = async {
            tokio::task::yield_now().await;
            seat.extend(Instant::now() + Duration::from_secs(60));
            tokio::task::yield_now().await;
            seat.lose(Loss::Removed);
        };
        assert_eq!(tokio::join!(seat.lost(), lose).0, Loss::Removed);
        assert_eq!(start.elapsed().as_secs(), 55);
    }
}
