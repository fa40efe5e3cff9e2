//! Mounting images on a daemon that runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;
use runtime_core::{Context, Error, ErrorKind, ImageMount, Janitor, Leftover, Object, PodId, Result};

use crate::{
    api::{DaemonMount, Failure, MountRequest, Outcome, id_of, image_at},
    io_error::failed,
    live::Live,
    process::fuse,
    rafs::without_secrets,
    source::check_source,
    state::blocking,
};

/// What the daemon calls the form of images.
const RAFS: &str = "Rafs";

/// What fails when the kernel keeps files of the image before.
const FORGET: &str =
    "have the kernel forget the image before; the new one is mounted, but old files may be read";

/// Mounts. Whatever goes wrong, either the caller learns of the mount or it is taken away again.
pub(crate) async fn mount(
    cx: &Context,
    janitor: &Janitor,
    live: Live,
    pod: &PodId,
    id: &str,
    request: MountRequest,
) -> Result<ImageMount> {
    check_source(cx, &request.source).await?;
    let (pod, id) = (pod.clone(), id.to_owned());
    let body = move |cx: Context, recorder: runtime_core::Recorder| async move {
        let attempt = Attempt::new(&id).on(live);
        let undone = attempt.clone();
        recorder.record(attempt.what.leftover(&pod), move |cx, _| async move { undone.undo(&cx).await });
        attempt.make(&cx, &request).await?;
        // Of an image that was there before something may have been in use when it went.
        forget(&attempt.live).await?;
        let Attempt { mountpoint, began } = &attempt.what;
        Ok(told(&attempt.live, &pod, &id, mountpoint, Some(*began)))
    };
    janitor.transact(cx, body).await
}

/// Puts another image in the place of a mounted one.
pub(crate) async fn remount(
    cx: &Context,
    live: &Live,
    pod: &PodId,
    id: &str,
    request: &MountRequest,
) -> Result<ImageMount> {
    if !request.prefetch.is_empty() {
        return Err(
            Error::unsupported("fetching files ahead while mounting anew").with_field("spec.prefetch")
        );
    }
    check_source(cx, &request.source).await?;
    let mountpoint = image_at(id);
    let began = Timestamp::now();
    match live.client.remount(cx, &mountpoint, request).await {
        Ok(()) => {
            forget(live).await?;
            Ok(told(live, pod, id, &mountpoint, Some(began)))
        }
        Err(failure) => match mounted(cx, live, &failure, &mountpoint).await {
            Some(false) => Err(not_mounted(id)),
            _ => Err(shown(failure, request)),
        },
    }
}

/// Takes an image away; not mounted is `Ok`.
pub(crate) async fn unmount(cx: &Context, live: &Live, id: &str) -> Result<()> {
    live.client.unmount(cx, &image_at(id)).await?;
    forget(live).await
}

/// The kernel keeps what it read of an image, and would show it in the place of the next one. Files and directories that are
/// in use stay what they are.
async fn forget(live: &Live) -> Result<()> {
    let Some(files) = live.files.clone() else { return Ok(()) };
    blocking(move || fuse::forget(&files).map_err(|error| failed(FORGET, error))).await
}

/// The images that are mounted.
pub(crate) async fn list(cx: &Context, live: &Live, pod: &PodId) -> Result<Vec<ImageMount>> {
    let info = match live.client.info(cx).await {
        Err(failure) if failure.outcome == Outcome::Gone => return Ok(Vec::new()),
        info => info?,
    };
    let images = info.mounts.values().filter(|mount| mount.backend_type == RAFS);
    Ok(images.filter_map(|mount| image(live, pod, mount)).collect())
}

/// What a call left behind: on which pod, and what.
pub(crate) fn left(leftover: &Leftover) -> Result<(PodId, Attempt)> {
    let read = || {
        let (pod, id) = leftover.object.id.split_once('/')?;
        let mountpoint = image_at(id);
        id_of(&mountpoint)?;
        let began = leftover.create_mark.as_deref()?.parse().ok()?;
        Some((PodId::new(pod), Attempt { mountpoint, began }))
    };
    read().ok_or_else(|| Error::invalid("leftovers", format!("{leftover} is no mount that was left behind")))
}

