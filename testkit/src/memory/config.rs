//! Options of the driver, and how a URL says them.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use runtime_core::{Error, Result};
use url::Url;

use crate::engine::{EngineOptions, Isolation};

/// Name of the environment variable below whose directory engines keep their state, each in one of its own, for a
/// sweeper to find what a killed process has left. Options and URL go before it.
pub const STATE_DIR_VARIABLE: &str = "WHARF_STATE_DIR";

/// How a [`MemoryDriver`](super::MemoryDriver) is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryOptions {
    /// Where the engine's state lives: a directory that is empty or missing, removed at the end. `None`: a new one below
    /// [`STATE_DIR_VARIABLE`], else a temporary one.
    pub state_dir: Option<PathBuf>,
    /// Forces an isolation. `None`: the strongest that works here.
    pub isolation: Option<Isolation>,
}

impl MemoryOptions {
    /// Sets where the state lives.
    #[must_use]
    pub fn with_state_dir(mut self, state_dir: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(state_dir.into());
        self
    }

    /// Forces an isolation.
    #[must_use]
    pub fn with_isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// The options of `memory://` or `memory://?state=DIR`.
    ///
    /// # Errors
    /// `InvalidArgument` for a host, a path, or a key of the query that is unknown or there twice.
    pub fn from_url(url: &Url) -> Result<Self> {
        if url.has_authority() && url.authority() != ""
            || !matches!(url.path(), "" | "/")
            || url.fragment().is_some()
        {
            return Err(Error::invalid(
                "url",
                format!("expected memory:// or memory://?state=DIR, not {url}"),
            ));
        }
        let mut options = Self::default();
        for (key, value) in url.query_pairs() {
            match &*key {
                "state" if value.is_empty() => return Err(Error::invalid("url", "state must not be empty")),
                "state" if options.state_dir.is_some() => {
                    return Err(Error::invalid("url", "state is there twice"));
                }
                "state" => options.state_dir = Some(PathBuf::from(&*value)),
                unknown => {
                    return Err(Error::invalid("url", format!("unknown key {unknown:?}, known is state")));
                }
            }
        }
        Ok(options)
    }

    /// What the engine is started with, given the value of [`STATE_DIR_VARIABLE`].
    pub(super) fn engine_options(self, below: Option<PathBuf>) -> EngineOptions {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let own = |below: PathBuf| {
            let count = STARTED.fetch_add(1, Ordering::Relaxed);
            below.join(format!("memory-{}-{count}", std::process::id()))
        };
        let below = below.filter(|directory| !directory.as_os_str().is_empty());
        EngineOptions { state_dir: self.state_dir.or_else(|| below.map(own)), isolation: self.isolation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<MemoryOptions> {
        MemoryOptions::from_url(&url.parse().unwrap())
    }

    #[test]
    fn urls() {
        assert_eq!(parse("memory://").unwrap(), MemoryOptions::default());
        let options = parse("memory://?state=/var/tmp/a%20b").unwrap();
        assert_eq!(options, MemoryOptions::default().with_state_dir("/var/tmp/a b"));
        for url in [
            "memory://host",
            "memory:///path",
            "memory://?state=",
            "memory://?state=a&state=b",
            "memory://#x",
        ] {
            assert_eq!(parse(url).unwrap_err().field(), Some("url"), "{url}");
        }
        let error = parse("memory://?stat=x").unwrap_err();
        assert!(error.to_string().contains("\"stat\"") && error.to_string().contains("state"), "{error}");
    }

    #[test]
    fn each_engine_has_a_directory_of_its_own_below_the_variables() {
        let below = || Some(PathBuf::from("/state"));
        let one = MemoryOptions::default().engine_options(below()).state_dir.unwrap();
        let other = MemoryOptions::default().engine_options(below()).state_dir.unwrap();
        assert!(one.starts_with("/state") && one != other);
        let said = MemoryOptions::default().with_state_dir("/mine").engine_options(below());
        assert_eq!(said.state_dir, Some(PathBuf::from("/mine")));
        assert_eq!(MemoryOptions::default().engine_options(Some(PathBuf::new())).state_dir, None);
    }
}
