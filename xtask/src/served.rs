//! What `wharf-testkit` serves for as long as somebody needs it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};

use crate::cargo;
use crate::failure::{Failure, Result};
use crate::process;

/// A server of images, alone or with a fake cluster beside it; it ends with this value.
pub(crate) struct Served {
    server: Child,
    address: SocketAddr,
}

impl Served {
    /// The images alone.
    pub(crate) fn registry() -> Result<Self> {
        Self::start(&["serve".as_ref()])
    }

    /// A fake cluster, with its kubeconfig and its pods' files in `dir`.
    pub(crate) fn cluster(dir: &Path) -> Result<Self> {
        Self::start(&["cluster".as_ref(), "--dir".as_ref(), dir.as_os_str()])
    }

    fn start(arguments: &[&OsStr]) -> Result<Self> {
        let programs = cargo::programs()?;
        let mut command = process::tied(&programs.testkit);
        // It serves until its stdin ends, so even a killed xtask leaves none behind.
        command
            .args(arguments)
            .env("WHARF_GUEST", &programs.guest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut server = command
            .spawn()
            .map_err(|error| Failure::failed(format!("cannot start wharf-testkit: {error}")))?;
        let mut line = String::new();
        if let Some(stdout) = server.stdout.take() {
            // What can't be read is an empty line, and that is no address.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        match line.trim().parse() {
            Ok(address) => Ok(Self { server, address }),
            Err(_) => {
                end(&mut server);
                Err(Failure::failed(format!("wharf-testkit did not say where it listens: `{}`", line.trim())))
            }
        }
    }

    /// The reference of one of its images.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}:1", self.address)
    }

    /// How it ended, if it did so by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.server.try_wait().ok().flatten()
    }

    /// Ends it and waits, so that it can clear what it has.
    pub(crate) fn finish(mut self) {
        drop(self.server.stdin.take());
        let _ = self.server.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        end(&mut self.server);
    }
}

fn end(server: &mut Child) {
    let _ = server.kill();
    let _ = server.wait();
}