/// One try to mount an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    mountpoint: String,
    began: Timestamp,
}

/// A try on a daemon.
#[derive(Clone)]
pub(crate) struct OnDaemon {
    what: Attempt,
    live: Live,
    /// The daemon said no, or never heard of it.
    refused: Arc<AtomicBool>,
}

impl Attempt {
    fn new(id: &str) -> Self {
        Self { mountpoint: image_at(id), began: Timestamp::now() }
    }

    pub(crate) fn on(self, live: Live) -> OnDaemon {
        OnDaemon { what: self, live, refused: Arc::default() }
    }

    /// Mounts have no mark of their own; the time tells one from an older one.
    fn leftover(&self, pod: &PodId) -> Leftover {
        let id = id_of(&self.mountpoint).unwrap_or_default();
        Leftover::marked(Object::image(format!("{pod}/{id}")), self.began.to_string())
    }
}

impl OnDaemon {
    async fn make(&self, cx: &Context, request: &MountRequest) -> Result<()> {
        let Err(failure) = self.live.client.mount(cx, &self.what.mountpoint, request).await else {
            return Ok(());
        };
        self.refused.store(failure.outcome != Outcome::Unknown, Ordering::SeqCst);
        match mounted(cx, &self.live, &failure, &self.what.mountpoint).await {
            Some(true) => {
                let id = id_of(&self.what.mountpoint).unwrap_or(&self.what.mountpoint);
                Err(Error::new(ErrorKind::AlreadyExists, format!("an image is mounted as {id} already")))
            }
            _ => Err(shown(failure, request)),
        }
    }

    /// Takes away what this try may have mounted. What was mounted before it is another's.
    ///
    /// The daemon does one thing after the other, so whatever became of the try is settled when it answers this.
    pub(crate) async fn undo(&self, cx: &Context) -> Result<()> {
        if self.refused.load(Ordering::SeqCst) {
            return Ok(());
        }
        let info = match self.live.client.info(cx).await {
            Err(failure) if failure.outcome == Outcome::Gone => return Ok(()),
            info => info?,
        };
        match info.mounts.get(&self.what.mountpoint) {
            Some(mount) if mount.mounted_at.is_none_or(|at| at >= self.what.began) => {
                self.live.client.unmount(cx, &self.what.mountpoint).await?;
                forget(&self.live).await
            }
            _ => Ok(()),
        }
    }
}

/// Asks the daemon what its refusal is about, as it has no codes: whether something is mounted there.
async fn mounted(cx: &Context, live: &Live, failure: &Failure, mountpoint: &str) -> Option<bool> {
    if failure.outcome != Outcome::Refused || failure.error.kind() != ErrorKind::Failed {
        return None;
    }
    let info = live.client.info(cx).await.ok()?;
    Some(info.mounts.contains_key(mountpoint))
}

/// The daemon's words, without what it was given to keep to itself.
fn shown(failure: Failure, request: &MountRequest) -> Error {
    let Failure { error, outcome } = failure;
    if outcome != Outcome::Refused {
        return error;
    }
    let message = without_secrets(error.message(), request.config.expose());
    let clean = Error::new(error.kind(), message).with_transient(error.is_transient());
    error.context().iter().fold(clean, |clean, (key, value)| clean.with_context(key, value))
}

fn not_mounted(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no image is mounted as {id}"))
}

fn image(live: &Live, pod: &PodId, mount: &DaemonMount) -> Option<ImageMount> {
    let id = id_of(&mount.mountpoint)?;
    Some(told(live, pod, id, &mount.mountpoint, mount.mounted_at))
}

fn told(live: &Live, pod: &PodId, id: &str, mountpoint: &str, at: Option<Timestamp>) -> ImageMount {
    let mut image = ImageMount::new(id, pod.clone(), mountpoint);
    image.path = live.path(mountpoint);
    image.mounted_at = at;
    image
}

#[cfg(test)]
mod tests;
