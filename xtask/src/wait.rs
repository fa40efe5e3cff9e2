//! Waiting where there is no event to wait on.

use std::time::{Duration, Instant};

/// The longest pause between two looks.
const CAP: Duration = Duration::from_millis(50);

/// Calls `look` until it gives something, with pauses from 1 ms doubling to 50 ms; `None` once `limit` is over.
pub(crate) fn poll<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(CAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_time_is_found() {
        let mut looks = 0;
        let found = poll(Duration::from_secs(10), || {
            looks += 1;
            (looks == 4).then_some(looks)
        });
        assert_eq!(found, Some(4));
    }

    #[test]
    fn looks_at_least_once() {
        assert_eq!(poll(Duration::ZERO, || Some(1)), Some(1));
        assert_eq!(poll(Duration::ZERO, || None::<u8>), None);
    }
}
