//! The files below the work directory.

mod files;
mod names;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use runtime_core::{Error, ErrorKind, PodId, Result};
use tokio::task::spawn_blocking;

use self::files::{private, read, unless_gone, write, write_temporary};
use super::{Claim, Ended, Found, Record, Started, Stopping};
use crate::{io_error::failed, process::fuse};

const RECORD: &str = "record.json";
const STARTED: &str = "process.json";
const STOPPING: &str = "stop.json";
const ENDED: &str = "exit.json";

/// Before the id, in the name of a directory that is being made.
const NEW: &str = ".new-";
/// Before the id, in the name of a directory that is being removed.
const GONE: &str = ".gone-";

/// How long a directory without a record may be there: whoever makes one writes the record next.
const RECORD_TIMEOUT: Duration = Duration::from_secs(60);

/// A work directory. Its methods wait for the disk.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: Arc<Path>,
}

/// Runs what waits for the disk where that keeps nobody waiting.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| {
        Error::new(ErrorKind::Unexpected, "the runtime shut down or the call panicked").with_source(error)
    })?
}

impl Store {
    /// Takes a directory, which is made if it isn't there, and sweeps what crashes left in it.
    ///
    /// # Errors
    /// `InvalidArgument` for a path that is no directory, that can't be made one, or that isn't UTF-8, which the daemon's API
    /// can't speak of.
    pub(crate) fn open(work_dir: &Path) -> Result<Self> {
        let invalid = |message: String| Error::invalid("work_dir", message);
        if let Err(error) = private().recursive(true).create(work_dir) {
            return Err(invalid(format!("can't make {}: {error}", work_dir.display())).with_source(error));
        }
        let root = fs::canonicalize(work_dir).map_err(|error| {
            invalid(format!("can't look at {}: {error}", work_dir.display())).with_source(error)
        })?;
        if !root.is_dir() {
            return Err(invalid(format!("{} is not a directory", root.display())));
        }
        if root.to_str().is_none() {
            return Err(invalid(format!("{} is not UTF-8", root.display())));
        }
        let store = Self { root: root.into() };
        for directory in [store.pods(), store.names()] {
            private()
                .recursive(true)
                .create(&directory)
                .map_err(|error| failed(format_args!("make {}", directory.display()), error))?;
        }
        store.sweep().map_err(|error| failed("sweep the work directory", error))?;
        Ok(store)
    }

    /// Where all pods are.
    pub(crate) fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// A pod's own directory.
    pub(crate) fn pod(&self, id: &PodId) -> PathBuf {
        self.pods().join(id.as_str())
    }

    /// The file with a daemon's output.
    pub(crate) fn log(&self, id: &PodId) -> PathBuf {
        self.pod(id).join("log")
    }

    /// Makes a pod's files, if nobody has any of its claims. `Err` within says who has one, and which.
    pub(crate) fn create(&self, record: &Record) -> Result<Result<(), (Claim, PodId)>> {
        let (new, directory) = (self.hidden(NEW, &record.id), self.pod(&record.id));
        let made = (|| {
            private().create(&new)?;
            for name in ["share", "mnt"] {
                private().create(new.join(name))?;
            }
            write(&new, RECORD, record)?;
            for claim in Claim::all(record, &directory) {
                if let Some(holder) = self.claim(&claim, &record.id)? {
                    return Ok(Err((claim, holder)));
                }
            }
            fs::rename(&new, &directory).map(Ok)
        })();
        if !matches!(made, Ok(Ok(()))) {
            let released = self.release_all(record);
            let removed = fs::remove_dir_all(&new);
            for error in [released, removed].into_iter().filter_map(io::Result::err) {
                tracing::debug!(%error, pod = %record.id, "can't remove what was being made");
            }
        }
        made.map_err(|error| failed("make the pod's files", error))
    }

    /// Writes that a daemon was started.
    pub(crate) fn set_started(&self, id: &PodId, started: &Started) -> Result<()> {
        write(&self.pod(id), STARTED, started).map_err(|error| failed("write who the daemon is", error))
    }

    /// Writes that somebody asked for its end. Gone already is fine.
    pub(crate) fn set_stopping(&self, id: &PodId, stopping: &Stopping) -> Result<()> {
        unless_gone(write(&self.pod(id), STOPPING, stopping))
            .map_err(|error| failed("write that it is to end", error))
    }

    /// Writes how it ended. Gone already is fine.
    pub(crate) fn set_ended(&self, id: &PodId, ended: &Ended) -> Result<()> {
        unless_gone(write(&self.pod(id), ENDED, ended)).map_err(|error| failed("write how it ended", error))
    }

