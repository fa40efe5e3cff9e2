//! Watches that go wrong while somebody listens: nothing is lost, nothing is made up, and none of it counts as readiness.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use serde_json::json;
use testkit::{
    conformance::{Draw, Failure, Verdict},
    ensure, ensure_eq,
    fake_k8s::{
        Refusal, WatchFault, refuse,
        store::{DeleteOptions, Resource, Store},
    },
};
use wharf::{Event, EventStream};

use crate::eventually::eventually;

use super::{
    own::{NAMESPACE, Own, connect, on_its_own, promptly},
    starting::Starting,
};

on_its_own! { Faults;
    a_watch_that_ends_is_no_readiness,
    a_pod_that_goes_while_nobody_watches,
    nothing_is_lost_or_made_up,
}

const EVERY_FAULT: [WatchFault; 5] =
    [WatchFault::Close, WatchFault::Break, WatchFault::Expire, WatchFault::Silence, WatchFault::Garble];

/// How long a watch may be silent here. A bookmark comes once a minute, as on a real server: what nobody tells anything
/// of is silent all the time.
const SILENCE: Duration = Duration::from_millis(400);

async fn a_watch_that_ends_is_no_readiness(own: &Own<'_>) -> Verdict {
    let client = impatient(own).await?;
    let starting = Starting::up_to("PullImage", own, &client, own.pod(["pause"])).await?;
    for fault in EVERY_FAULT.into_iter().chain(EVERY_FAULT) {
        watched_again(own, || own.fake.break_watches(Resource::Pods, fault)).await?;
        ensure!(starting.goes_on(), "{fault:?}: {:?}", starting.ends().await);
    }
    // As a server that forgets everything at once, and then has no time.
    own.fake.store().compact();
    own.fake.faults().inject(refuse("WATCH pods", 503, None).times(2));
    watched_again(own, || own.fake.break_watches(Resource::Pods, WatchFault::Close)).await?;
    ensure!(starting.goes_on(), "{:?}", starting.ends().await);
    starting.release();
    let pod = starting.ends().await??;
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}

async fn a_pod_that_goes_while_nobody_watches(own: &Own<'_>) -> Verdict {
    for fault in EVERY_FAULT {
        let client = impatient(own).await?;
        let pod = promptly(client.run_pod(&own.pod(["on-term", "asked", "3"]))).await??;
        let container = pod.container("main").ok_or("there is no container")?;
        let waiting = tokio::spawn(async move { container.wait().await });
        // The watch is not told of what comes after this.
        own.fake.break_watches(Resource::Pods, fault);
        promptly(own.client.pod(pod.id().clone()).remove()).await??;
        if fault == WatchFault::Expire {
            own.fake.store().compact();
        }
        let exit = promptly(waiting).await???;
        ensure!(!exit.success(), "{fault:?}: {exit}");
    }
    own.ensure_empty().await
}

/// Does something to the watches, and returns once one has been opened again.
async fn watched_again(own: &Own<'_>, break_them: impl FnOnce()) -> Verdict {
    let opened = || {
        let all = own.fake.requests().all();
        all.iter().filter(|one| one.operation == "WATCH pods" && one.status == Some(200)).count()
    };
    let before = opened();
    break_them();
    eventually(|| {
        ensure!(opened() > before, "nobody watches again");
        Ok(())
    })
    .await
}

/// A client whose watches count as dead soon.
async fn impatient(own: &Own<'_>) -> Result<runtime_core::Client, Failure> {
    connect(own.config().with_watch(Duration::from_secs(60), SILENCE)).await
}

