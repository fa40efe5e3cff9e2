//! What the driver is told on standard output: marks that carry its nonce, so that nothing else can be taken for one.

use std::io::{self, Write};

use super::failure::Failure;
use crate::procfs::Stat;

/// Writes the marks of one conversation.
pub(crate) struct Marker<'n>(&'n str);

impl<'n> Marker<'n> {
    /// With this nonce, if it can be one.
    pub(crate) fn new(nonce: &'n str) -> Option<Self> {
        (!nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(Self(nonce))
    }

    /// A line was read.
    pub(crate) fn say_read(&self) -> io::Result<()> {
        self.say("+")
    }

    /// The command follows, as this process.
    pub(crate) fn say_ready(&self) -> io::Result<()> {
        let pid = std::process::id();
        let start_time = i32::try_from(pid).ok().and_then(Stat::of).map_or(0, |stat| stat.start_time);
        self.say(&format!("ready:{pid}:{start_time}"))
    }

    /// There will be no command.
    pub(crate) fn say_failed(&self, failure: &Failure) -> io::Result<()> {
        self.say(&format!("fail:{}:{}", failure.code, failure.errno))
    }

    /// In one piece, so that a terminal's echo can't come in between.
    fn say(&self, what: &str) -> io::Result<()> {
        let mut stdout = io::stdout();
        stdout.write_all(format!("<wharf:{}:{what}>", self.0).as_bytes())?;
        stdout.flush()
    }
}