    /// Writes how it ended, unless somebody who knows better did. Gone already is fine.
    pub(crate) fn set_ended_unless_known(&self, id: &PodId, ended: &Ended) -> Result<()> {
        let directory = self.pod(id);
        let written = (|| {
            let temporary = write_temporary(&directory, ENDED, ended)?;
            let linked = match fs::hard_link(&temporary, directory.join(ENDED)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            };
            linked.and(fs::remove_file(&temporary))
        })();
        unless_gone(written).map_err(|error| failed("write how it ended", error))
    }

    /// How it ended, if somebody wrote that.
    pub(crate) fn ended(&self, id: &PodId) -> Result<Option<Ended>> {
        read(&self.pod(id), ENDED).map_err(|error| failed("read how it ended", error))
    }

    /// What is known of a pod; `None` if there is no such pod, or what is there is no pod.
    pub(crate) fn find(&self, id: &PodId) -> Result<Option<Found>> {
        // Ids are names of directories, and callers may give anything.
        if !is_id(id.as_str()) {
            return Ok(None);
        }
        let directory = self.pod(id);
        let found = (|| {
            let Some(record) = read::<Record>(&directory, RECORD)? else { return Ok(None) };
            if record.id != *id {
                return Ok(None);
            }
            // The end last: it is never there without what came before.
            let ended = read(&directory, ENDED)?;
            let stopping = read(&directory, STOPPING)?;
            let started = read(&directory, STARTED)?;
            Ok(Some(Found { record, started, stopping, ended }))
        })();
        found.map_err(|error| failed("read the pod's files", error))
    }

    /// All pods.
    pub(crate) fn all(&self) -> Result<Vec<Found>> {
        let mut all = Vec::new();
        for id in self.ids().map_err(|error| failed("list the work directory", error))? {
            all.extend(self.find(&id)?);
        }
        Ok(all)
    }

    /// The directories of all pods.
    pub(crate) fn directories(&self) -> Result<Vec<PathBuf>> {
        let ids = self.ids().map_err(|error| failed("list the work directory", error))?;
        Ok(ids.iter().map(|id| self.pod(id)).collect())
    }

    /// Removes a pod's files, and gives back what it claimed. Gone already is fine.
    ///
    /// # Errors
    /// `InvalidState` if something is mounted below: what is there is not the pod's.
    pub(crate) fn remove(&self, record: &Record) -> Result<()> {
        let directory = self.pod(&record.id);
        let below = fuse::below(&directory).map_err(|error| failed("look for mounts", error))?;
        if let Some(mounted) = below {
            let message = format!("something is mounted at {}, unmount it first", mounted.display());
            return Err(Error::new(ErrorKind::InvalidState, message));
        }
        let gone = self.hidden(GONE, &record.id);
        let removed = unless_gone(fs::rename(&directory, &gone))
            .and_then(|()| self.release_all(record))
            .and_then(|()| unless_gone(fs::remove_dir_all(&gone)));
        removed.map_err(|error| failed("remove the pod's files", error))
    }

    /// Removes what a try to make or remove a pod left because it failed half done.
    pub(crate) fn discard(&self, id: &PodId) -> Result<()> {
        if !is_id(id.as_str()) {
            return Ok(());
        }
        let left = [NEW, GONE].map(|prefix| unless_gone(fs::remove_dir_all(self.hidden(prefix, id))));
        left.into_iter().collect::<io::Result<()>>().map_err(|error| failed("remove the pod's files", error))
    }

    /// Whether a pod is there or being made. It is made under the one name and then gets the other, so they are looked at in
    /// this order.
    fn exists(&self, id: &PodId) -> io::Result<bool> {
        if !is_id(id.as_str()) {
            return Ok(false);
        }
        Ok(self.is_being_made(&self.hidden(NEW, id))? || self.pod(id).try_exists()?)
    }

    fn is_being_made(&self, new: &Path) -> io::Result<bool> {
        match read::<Record>(new, RECORD)? {
            Some(record) => record.creator.is_alive(),
            None => match fs::metadata(new) {
                Ok(found) => Ok(found.modified()?.elapsed().unwrap_or_default() < RECORD_TIMEOUT),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.pods())? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_left = name.starts_with(GONE)
                || (name.starts_with(NEW) && !self.is_being_made(&entry.path()).unwrap_or(true));
            if is_left && fuse::below(&entry.path())?.is_none() {
                unless_gone(fs::remove_dir_all(entry.path()))?;
            }
        }
        Ok(())
    }

    fn ids(&self) -> io::Result<Vec<PodId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(self.pods())? {
            ids.extend(entry?.file_name().to_str().filter(|name| is_id(name)).map(PodId::new));
        }
        Ok(ids)
    }

    fn names(&self) -> PathBuf {
        self.root.join("names")
    }

    fn hidden(&self, prefix: &str, id: &PodId) -> PathBuf {
        self.pods().join(format!("{prefix}{id}"))
    }
}

/// An id that no pod has had.
pub(crate) fn new_id() -> io::Result<PodId> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    Ok(PodId::new(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

fn is_id(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests;