/// Pods are written and removed behind everybody's back while watches go wrong in every way, and the server is away at times.
async fn nothing_is_lost_or_made_up(own: &Own<'_>) -> Verdict {
    const STEPS: usize = 120;
    const NAMES: usize = 6;
    let client = impatient(own).await?;
    let mut events = client.events().await?;
    let mut told = Told::default();
    told.until_synced(&mut events).await?;
    let (store, mut draw) = (own.fake.store(), Draw::new(own.env.seed(), 11));
    let mut lives = Lives::default();
    for _ in 0..STEPS {
        match draw.below(12) {
            0 => own.fake.store().compact(),
            1 => {
                own.fake.stop().await;
                lives.change(store, &format!("pod-{}", draw.below(NAMES)))?;
                own.fake.start_again()?;
            }
            2..=4 => {
                let fault = EVERY_FAULT[draw.below(EVERY_FAULT.len())];
                own.fake.break_watches(Resource::Pods, fault);
            }
            _ => lives.change(store, &format!("pod-{}", draw.below(NAMES)))?,
        }
        while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, events.next()).await {
            told.take(&event?, &lives)?;
        }
    }
    lives.change(store, "the-last-one")?;
    let listening = async {
        while told.pods != lives.now || !told.is_synced {
            told.take(&events.try_next().await?.ok_or("the events ended")?, &lives)?;
        }
        Ok::<_, Failure>(())
    };
    let listened = promptly(listening).await.map_err(|_| ());
    let missing: Vec<_> = lives.now.difference(&told.pods).collect();
    let invented: Vec<_> = told.pods.difference(&lives.now).collect();
    listened.map_err(|()| Failure::Failed(format!("missing {missing:?}, too many {invented:?}")))??;
    for name in lives.names.clone().into_keys() {
        lives.change(store, &name)?;
    }
    ensure_eq!(lives.now.len(), 0);
    Ok(())
}

/// The pods that there are and were, as `name/uid`.
#[derive(Default)]
struct Lives {
    names: BTreeMap<String, String>,
    now: BTreeSet<String>,
    ever: BTreeSet<String>,
}

impl Lives {
    /// Makes the pod of this name, on no node, or removes it.
    fn change(&mut self, store: &Store, name: &str) -> Verdict {
        let refused = |refusal: Refusal| Failure::Failed(refusal.message);
        if let Some(life) = self.names.remove(name) {
            self.now.remove(&life);
            let at_once = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
            return store.delete(Resource::Pods, NAMESPACE, name, &at_once).map(drop).map_err(refused);
        }
        let spec = json!({
            "containers": [{"name": "main", "image": "none"}], "nodeSelector": {"no": "such"},
            "terminationGracePeriodSeconds": 30, "restartPolicy": "Never",
        });
        let pod = json!({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Pending"}});
        let pod = store.create(Resource::Pods, NAMESPACE, pod).map_err(refused)?;
        let life = format!("{name}/{}", pod["metadata"]["uid"].as_str().unwrap_or_default());
        self.names.insert(name.to_owned(), life.clone());
        self.ever.insert(life.clone());
        self.now.insert(life);
        Ok(())
    }
}

/// What a consumer of events knows.
#[derive(Default)]
struct Told {
    pods: BTreeSet<String>,
    gone: BTreeSet<String>,
    is_synced: bool,
}

impl Told {
    async fn until_synced(&mut self, events: &mut EventStream) -> Verdict {
        while !self.is_synced {
            let event = promptly(events.try_next()).await??.ok_or("the events ended")?;
            self.take(&event, &Lives::default())?;
        }
        Ok(())
    }

    fn take(&mut self, event: &Event, lives: &Lives) -> Verdict {
        let life = |id: &wharf::PodId| {
            id.as_str().split_once('/').map_or(String::new(), |(_, life)| life.to_owned())
        };
        match event {
            Event::PodApplied(pod) => {
                let life = life(&pod.id);
                ensure!(lives.ever.contains(&life), "{life} was never there");
                ensure!(!self.gone.contains(&life), "{life} has risen again");
                self.pods.insert(life);
            }
            Event::PodDeleted(id) => {
                let life = life(id);
                ensure!(!lives.now.contains(&life), "{life} is said to be gone, and is there");
                ensure!(self.pods.remove(&life), "the end of {life} is told, which was not there");
                self.gone.insert(life);
            }
            Event::Resync { .. } => self.is_synced = false,
            Event::Synced => self.is_synced = true,
            _ => {}
        }
        Ok(())
    }
}
