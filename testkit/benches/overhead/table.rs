//! Rows of the Markdown table that comes out.

use std::{fmt, time::Duration};

use crate::measure::Spread;

/// What is compared, and what is asked of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Time against the reference's, at most.
    Ratio(f64),
    /// Microseconds more than the reference, at most.
    Added(f64),
}

/// One row: times of ours and of the reference, taken in pairs.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    times: [f64; 2],
    compared: Spread,
    goal: Goal,
}

impl Row {
    /// The row of at least one pair.
    pub(crate) fn new(what: impl Into<String>, goal: Goal, pairs: &[[Duration; 2]]) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let median = |side: usize| Spread::of(pairs.iter().map(|pair| micros(pair[side]))).median;
        let compared = Spread::of(pairs.iter().map(|[ours, reference]| match goal {
            Goal::Ratio(_) => micros(*ours) / micros(*reference),
            Goal::Added(_) => micros(*ours) - micros(*reference),
        }));
        Self { what: what.into(), times: [median(0), median(1)], compared, goal }
    }

    fn verdict(&self) -> &'static str {
        let (Goal::Ratio(goal) | Goal::Added(goal)) = self.goal;
        let [low, high] = self.compared.sure;
        match self.compared.median <= goal {
            true if high <= goal => "met",
            true => "met, but may be noise",
            false if low <= goal => "not met, but may be noise",
            false => "NOT MET",
        }
    }
}

/// The lines above the rows.
pub(crate) fn head() -> &'static str {
    "| what | ours | reference | median, 95 % sure | min to max | goal | |\n\
     | --- | --- | --- | --- | --- | --- | --- |"
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { median, sure: [low, high], min, max } = self.compared;
        let (unit, goal) = match self.goal {
            Goal::Ratio(goal) => ("", format!("≤ {}", rounded(goal))),
            Goal::Added(goal) => (" µs added", format!("≤ {} µs added", rounded(goal))),
        };
        let [ours, reference] = self.times.map(time);
        write!(
            f,
            "| {} | {ours} | {reference} | {median:.3}{unit} ({low:.3} to {high:.3}) | {min:.3} to {max:.3} | {goal} | {} |",
            self.what,
            self.verdict()
        )
    }
}

/// To three decimals, for reading alone: the verdict is by the whole number.
fn rounded(goal: f64) -> f64 {
    (goal * 1000.0).round() / 1000.0
}

fn time(micros: f64) -> String {
    if micros < 1000.0 { format!("{micros:.2} µs") } else { format!("{:.2} ms", micros / 1000.0) }
}
