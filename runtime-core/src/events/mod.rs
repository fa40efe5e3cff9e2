//! What every driver needs for [`Pod::events`](crate::Pod::events).
//!
//! A driver says how to [list](Source::list) what exists and, where its system tells of changes, passes these on as
//! [hints](Source::hints). [`follow`] makes the stream of the contract from that. It is *level-triggered*: whatever is told
//! is the difference between what was told before and what the system says now, so nothing is ever lost for good, and a hint
//! that is late, doubled or missing does no harm. What comes and goes between two looks is not seen.
//!
//! - *Looking*: everything is listed after 50 ms first, then at twice that while nothing changes, up to 1 s, or 10 s where the
//!   system gives hints; a hint is followed at once.
//! - *A system that is away* is asked again, after 50 ms first and at most every second, without end. When it is back,
//!   `Resync` says so. An error that need not mean that, but is no refusal either, is given 30 s.
//! - *A consumer that is slow* has room for 1024 events. When they are used up, what follows is not kept: once half of the
//!   room is free again, `Resync` says so.
//! - *The stream owns the work*: with it, everything ends.

mod follow;
mod known;
mod listen;
mod source;
#[cfg(test)]
mod tests;

pub use follow::follow;
pub use known::{Change, Known};
pub use source::{Hint, Hints, Snapshot, Source};
