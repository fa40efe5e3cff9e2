//! Images.

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use runtime_core::{
    Call, Context, Error, FilesystemUsage, ImageFilter, ImageId, ImageMount, ImageStatus, ImageStore, Object,
    Operation, PodId, PullEvent, PullOptions, PullStream, Result,
    helpers::{image_ref::ImageReference, no_progress},
    spec::{Bytes, ImageMountSpec},
};

use super::{MemoryDriver, error::convert, translate};
use crate::engine::{EngineError, LayerProgress, PullEvent as EnginePullEvent};

#[async_trait]
impl ImageStore for MemoryDriver {
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream> {
        self.admit(cx, &Call::ImagePull { image, options })?;
        let credentials = options.credentials.as_ref().map(translate::credentials).transpose()?;
        let mut known: Vec<LayerProgress> = Vec::new();
        let pull = self.engine().pull(&image.to_string(), credentials).map_err(convert);
        // The engine tells of nothing but changes.
        let pull = match options.no_progress_limit {
            Some(limit) => no_progress::limited(pull, limit, has_arrived),
            None => pull.boxed(),
        };
        let named = Object::image(image.to_string());
        let events = pull.flat_map(move |event| {
            stream::iter(match event {
                Err(error) => vec![Err(error.with_object(named.clone()))],
                Ok(EnginePullEvent::Done(record)) => vec![Ok(PullEvent::Done(ImageId::new(&record.id)))],
                Ok(EnginePullEvent::Progress(layers)) => {
                    let news = layers.iter().filter(|layer| !known.contains(layer)).map(progress).collect();
                    known = layers;
                    news
                }
            })
        });
        Ok(cx.bound(events))
    }

    async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus> {
        self.admit(cx, &Call::ImageStatus { image })?;
        let record = self.engine().image(&image.to_string()).map_err(convert)?;
        Ok(translate::image_status(&record))
    }

    async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>> {
        self.admit(cx, &Call::ImageList { filter })?;
        let records = match &filter.reference {
            None => self.engine().images(),
            Some(reference) => match self.engine().image(reference) {
                Err(EngineError::NotFound { .. }) => Vec::new(),
                found => vec![found.map_err(convert)?],
            },
        };
        Ok(records.iter().map(|record| translate::image_status(record)).collect())
    }

    async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()> {
        self.admit(cx, &Call::ImageRemove { image })?;
        self.call(cx, self.engine().remove_image(&image.to_string())).await.map(drop)
    }

    async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>> {
        self.admit(cx, &Call::ImageFilesystem)?;
        let (bytes, files) = self.call(cx, self.engine().image_usage()).await?;
        let mut usage = FilesystemUsage::new(self.engine().state_dir());
        usage.used = Some(Bytes(bytes));
        usage.inodes_used = Some(files);
        usage.measured_at = Some(jiff::Timestamp::now());
        Ok(vec![usage])
    }

    async fn mount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.admit(cx, &Call::ImageMount { pod, spec })?;
        Err(Error::unsupported(Operation::ImageMount))
    }

    async fn unmount(&self, cx: &Context, pod: &PodId, id: &str) -> Result<()> {
        self.admit(cx, &Call::ImageUnmount { pod, id })?;
        Err(Error::unsupported(Operation::ImageUnmount))
    }

    async fn remount(&self, cx: &Context, pod: &PodId, spec: &ImageMountSpec) -> Result<ImageMount> {
        self.admit(cx, &Call::ImageRemount { pod, spec })?;
        Err(Error::unsupported(Operation::ImageRemount))
    }

    async fn mounts(&self, cx: &Context, pod: &PodId) -> Result<Vec<ImageMount>> {
        self.admit(cx, &Call::ImageMounts { pod })?;
        Err(Error::unsupported(Operation::ImageMounts))
    }
}

/// Whether what is left is to be unpacked.
fn has_arrived(event: &EnginePullEvent) -> bool {
    let EnginePullEvent::Progress(layers) = event else { return true };
    !layers.is_empty() && layers.iter().all(|layer| layer.done_bytes >= layer.total_bytes)
}

fn progress(layer: &LayerProgress) -> Result<PullEvent> {
    Ok(PullEvent::Progress {
        part: layer.digest.clone(),
        received: Bytes(layer.done_bytes),
        total: Some(Bytes(layer.total_bytes)),
    })
}
