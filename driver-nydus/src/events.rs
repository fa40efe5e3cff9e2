//! What happens to pods. The hints are changes of their files, which whoever makes, starts, stops, watches or removes one writes.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use runtime_core::{
    Context, PodId, Result,
    events::{Hint, Hints, Snapshot, Source},
    file_watch::Watch,
};

use crate::{
    driver::NydusDriver,
    state::{Store, blocking},
};

/// A work directory to be listed.
pub(crate) struct WorkDirectory(pub(crate) NydusDriver);

#[async_trait]
impl Source for WorkDirectory {
    async fn list(&self, cx: &Context) -> Result<Snapshot> {
        let all = cx.run(self.0.look_at_all()).await?;
        Ok(Snapshot::new(all.iter().map(|look| look.summary()).collect(), Vec::new()))
    }

    async fn look(&self, cx: &Context, pod: &PodId) -> Result<Snapshot> {
        let look = cx.run(self.0.look(pod)).await?;
        Ok(Snapshot::new(look.iter().map(|(look, _)| look.summary()).collect(), Vec::new()))
    }

    fn hints(&self, _: &Context) -> Option<Hints> {
        let listening = Listening { store: self.0.store().clone(), watch: Watch::new() };
        // The first one says where to listen from then on.
        let first = true;
        Some(
            stream::unfold((listening, first), |(mut listening, first)| async move {
                let hint = listening.next(first).await;
                Some((hint, (listening, false)))
            })
            .boxed(),
        )
    }
}

struct Listening {
    store: Store,
    watch: Watch,
}

impl Listening {
    async fn next(&mut self, first: bool) -> Result<Hint> {
        if !first {
            self.watch.changed().await;
        }
        let store = self.store.clone();
        let pods = blocking(move || store.directories()).await?;
        // One that is watched already is watched once.
        self.watch.add_directory_of(&self.store.pods().join("any"));
        for pod in pods {
            self.watch.add_directory_of(&pod.join("any"));
        }
        // What has happened before a directory was watched is found by the look that follows this.
        Ok(Hint::Somewhere)
    }
}
