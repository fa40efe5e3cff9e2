//! The nydus driver: against a stand-in for the daemon, and against the daemon itself in both of its modes.

mod ends;
mod faults;
mod holdings;
mod image;
mod in_fuse;
mod in_virtiofs;
mod options;
mod own;
mod programs;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::BoxFuture;
use testkit::{
    conformance::{Case, Connect, Connected, RealSystem, Reconnect, state_dir},
    fake_nydusd,
};
use wharf::{Capability, Driver, Error, Result};

use crate::unusable;

/// The stand-in.
pub(crate) const STUB: &str = env!("CARGO_BIN_EXE_fake-nydusd");

/// Cases of each setup's own.
pub(crate) const ON_THE_FAKE: &[&[Case]] =
    &[ends::CASES, options::CASES, in_virtiofs::CASES, programs::CASES, faults::CASES];
pub(crate) const ON_A_REAL_DAEMON: &[&[Case]] =
    &[ends::CASES, options::CASES, in_virtiofs::CASES, programs::CASES];
pub(crate) const IN_FUSE_MODE: &[&[Case]] = &[ends::CASES, options::CASES, programs::CASES, in_fuse::CASES];

const NO_RUNTIME: &str = "each pod is a daemon of its own: there is nothing behind them to be killed";
const NO_PROXY: &str = "each daemon makes its own socket";

/// Daemons that are the stand-in.
pub(crate) async fn fake() -> Result<Connected> {
    Daemons::new("k", "virtiofs", STUB.into())
        .connected(image::Maker::Fake, fake_nydusd::LACKS.to_vec())
        .await
}

/// nydusd in virtio-fs mode.
pub(crate) async fn virtiofs(system: RealSystem) -> Result<Connected> {
    real("virtiofs", &system).await
}

/// nydusd in FUSE mode.
pub(crate) async fn fuse(system: RealSystem) -> Result<Connected> {
    real("fuse", &system).await
}

async fn real(mode: &'static str, system: &RealSystem) -> Result<Connected> {
    let (daemon, maker) = match find("WHARF_NYDUSD", "nydusd") {
        Some(daemon) => {
            let beside = daemon.with_file_name("nydus-image");
            let maker =
                if beside.is_file() { Some(beside) } else { find("WHARF_NYDUS_IMAGE", "nydus-image") };
            (daemon, maker.ok_or_else(|| missing("nydus-image"))?)
        }
        // What the driver can do is the same whatever the program.
        None if system.only_asked => (PathBuf::from(STUB), PathBuf::new()),
        None => return Err(missing("nydusd")),
    };
    Daemons::new(&mode[..1], mode, daemon).connected(image::Maker::Real(maker), Vec::new()).await
}

fn missing(program: &str) -> Error {
    Error::invalid("PATH", format!("there is no {program} in it"))
}

/// A program by a variable that names it, or in `PATH`.
fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable).filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
}

/// A work directory and the program that runs there.
#[derive(Debug, Clone)]
struct Daemons {
    work_dir: PathBuf,
    mode: &'static str,
    nydusd: PathBuf,
}

impl Daemons {
    fn new(name: &str, mode: &'static str, nydusd: PathBuf) -> Self {
        // A socket's path has to be short, and the directory is the run's own.
        let work_dir = state_dir().join(format!("n{name}{}", std::process::id()));
        Self { work_dir, mode, nydusd }
    }

    async fn connected(
        self,
        maker: image::Maker,
        lacks: Vec<(Capability, &'static str)>,
    ) -> Result<Connected> {
        let guard = RemovedAtTheEnd(self.work_dir.clone());
        let work_dir = self.work_dir.clone();
        Ok(Connected {
            namespace: crate::NAMESPACE.to_owned(),
            toolbox_in_images: false,
            driver: self.connect(&[]).await?,
            reconnect: self.reconnect(),
            connect_with: Ok(self.connect_with()),
            proxied: Err(NO_PROXY),
            runtime: Err(NO_RUNTIME),
            holdings: Ok(Box::new(move || {
                let found = holdings::below(&work_dir).map_err(unusable);
                Box::pin(std::future::ready(found))
            })),
            mountable: Ok(Box::new(move |content, place| maker.make(content, place))),
            lacks,
            guard: Box::new(guard),
        })
    }

    fn connect(&self, options: &[(&str, &str)]) -> BoxFuture<'static, Result<Arc<dyn Driver>>> {
        let nydusd = self.nydusd.display().to_string();
        let own = [("mode", self.mode), ("nydusd", nydusd.as_str())];
        let own = own.iter().filter(|(key, _)| options.iter().all(|(other, _)| other != key));
        let all = own.chain(options.iter().filter(|(_, value)| !value.is_empty()));
        let query: Vec<_> = all.map(|(key, value)| format!("{key}={value}")).collect();
        let url = format!("nydus://{}?{}", self.work_dir.display(), query.join("&"));
        Box::pin(async move { wharf::registry().connect(&url).await })
    }

    fn reconnect(&self) -> Reconnect {
        let daemons = self.clone();
        Box::new(move || daemons.connect(&[]))
    }

    fn connect_with(&self) -> Connect {
        let daemons = self.clone();
        Box::new(move |options| daemons.connect(options))
    }
}

/// The work directory, which the driver leaves when nothing runs in it.
struct RemovedAtTheEnd(PathBuf);

impl Drop for RemovedAtTheEnd {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Never descends into what is mounted there: that would be somebody's files.
fn remove(directory: &Path) {
    if holdings::mounts_below(directory).is_ok_and(|mounts| mounts.is_empty()) {
        _ = std::fs::remove_dir_all(directory);
    }
}
