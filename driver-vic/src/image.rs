//! Images: pulled by the persona, and looked up in what it keeps of them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{future::join_all, stream};
use runtime_core::{
    Call, Context, Error, ErrorKind, FilesystemUsage, ImageFilter, ImageId, ImageMount, ImageStatus,
    ImageStore, Object, Operation, PodId, PullEvent, PullOptions, PullStream, Result,
    helpers::{
        image_ref::ImageReference,
        no_progress,
        pull_policy::{PullDecision, PullPolicy},
        single_flight::{Flight, SingleFlight, Step},
    },
    lost,
    spec::{Bytes, ImageMountSpec, PodSpec, RegistryCredentials},
};
use tokio::runtime::Handle;

use crate::{
    driver::VicDriver,
    image_cache::{ImageCache, ImageConfig, KEY},
    persona::PullLine,
};

/// Pulls that are under way, by image and credentials: each once, however many want it.
pub(crate) type Pulls =
    SingleFlight<(String, Option<RegistryCredentials>), Option<PullEvent>, Result<ImageId>>;

/// A pull that somebody waits for.
type Pull = Flight<Option<PullEvent>, Result<ImageId>>;

#[async_trait]
impl ImageStore for VicDriver {
    async fn pull(&self, cx: &Context, image: &ImageReference, options: &PullOptions) -> Result<PullStream> {
        self.admit(cx, &Call::ImagePull { image, options })?;
        let pull = self.begin_pull(image, options.credentials.clone())?;
        let steps = stream::unfold(Some(pull), |pull| async {
            let mut pull = pull?;
            loop {
                match pull.next().await {
                    Some(Step::Progress(None)) => {}
                    Some(Step::Progress(Some(event))) => return Some((Ok(event), Some(pull))),
                    Some(Step::Done(done)) => return Some((done.map(PullEvent::Done), None)),
                    None => return Some((Err(aborted()), None)),
                }
            }
        });
        Ok(match options.no_progress_limit {
            Some(limit) => cx.bound(no_progress::limited(steps, limit, |_| false)),
            None => cx.bound(steps),
        })
    }

    async fn status(&self, cx: &Context, image: &ImageReference) -> Result<ImageStatus> {
        self.admit(cx, &Call::ImageStatus { image })?;
        let cache = self.image_cache(cx).await?;
        let found = cache.find(image)?.map(ImageConfig::status);
        found.ok_or_else(|| Error::not_found(Object::image(image.to_string())))
    }

    async fn list(&self, cx: &Context, filter: &ImageFilter) -> Result<Vec<ImageStatus>> {
        self.admit(cx, &Call::ImageList { filter })?;
        let wanted = filter.reference.as_deref().map(reference).transpose()?;
        let cache = self.image_cache(cx).await?;
        let fitting =
            cache.all().iter().filter(|image| wanted.as_ref().is_none_or(|one| image.is_named(one)));
        Ok(fitting.map(ImageConfig::status).collect())
    }

    async fn remove(&self, cx: &Context, image: &ImageReference) -> Result<()> {
        self.admit(cx, &Call::ImageRemove { image })?;
        Err(Error::unsupported(Operation::ImageRemove))
    }

