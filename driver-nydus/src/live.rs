//! A pod whose daemon runs, as what is mounted on it needs it.

use std::path::{Path, PathBuf};

use runtime_core::{Context, PodId, Result};

use crate::{api::Client, driver::NydusDriver};

/// A pod whose daemon runs.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// The daemon's API.
    pub(crate) client: Client,
    /// Where the daemon's files are on this host, in fuse mode.
    pub(crate) files: Option<PathBuf>,
}

impl Live {
    /// Where a mountpoint is on this host.
    pub(crate) fn path(&self, mountpoint: &str) -> Option<PathBuf> {
        let inside = Path::new(mountpoint).strip_prefix("/").ok()?;
        Some(self.files.as_ref()?.join(inside))
    }
}

impl NydusDriver {
    /// A pod whose daemon runs: missing is `NotFound`, not running `InvalidState`.
    pub(crate) async fn live(&self, cx: &Context, pod: &PodId) -> Result<Live> {
        let running = cx.run(self.running(pod)).await?;
        Ok(Live {
            client: running.client().clone(),
            files: running.places().mountpoint().map(Path::to_owned),
        })
    }
}
