//! Pulls on their way: callers who want the same image from the same hand share one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use runtime_core::helpers::single_flight::{self, SingleFlight, Step};

use super::pull::fetch;
use super::{Credentials, HOST_IMAGE, ImageRecord, Reference};
use crate::engine::{Engine, EngineError};

/// A pull, as a stream that ends with [`PullEvent::Done`] or an error. When everybody who shares it has dropped
/// theirs, it is given up and leaves nothing behind.
pub struct Pull(BoxStream<'static, Result<PullEvent, EngineError>>);

/// News of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEvent {
    /// How far the layers are; empty until the manifest is there. A slow reader misses some.
    Progress(Vec<LayerProgress>),
    /// The image is here.
    Done(Arc<ImageRecord>),
}

/// How far a layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerProgress {
    /// Its digest.
    pub digest: String,
    /// Bytes that have come.
    pub done_bytes: u64,
    /// Bytes that are to come in all.
    pub total_bytes: u64,
}

impl Engine {
    /// Pulls an image from a registry on loopback, over plain HTTP. The built-in image is always here. Nothing happens
    /// unless the pull is polled once. Fault name `pull_image`.
    pub fn pull(&self, reference: &str, credentials: Option<Credentials>) -> Pull {
        let engine = self.clone();
        let reference = reference.to_owned();
        let opened = async move {
            match engine.join_flight(&reference, credentials) {
                Ok(Joined::Here(record)) => stream::iter([Ok(PullEvent::Done(record))]).boxed(),
                Ok(Joined::Flight(flight)) => events(flight),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        Pull(stream::once(opened).flatten().boxed())
    }

    fn join_flight(&self, text: &str, credentials: Option<Credentials>) -> Result<Joined, EngineError> {
        let shared = self.shared();
        shared.check_open()?;
        let reference = Reference::parse(text)?;
        if reference.to_string() == HOST_IMAGE {
            return Ok(Joined::Here(self.image(HOST_IMAGE)?));
        }
        let key = (reference.clone(), credentials.clone());
        let task = Arc::clone(shared);
        Ok(Joined::Flight(shared.images.flights.join(&shared.runtime, key, |reporter| async move {
            let progress = |layers: &[LayerProgress]| reporter.report(layers.to_vec());
            let fetched = fetch(&task, &reference, credentials.as_ref(), progress);
            task.faults.around("pull_image", fetched).await
        })))
    }
}

impl Pull {
    /// Waits for the end and leaves out the progress.
    ///
    /// # Errors
    /// [`EngineError::Pull`] with the reason; [`EngineError::InvalidArgument`] for what is not a reference.
    pub async fn finish(mut self) -> Result<Arc<ImageRecord>, EngineError> {
        while let Some(event) = self.next().await {
            if let PullEvent::Done(record) = event? {
                return Ok(record);
            }
        }
        Err(EngineError::ShutDown)
    }
}

impl fmt::Debug for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pull")
    }
}

impl Stream for Pull {
    type Item = Result<PullEvent, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

enum Joined {
    Here(Arc<ImageRecord>),
    Flight(Flight),
}

/// The layers on the way, and what becomes of them.
type Flight = single_flight::Flight<Vec<LayerProgress>, Result<Arc<ImageRecord>, EngineError>>;

/// Those that somebody waits for.
pub(super) type Flights =
    SingleFlight<(Reference, Option<Credentials>), Vec<LayerProgress>, Result<Arc<ImageRecord>, EngineError>>;

fn events(flight: Flight) -> BoxStream<'static, Result<PullEvent, EngineError>> {
    stream::unfold(Some(flight), async |open| {
        let mut flight = open?;
        Some(match flight.next().await {
            Some(Step::Progress(layers)) => (Ok(PullEvent::Progress(layers)), Some(flight)),
            Some(Step::Done(ended)) => (ended.map(PullEvent::Done), None),
            None => (Err(EngineError::ShutDown), None),
        })
    })
    .boxed()
}
