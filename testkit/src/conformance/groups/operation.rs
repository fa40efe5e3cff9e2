//! The operations whose calls are broken: what each needs, does, and must leave.

use std::time::{Duration, Instant};

use runtime_core::{
    Client, ContainerFilter, ContainerHandle, ContainerPhase, Error, ErrorKind, ImageFilter, PodHandle,
    PodPhase, PullOptions, Result, StopOptions, helpers::pull_policy::PullPolicy, spec::PodSpec,
};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{ensure, ensure_eq},
    env::{guest_command, kind_of},
};

/// How long a runtime may be busy with what nobody waits for.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Ping,
    PodRun,
    SandboxRun,
    PodStop,
    PodRemove,
    PodStatus,
    PodList,
    ContainerCreate,
    ContainerStart,
    ContainerStop,
    ContainerRemove,
    ContainerStatus,
    ContainerList,
    ContainerWait,
    ExecSync,
    ImagePull,
    ImageStatus,
    ImageList,
    ImageRemove,
}

/// What all steps of a case share.
pub(super) struct Base {
    idle: Option<(PodHandle, ContainerHandle)>,
    image: String,
}

/// What one step works on.
pub(super) enum Subject {
    Nothing,
    Spec(Box<PodSpec>),
    Pod(PodHandle),
    Container(ContainerHandle),
    NewContainer { pod: PodHandle, name: String, spec: Box<runtime_core::spec::ContainerSpec> },
    Image(String),
}

impl Operation {
    pub(super) async fn base(self, env: &Env) -> Result<Base, Failure> {
        let image = match self {
            Self::ImagePull | Self::ImageStatus | Self::ImageRemove => env.own_image()?.0,
            _ => env.image("guest"),
        };
        let idle = match self {
            Self::Ping
            | Self::PodRun
            | Self::SandboxRun
            | Self::PodStop
            | Self::PodRemove
            | Self::PodList => None,
            Self::ImagePull | Self::ImageStatus | Self::ImageList | Self::ImageRemove => None,
            _ => Some(env.idle().await?),
        };
        if matches!(self, Self::ImageStatus) {
            env.client().images().pull(&image, &PullOptions::default()).await?;
        }
        Ok(Base { idle, image })
    }

    /// What a step needs, made over a clean connection.
    pub(super) async fn prepare(self, env: &Env, base: &Base) -> Result<Subject, Failure> {
        let idle = || base.idle.clone().ok_or("there is no idle pod");
        Ok(match self {
            Self::Ping | Self::PodList | Self::ImageList => Subject::Nothing,
            Self::PodRun => {
                let containers = ["one", "two"].map(|name| env.container(name, ["pause"]));
                Subject::Spec(Box::new(containers.into_iter().fold(env.pod(), PodSpec::with_container)))
            }
            Self::SandboxRun => Subject::Spec(Box::new(env.pod())),
            Self::PodStop | Self::PodRemove => Subject::Pod(env.idle().await?.0),
            Self::PodStatus => Subject::Pod(idle()?.0),
            Self::ContainerCreate => {
                let name = env.unique("c");
                let spec = env.container(&name, ["pause"]).with_pull_policy(PullPolicy::IfNotPresent);
                Subject::NewContainer { pod: idle()?.0, name, spec: Box::new(spec) }
            }
            Self::ContainerStart | Self::ContainerStop | Self::ContainerRemove | Self::ContainerWait => {
                let command: &[&str] = if self == Self::ContainerWait { &["exit", "7"] } else { &["pause"] };
                let spec = env.container(&env.unique("c"), command.iter().copied());
                let container = idle()?.0.create_container(&spec).await?;
                if self != Self::ContainerStart {
                    container.start().await?;
                }
                Subject::Container(container)
            }
            Self::ContainerStatus | Self::ContainerList | Self::ExecSync => Subject::Container(idle()?.1),
            Self::ImagePull => {
                env.client().images().remove(&base.image).await?;
                Subject::Image(base.image.clone())
            }
            Self::ImageRemove => {
                env.client().images().pull(&base.image, &PullOptions::default()).await?;
                Subject::Image(base.image.clone())
            }
            Self::ImageStatus => Subject::Image(base.image.clone()),
        })
    }

    /// Does it; what it answers is right.
    pub(super) async fn run(self, client: &Client, subject: &Subject) -> Result<()> {
        let (now, soon) = (StopOptions::now(), StopOptions::after(Duration::from_millis(100)));
        match (self, subject) {
            (Self::Ping, _) => client.ping().await.map(drop),
            (Self::PodList, _) => client.list_pods(&Default::default()).await.map(drop),
            (Self::ImageList, _) => client.images().list(&ImageFilter::default()).await.map(drop),
            (_, Subject::Spec(spec)) => client.run_pod(spec).await.map(drop),
            (Self::PodStop, Subject::Pod(pod)) => client.pod(pod.id().clone()).stop(&soon).await,
            (Self::PodRemove, Subject::Pod(pod)) => client.pod(pod.id().clone()).remove().await,
            (Self::PodStatus, Subject::Pod(pod)) => client.pod(pod.id().clone()).status().await.map(drop),
            (Self::ContainerCreate, Subject::NewContainer { pod, spec, .. }) => {
                client.pod(pod.id().clone()).create_container(spec).await.map(drop)
            }
            (_, Subject::Container(container)) => {
                let container = client.container(container.id().clone());
                match self {
                    Self::ContainerStart => container.start().await,
                    Self::ContainerStop => container.stop(&now).await,
                    Self::ContainerRemove => container.remove().await,
                    Self::ContainerStatus => container.status().await.map(drop),
                    Self::ContainerList => {
                        client.list_containers(&ContainerFilter::default()).await.map(drop)
                    }
                    Self::ContainerWait => {
                        let exit = container.wait().await?;
                        let wrong = || Error::new(ErrorKind::Unexpected, format!("the exit is {exit}"));
                        if exit.code() == Some(7) { Ok(()) } else { Err(wrong()) }
                    }
                    _ => container.exec(&guest_command(["exit", "0"])).await.map(drop),
                }
            }
            (_, Subject::Image(image)) => {
                let images = client.images();
                match self {
                    Self::ImagePull => images.pull(image, &PullOptions::default()).await.map(drop),
                    Self::ImageRemove => images.remove(image).await,
                    _ => images.status(image).await.map(drop),
                }
            }
            _ => Ok(()),
        }
    }

