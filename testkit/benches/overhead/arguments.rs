//! The command line.

use std::ffi::OsString;

use lexopt::prelude::*;

/// What to measure.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// A real CRI runtime, as `cri://…`.
    pub(crate) url: Option<String>,
    /// Few repetitions: shows that it works, the numbers mean little.
    pub(crate) quick: bool,
}

impl Arguments {
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("url") => arguments.url = Some(parser.value()?.string()?),
                Long("quick") => arguments.quick = true,
                // Cargo's own.
                Long("bench") => {}
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }
}
