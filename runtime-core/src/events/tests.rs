//! The stream against a system of which the test says everything.

mod known;
mod stream;