    /// What must hold afterwards. What did not succeed can be done again, over a clean connection.
    pub(super) async fn check(self, env: &Env, subject: &Subject, result: &Result<()>) -> Verdict {
        match subject {
            Subject::Nothing => {}
            Subject::Spec(spec) => {
                let mine = |pods: Vec<runtime_core::PodSummary>| {
                    pods.into_iter().filter(|pod| pod.name == spec.name).collect::<Vec<_>>()
                };
                let pods = mine(env.pods().await?);
                ensure_eq!(pods.len(), usize::from(result.is_ok()));
                if pods.is_empty() {
                    // The name is free again.
                    env.client().run_pod(spec).await?;
                }
                for pod in mine(env.pods().await?) {
                    env.client().pod(pod.id.clone()).remove().await?;
                }
            }
            Subject::Pod(pod) => match self {
                Self::PodStop => {
                    if result.is_err() {
                        pod.stop(&StopOptions::now()).await?;
                    }
                    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
                    pod.remove().await?;
                }
                Self::PodRemove => {
                    if result.is_err() {
                        pod.remove().await?;
                    }
                    kind_of(pod.status().await, ErrorKind::NotFound)?;
                }
                _ => ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running),
            },
            Subject::NewContainer { pod, name, spec } => {
                let named = || async {
                    let all = pod.list_containers().await?;
                    Ok::<_, Failure>(all.into_iter().filter(|one| one.name == *name).collect::<Vec<_>>())
                };
                ensure_eq!(named().await?.len(), usize::from(result.is_ok()));
                if result.is_err() {
                    pod.create_container(spec).await?;
                }
                for container in named().await? {
                    env.client().container(container.id).remove().await?;
                }
            }
            Subject::Container(container) => self.check_container(container, result).await?,
            Subject::Image(image) => {
                let images = env.client().images();
                match self {
                    Self::ImagePull if result.is_err() => {
                        images.pull(image, &PullOptions::default()).await?;
                    }
                    Self::ImageRemove => {
                        if result.is_err() {
                            images.remove(image).await?;
                        }
                        kind_of(images.status(image).await, ErrorKind::NotFound)?;
                        return Ok(());
                    }
                    _ => {}
                }
                images.status(image).await?;
            }
        }
        Ok(())
    }

    async fn check_container(self, container: &ContainerHandle, result: &Result<()>) -> Verdict {
        match self {
            Self::ContainerStart => {
                ensure!(
                    result.is_err() || container.status().await?.summary.phase != ContainerPhase::Created,
                    "it is not started"
                );
                let phase = started(container).await?;
                // A runtime may give a start up whose caller has gone.
                let is_given_up = phase == ContainerPhase::Exited && result.is_err();
                ensure!(phase == ContainerPhase::Running || is_given_up, "it is {phase}");
                container.remove().await?;
            }
            Self::ContainerStop => {
                if result.is_err() {
                    container.stop(&StopOptions::now()).await?;
                }
                ensure_exited(container).await?;
                container.remove().await?;
            }
            Self::ContainerRemove => {
                if result.is_err() {
                    container.remove().await?;
                }
                kind_of(container.status().await, ErrorKind::NotFound)?;
            }
            Self::ContainerWait => {
                ensure_eq!(container.wait().await?.code(), Some(7));
                container.remove().await?;
            }
            _ => ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Running),
        }
        Ok(())
    }
}

/// Starts a container that is not started yet. A start whose caller has gone may be under way, and keep others away.
async fn started(container: &ContainerHandle) -> Result<ContainerPhase, Failure> {
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(1));
    loop {
        let phase = container.status().await?.summary.phase;
        if phase != ContainerPhase::Created {
            return Ok(phase);
        }
        if let Err(error) = container.start().await {
            let may_be_busy = matches!(error.kind(), ErrorKind::InvalidState | ErrorKind::Failed);
            ensure!(may_be_busy && begun.elapsed() < PATIENCE, "it can't be started: {error:?}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Sees that a container has ended. containerd 1.6 answers a second stop once the task is gone, a moment before it says so
/// of the container.
async fn ensure_exited(container: &ContainerHandle) -> Verdict {
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(1));
    loop {
        let phase = container.status().await?.summary.phase;
        if phase == ContainerPhase::Exited {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "it is {phase}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
