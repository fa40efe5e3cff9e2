//! Random operations from several tasks at once, each against a model of what must hold, and a ledger at the end.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::future::try_join_all;
use runtime_core::{ContainerHandle, ContainerPhase, ErrorKind, PodHandle, PodPhase, StopOptions};

use crate::conformance::{
    Env, Failure, Held, Verdict,
    case::{cases, ensure, ensure_eq},
    draw::Draw,
    env::{guest_exec, kind_of},
};

cases! { Lifecycle;
    random_operations_from_eight_tasks: proves [], needs [
        PodRun, PodStop, PodRemove, PodStatus, PodList, ContainerCreate, ContainerStart, ContainerStop, ContainerRemove,
        ContainerStatus, ContainerList, ExecSync
    ];
}

const TASKS: u64 = 8;
const OPERATIONS: usize = 25;
const MAX_PODS: usize = 2;
const MAX_CONTAINERS: usize = 3;
/// The last pause, doubled from 1 ms, before what is still held counts as left behind.
const MAX_PAUSE: Duration = Duration::from_secs(4);

/// A pod as it must be.
struct Pod {
    handle: PodHandle,
    runs: bool,
    containers: Vec<Container>,
}

/// A container as it must be.
struct Container {
    handle: ContainerHandle,
    name: String,
    runs: bool,
}

/// One task with its own pods.
struct Task<'a> {
    env: &'a Env,
    number: u64,
    draw: Draw,
    pods: Vec<Pod>,
    ids: &'a Mutex<BTreeSet<String>>,
}

async fn random_operations_from_eight_tasks(env: &Env) -> Verdict {
    let ids = Mutex::new(BTreeSet::new());
    let mut tasks: Vec<_> = (0..TASKS)
        .map(|number| Task { env, number, draw: Draw::new(env.seed(), number), pods: Vec::new(), ids: &ids })
        .collect();
    try_join_all(tasks.iter_mut().map(Task::run)).await?;
    let alive: usize = tasks.iter().map(|task| task.pods.len()).sum();
    ensure_eq!(env.pods().await?.len(), alive);
    let before = held(env, &ids).await?;
    try_join_all(tasks.iter_mut().map(Task::remove_all)).await?;
    env.ensure_nothing_left().await?;
    ensure_nothing_held(env, &ids, &before).await
}

/// What the system holds of these ids, where that can be known.
async fn held(env: &Env, ids: &Mutex<BTreeSet<String>>) -> Result<BTreeSet<Held>, Failure> {
    let all = match env.holdings().await {
        Err(Failure::Skipped(_)) => Vec::new(),
        all => all?,
    };
    let ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(all.into_iter().filter(|held| held.owner.as_ref().is_some_and(|owner| ids.contains(owner))).collect())
}

