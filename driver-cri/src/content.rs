//! What arrives in a containerd's content store, as this host sees it: CRI itself tells nothing of how far a pull is.
//!
//! containerd writes what it fetches to `ingest/NAME/data` of its content store, a MiB at a time, so a limit must be
//! longer than the slowest connection takes for that. It unpacks a layer into a new directory of its
//! snapshotter, whose place CRI's `ImageFsInfo` tells; the two stores are beside each other. CRI's own numbers of the file
//! system are counted only every 10 s, so the directories are looked at instead.
//!
//! Nothing there says which pull a blob belongs to. So any change counts for every pull: one that stalls is noticed once no
//! other pull of the runtime makes progress either, and one that makes progress is never taken for stalled.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use runtime_core::helpers::single_flight::{Flight, SingleFlight};
use tokio::{runtime::Handle, task::spawn_blocking};

/// Pauses between two looks double from the first to the last. A look that takes long is followed by a longer pause, so that
/// looking never takes more than a tenth of the time.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(50);

/// The directories of a containerd.
#[derive(Debug)]
pub(crate) struct ContentStore {
    ingest: PathBuf,
    snapshots: PathBuf,
    watch: SingleFlight<(), u64, Infallible>,
}

/// What was seen at one look.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Look {
    /// What has arrived of each blob, in bytes.
    arriving: BTreeMap<OsString, u64>,
    /// Files and bytes in each unpacked layer.
    unpacked: BTreeMap<OsString, Usage>,
    /// The layers that changed since the look before.
    busy: BTreeSet<OsString>,
}

type Usage = (u64, u64);

impl ContentStore {
    /// The store beside a snapshotter's directory, if both can be read from here.
    pub(crate) async fn beside(snapshotter: &Path) -> Option<Arc<Self>> {
        let ingest = snapshotter.parent()?.join("io.containerd.content.v1.content/ingest");
        let snapshots = snapshotter.join("snapshots");
        for directory in [&ingest, &snapshots] {
            drop(tokio::fs::read_dir(directory).await.ok()?);
        }
        Some(Arc::new(Self { ingest, snapshots, watch: SingleFlight::default() }))
    }

    /// Watches the store, together with everybody else who does. Each step is a change.
    pub(crate) fn watch(self: &Arc<Self>) -> Flight<u64, Infallible> {
        let store = Arc::clone(self);
        self.watch.join(&Handle::current(), (), |reporter| async move {
            let (mut look, mut changes, mut pause) = (Look::default(), 0, FIRST_PAUSE);
            loop {
                let begun = Instant::now();
                let (looking, before) = (Arc::clone(&store), look.clone());
                // Only a runtime that shuts down ends it early, and this task too.
                let now = spawn_blocking(move || looking.look(&before)).await.unwrap_or_default();
                if now.arriving != look.arriving || now.unpacked != look.unpacked {
                    changes += 1;
                    reporter.report(changes);
                }
                look = now;
                tokio::time::sleep(pause.max(begun.elapsed() * 10)).await;
                pause = LAST_PAUSE.min(pause * 2);
            }
        })
    }

    /// Looks at everything that arrives, and into the layers that may be being unpacked: the newest, and those that changed
    /// since the look before. The others are long done.
    fn look(&self, before: &Look) -> Look {
        let mut look = Look::default();
        for name in names(&self.ingest) {
            let length = fs::metadata(self.ingest.join(&name).join("data")).map_or(0, |data| data.len());
            look.arriving.insert(name, length);
        }
        let layers = names(&self.snapshots);
        // Numbers without leading zeros.
        let newest = layers.iter().max_by_key(|name| (name.len(), *name)).cloned();
        for name in layers {
            let known = before.unpacked.get(&name).copied();
            let usage = match known {
                Some(usage) if newest.as_ref() != Some(&name) && !before.busy.contains(&name) => usage,
                None if before.unpacked.is_empty() && newest.as_ref() != Some(&name) => (0, 0),
                _ => usage(&self.snapshots.join(&name)),
            };
            if known != Some(usage) {
                look.busy.insert(name.clone());
            }
            look.unpacked.insert(name, usage);
        }
        look
    }
}

fn names(directory: &Path) -> Vec<OsString> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect()
}

/// Files and bytes below a directory. What vanishes meanwhile doesn't count.
fn usage(directory: &Path) -> Usage {
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            files += 1;
            if found.is_dir() {
                directories.push(entry.path());
            } else {
                bytes = bytes.saturating_add(found.len());
            }
        }
    }
    (files, bytes)
}

#[cfg(test)]
mod tests {
    use runtime_core::helpers::single_flight::Step;

    use super::*;

    async fn store() -> (tempfile::TempDir, Arc<ContentStore>) {
        let root = tempfile::tempdir().unwrap();
        let snapshotter = root.path().join("io.containerd.snapshotter.v1.overlayfs");
        assert!(ContentStore::beside(&snapshotter).await.is_none());
        fs::create_dir_all(snapshotter.join("snapshots")).unwrap();
        fs::create_dir_all(root.path().join("io.containerd.content.v1.content/ingest")).unwrap();
        let store = ContentStore::beside(&snapshotter).await.unwrap();
        (root, store)
    }

    #[tokio::test]
    async fn whatever_arrives_or_is_unpacked_is_seen() {
        let (_root, store) = store().await;
        let mut last = store.look(&Look::default());
        let mut changed = |what: &str, expected: bool| {
            let now = store.look(&last);
            let is = (&now.arriving, &now.unpacked) != (&last.arriving, &last.unpacked);
            assert_eq!(is, expected, "{what}");
            last = now;
        };
        changed("nothing", false);
        fs::create_dir(store.ingest.join("a")).unwrap();
        changed("a blob begins", true);
        fs::write(store.ingest.join("a/data"), "x").unwrap();
        changed("it grows", true);
        fs::write(store.ingest.join("a/updatedat"), "x").unwrap();
        changed("it is only touched", false);
        fs::remove_dir_all(store.ingest.join("a")).unwrap();
        changed("it is there", true);
        for layer in ["9", "10"] {
            fs::create_dir_all(store.snapshots.join(layer).join("fs")).unwrap();
            changed("a layer begins", true);
        }
        fs::write(store.snapshots.join("10/fs/file"), "x").unwrap();
        changed("a file is unpacked", true);
        fs::write(store.snapshots.join("10/fs/file"), "xy").unwrap();
        changed("it grows", true);
        changed("nothing more", false);
    }

    #[tokio::test]
    async fn those_who_watch_are_told() {
        let (_root, store) = store().await;
        let (mut one, mut two) = (store.watch(), store.watch());
        assert_eq!(one.next().await, Some(Step::Progress(0)));
        fs::create_dir(store.ingest.join("a")).unwrap();
        for watch in [&mut one, &mut two] {
            while watch.next().await != Some(Step::Progress(1)) {}
        }
    }
}
