//! The command line.

use std::{ffi::OsString, path::PathBuf};

use lexopt::prelude::*;

/// What can be measured alone.
pub(crate) const PARTS: [&str; 6] = ["memory", "lists", "fake", "containerd", "nydus", "k8s"];

/// What to measure.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    /// A real CRI runtime, as `cri://…`.
    pub(crate) url: Option<String>,
    /// Few repetitions: shows that it works, the numbers mean little.
    pub(crate) quick: bool,
    /// One of [`PARTS`], if nothing else is to be measured.
    pub(crate) only: Option<String>,
    /// Nothing is measured but the first sync with the cluster at this URL; this process is started for that by itself.
    pub(crate) first_sync: Option<String>,
    /// Nothing is measured, but a cluster is served, with its kubeconfig in this file; the same.
    pub(crate) serve_cluster: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        let mut parser = lexopt::Parser::from_args(words);
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("url") => arguments.url = Some(parser.value()?.string()?),
                Long("quick") => arguments.quick = true,
                Long("only") => arguments.only = Some(parser.value()?.parse_with(part)?),
                Long("first-sync") => arguments.first_sync = Some(parser.value()?.string()?),
                Long("serve-cluster") => arguments.serve_cluster = Some(parser.value()?.into()),
                // Cargo's own.
                Long("bench") => {}
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }
    /// Whether this part is to be measured.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

fn part(word: &str) -> Result<String, String> {
    match PARTS.contains(&word) {
        true => Ok(word.to_owned()),
        false => Err(format!("there are {}", PARTS.join(", "))),
    }
}
