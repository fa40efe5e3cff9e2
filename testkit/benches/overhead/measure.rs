//! Taking turns, and what the times say.

use std::time::{Duration, Instant};

use crate::Result;

/// Does ours and the reference `pairs` times, in turns and changing who is first.
pub(crate) async fn in_turns<T>(
    pairs: usize,
    mut ours: impl AsyncFnMut() -> Result<T>,
    mut reference: impl AsyncFnMut() -> Result<T>,
) -> Result<Vec<[T; 2]>> {
    // The first of each pays for what is made once: connections, caches.
    ours().await?;
    reference().await?;
    let mut results = Vec::with_capacity(pairs);
    for pair in 0..pairs {
        results.push(if pair % 2 == 0 {
            let ours = ours().await?;
            [ours, reference().await?]
        } else {
            let reference = reference().await?;
            [ours().await?, reference]
        });
    }
    Ok(results)
}

/// How long one of `calls` calls takes.
pub(crate) async fn per_call<T, E>(
    calls: u32,
    mut call: impl AsyncFnMut() -> Result<T, E>,
) -> Result<Duration>
where
    Box<dyn std::error::Error + Send + Sync>: From<E>,
{
    let start = Instant::now();
    for _ in 0..calls {
        call().await?;
    }
    Ok(start.elapsed() / calls)
}

/// How long it takes, beside what it gives.
pub(crate) async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(T, Duration)> {
    let start = Instant::now();
    let value = work.await?;
    Ok((value, start.elapsed()))
}

/// What is known of a value that was measured several times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// The true median is between these with a probability of 95 %.
    pub(crate) sure: [f64; 2],
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// That of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (count, last) = (values.len(), values.len().saturating_sub(1));
        let middle = |low: usize, high: usize| f64::midpoint(values[low], values[high]);
        // By the order of the values alone: a median's rank is binomial, whatever the distribution.
        let reach = 0.98 * (count as f64).sqrt();
        let rank = |rank: f64| (rank.max(0.0) as usize).min(last);
        let half = count as f64 / 2.0;
        Self {
            median: middle((count - 1) / 2, count / 2),
            sure: [values[rank((half - reach).floor())], values[rank((half + reach).ceil())]],
            min: values[0],
            max: values[last],
        }
    }
}