/// Nothing may belong to these ids, and nothing that did may be there without an owner.
async fn ensure_nothing_held(env: &Env, ids: &Mutex<BTreeSet<String>>, before: &BTreeSet<Held>) -> Verdict {
    let mut pause = Duration::from_millis(1);
    loop {
        let mut left = held(env, ids).await?;
        if let Ok(all) = env.holdings().await {
            let was_ours =
                |held: &Held| before.iter().any(|own| own.what == held.what && own.name == held.name);
            left.extend(all.into_iter().filter(|held| held.owner.is_none() && was_ours(held)));
        }
        if left.is_empty() {
            return Ok(());
        }
        ensure!(
            pause <= MAX_PAUSE,
            "still held: {}",
            left.iter().map(Held::to_string).collect::<Vec<_>>().join(", ")
        );
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

impl Task<'_> {
    async fn run(&mut self) -> Verdict {
        for step in 0..OPERATIONS {
            let choice = self.draw.below(100);
            let done = self.step(choice).await;
            let (seed, task) = (self.env.seed(), self.number);
            done.map_err(|failure| {
                failure.at(&format!("seed {seed}, task {task}, step {step}, draw {choice}"))
            })?;
        }
        Ok(())
    }

    async fn step(&mut self, choice: usize) -> Verdict {
        if self.pods.is_empty() || (choice < 12 && self.pods.len() < MAX_PODS) {
            return self.run_pod().await;
        }
        let at = self.draw.below(self.pods.len());
        match choice {
            0..35 => self.create(at).await,
            35..60 => self.exec(at).await,
            60..75 => self.kill(at).await,
            75..85 => self.remove(at).await,
            85..90 => self.stop_pod(at).await,
            90..95 => self.remove_pod(at).await,
            _ => self.look(at).await,
        }
    }

    fn is_new(&self, id: &str) -> Verdict {
        let is_new = self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        ensure!(is_new, "the id {id} was given before");
        Ok(())
    }

    async fn run_pod(&mut self) -> Verdict {
        let (handle, container) = self.env.idle().await?;
        self.is_new(handle.id().as_str())?;
        self.is_new(container.id().as_str())?;
        let container = Container { handle: container, name: "main".to_owned(), runs: true };
        self.pods.push(Pod { handle, runs: true, containers: vec![container] });
        Ok(())
    }

    async fn create(&mut self, at: usize) -> Verdict {
        if self.pods[at].containers.len() >= MAX_CONTAINERS {
            return self.look(at).await;
        }
        let name = self.env.unique("c");
        let spec = self.env.container(&name, ["pause"]);
        let created = self.pods[at].handle.create_container(&spec).await;
        if !self.pods[at].runs {
            kind_of(created, ErrorKind::InvalidState)?;
            return Ok(());
        }
        let handle = created?;
        self.is_new(handle.id().as_str())?;
        handle.start().await?;
        self.pods[at].containers.push(Container { handle, name, runs: true });
        Ok(())
    }

    fn any_container(&mut self, at: usize) -> Option<usize> {
        let count = self.pods[at].containers.len();
        (count > 0).then(|| self.draw.below(count))
    }

    async fn exec(&mut self, at: usize) -> Verdict {
        let Some(one) = self.any_container(at) else { return self.look(at).await };
        let code = self.draw.below(100).to_string();
        let container = &self.pods[at].containers[one];
        let result = guest_exec(&container.handle, ["exit", &code]).await;
        if container.runs {
            ensure_eq!(result?.exit.code().map(|code| code.to_string()), Some(code));
        } else {
            kind_of(result, ErrorKind::InvalidState)?;
        }
        Ok(())
    }

    async fn kill(&mut self, at: usize) -> Verdict {
        let Some(one) = self.any_container(at) else { return self.look(at).await };
        let container = &mut self.pods[at].containers[one];
        container.handle.stop(&StopOptions::now()).await?;
        container.runs = false;
        self.look(at).await
    }

    async fn remove(&mut self, at: usize) -> Verdict {
        let Some(one) = self.any_container(at) else { return self.look(at).await };
        let container = self.pods[at].containers.remove(one);
        container.handle.remove().await?;
        kind_of(container.handle.status().await, ErrorKind::NotFound)?;
        self.look(at).await
    }

    async fn stop_pod(&mut self, at: usize) -> Verdict {
        let pod = &mut self.pods[at];
        pod.handle.stop(&StopOptions::now()).await?;
        pod.runs = false;
        pod.containers.iter_mut().for_each(|container| container.runs = false);
        self.look(at).await
    }

    async fn remove_pod(&mut self, at: usize) -> Verdict {
        let pod = self.pods.swap_remove(at);
        pod.handle.remove().await?;
        kind_of(pod.handle.status().await, ErrorKind::NotFound)?;
        for container in pod.containers {
            kind_of(container.handle.status().await, ErrorKind::NotFound)?;
        }
        Ok(())
    }

    /// The pod is as the model has it.
    async fn look(&self, at: usize) -> Verdict {
        let pod = &self.pods[at];
        let status = pod.handle.status().await?;
        ensure_eq!(status.summary.phase, if pod.runs { PodPhase::Running } else { PodPhase::Stopped });
        let mut told: Vec<_> = status.containers.into_iter().map(|one| (one.name, one.phase)).collect();
        let phase = |runs| if runs { ContainerPhase::Running } else { ContainerPhase::Exited };
        let mut modelled: Vec<_> =
            pod.containers.iter().map(|one| (one.name.clone(), phase(one.runs))).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        modelled.sort_by(|a, b| a.0.cmp(&b.0));
        ensure_eq!(told, modelled);
        Ok(())
    }

    async fn remove_all(&mut self) -> Verdict {
        while !self.pods.is_empty() {
            self.remove_pod(0).await?;
        }
        Ok(())
    }
}