    async fn filesystem(&self, cx: &Context) -> Result<Vec<FilesystemUsage>> {
        self.admit(cx, &Call::ImageFilesystem)?;
        Err(Error::unsupported(Operation::ImageFilesystem))
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

impl VicDriver {
    /// What the persona knows of images now. It keeps nothing before its first pull.
    async fn image_cache(&self, cx: &Context) -> Result<ImageCache> {
        match self.client().value(cx, KEY).await? {
            Some(value) => ImageCache::read(&value),
            None => Ok(ImageCache::default()),
        }
    }

    /// The images of a pod's containers, in their order: present by their policies, pulled at the same time, each once.
    ///
    /// # Errors
    /// Every failure: the first one's kind, with the reasons of all.
    pub(crate) async fn images_of(&self, cx: &Context, spec: &PodSpec) -> Result<Vec<ImageConfig>> {
        let mut wanted = Vec::with_capacity(spec.containers.len());
        for (index, container) in spec.containers.iter().enumerate() {
            let image = reference(&container.image.reference)
                .map_err(|error| error.in_field(&format!("containers[{index}].image")))?;
            let policy = container.pull_policy.unwrap_or_else(|| PullPolicy::default_for(&image));
            wanted.push((image, policy));
        }
        let needs_look = wanted.iter().any(|(_, policy)| *policy != PullPolicy::Always);
        let mut cache = if needs_look { self.image_cache(cx).await? } else { ImageCache::default() };
        let mut failures = Failures::default();
        let mut pulls = BTreeMap::new();
        for (image, policy) in &wanted {
            match policy.decide(cache.find(image)?.is_some()) {
                PullDecision::Pull => drop(pulls.insert(image.to_string(), image)),
                PullDecision::UsePresent => {}
                PullDecision::Missing => failures.add(image, not_present()),
            }
        }
        let pulling = pulls.values().map(|image| async { (*image, self.pull_for(cx, spec, image).await) });
        for (image, pulled) in join_all(pulling).await {
            if let Err(error) = pulled {
                failures.add(image, error);
            }
        }
        failures.into_result()?;
        if !pulls.is_empty() {
            cache = self.image_cache(cx).await?;
        }
        let resolved =
            wanted.iter().map(|(image, _)| cache.find(image)?.cloned().ok_or_else(|| unknown(image)));
        resolved.collect()
    }

    async fn pull_for(&self, cx: &Context, spec: &PodSpec, image: &ImageReference) -> Result<ImageId> {
        let credentials = spec.credentials_for(image.registry()).cloned();
        let pull = self.begin_pull(image, credentials)?;
        cx.run(async { pull.finish().await.unwrap_or_else(|| Err(aborted())) }).await
    }

    fn begin_pull(&self, image: &ImageReference, credentials: Option<RegistryCredentials>) -> Result<Pull> {
        let persona = self.persona()?.clone();
        let (driver, key) = (self.clone(), (image.to_string(), credentials.clone()));
        let image = image.clone();
        Ok(self.pulls().join(&Handle::current(), key, |reporter| async move {
            let cx = Context::background();
            let report = |line: &PullLine| {
                if let Some(event) = progress(line) {
                    reporter.report(Some(event));
                }
            };
            persona
                .pull(&cx, &image, credentials.as_ref(), report)
                .await
                .map_err(|error| error.with_object(Object::image(image.to_string())))?;
            // What the persona says it has it may be writing down.
            let found = lost::wait_for(|| async {
                Ok(driver.image_cache(&cx).await?.find(&image)?.map(|image| ImageId::new(image.id())))
            });
            found.await.ok_or_else(|| unknown(&image))
        }))
    }
}

/// Reasons of several images.
#[derive(Default)]
struct Failures(Vec<(String, Error)>);

impl Failures {
    fn add(&mut self, image: &ImageReference, error: Error) {
        let name = image.to_string();
        if self.0.iter().all(|(known, _)| *known != name) {
            self.0.push((name, error));
        }
    }

    fn into_result(mut self) -> Result<()> {
        if self.0.len() < 2 {
            return self
                .0
                .pop()
                .map_or(Ok(()), |(image, error)| Err(error.with_object(Object::image(image))));
        }
        let reasons: Vec<_> =
            self.0.iter().map(|(image, error)| format!("{image}: {}", error.message())).collect();
        // Trying again helps if it helps with every one; and the kind is that of one with which it does not.
        let transient = self.0.iter().all(|(_, error)| error.is_transient());
        let worst = self.0.iter().find(|(_, error)| transient || !error.is_transient());
        let kind = worst.map_or(ErrorKind::Failed, |(_, error)| error.kind());
        let message = format!("{} images can't be had: {}", reasons.len(), reasons.join("; "));
        Err(Error::new(kind, message).with_transient(transient))
    }
}

/// What a line tells of a layer.
fn progress(line: &PullLine) -> Option<PullEvent> {
    let amount = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0).map(Bytes);
    let received = amount(line.progress_detail.current)?;
    (!line.id.is_empty()).then(|| PullEvent::Progress {
        part: line.id.clone(),
        received,
        total: amount(line.progress_detail.total),
    })
}

fn reference(text: &str) -> Result<ImageReference> {
    text.parse().map_err(|error| Error::invalid("reference", error))
}

fn not_present() -> Error {
    Error::new(ErrorKind::NotFound, "is not present, and must not be pulled")
}

fn unknown(image: &ImageReference) -> Error {
    let message = "the persona says that it has pulled the image, and does not know it";
    Error::new(ErrorKind::Protocol, message).with_object(Object::image(image.to_string()))
}

fn aborted() -> Error {
    Error::new(ErrorKind::Unexpected, "the pull was given up")
}

#[cfg(test)]
mod tests;
