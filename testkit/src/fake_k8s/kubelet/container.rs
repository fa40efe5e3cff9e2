//! A container of a pod, through all its restarts.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_cri::v1::{CreateContainerRequest, StartContainerRequest};
use k8s_openapi::api::core::v1::{Container, Probe};
use tonic::Code;

use super::config::{self, Surroundings};
use super::options::Backoff;
use super::pod::PodRun;
use super::probe::{self, Rhythm, Target, Verdicts};
use super::pull::{self, NoImage, Step};
use super::state::{Place, RestartPolicy, Slot, SlotState, Terminated};
use crate::engine::{Exit, HOST_IMAGE, ImageRecord};

/// The waits between restarts, and between pulls.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// After so long the pull that failed is told as one that is waited for.
const TO_BACK_OFF: Duration = Duration::from_secs(15);
/// What a container that can't be started has for an exit code.
const START_FAILED: i32 = 128;

/// Why a container doesn't run.
enum Failure {
    /// It waits, and is tried again.
    Waits(&'static str, String),
    /// There is no image.
    Image(NoImage),
    /// It has ended in being started.
    Ended(Terminated),
}

impl Slot {
    pub(super) fn wait(&mut self, reason: &str, message: Option<String>) {
        self.state = SlotState::Waiting { reason: reason.to_owned(), message };
        (self.ready, self.started) = (false, false);
    }

    fn end(&mut self, ended: Terminated, is_init: bool) {
        self.ready = is_init && !self.is_sidecar && ended.exit_code == 0;
        self.started = false;
        self.state = SlotState::Terminated(ended);
    }
}

impl PodRun {
    /// Runs a container until it has ended for good.
    pub(super) async fn keep(&self, place: Place) {
        let mut crashes = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let id = match self.state().slot(place).filter(|slot| slot.is_running()) {
                Some(slot) => slot.id.clone(),
                None => None,
            };
            let id = match id {
                Some(running) => Some(running),
                None => self.begin(place).await,
            };
            if let Some(id) = id {
                let exit = self.stay(place, &id).await;
                self.record_end(place, &id, exit).await;
            }
            let code = self.state().slot(place).and_then(Slot::terminated).map(|ended| ended.exit_code);
            let again = code.is_some_and(|code| self.restarts(place, code));
            self.publish();
            if !again {
                return;
            }
            self.wait_to_restart(place, &mut crashes).await;
        }
    }

    fn restarts(&self, place: Place, code: i32) -> bool {
        let state = self.state();
        match (place, state.slot(place).is_some_and(|slot| slot.is_sidecar)) {
            (Place::Main(_), _) => state.restart_policy.restarts(code),
            (Place::Init(_), true) => true,
            (Place::Init(_), false) => code != 0 && state.restart_policy != RestartPolicy::Never,
        }
    }

    /// The first restart comes at once, every later one after a longer wait.
    async fn wait_to_restart(&self, place: Place, crashes: &mut Backoff) {
        let full_name = self.identity.full_name();
        let (name, restarts) = {
            let mut state = self.state();
            let Some(slot) = state.slot_mut(place) else { return };
            slot.last = slot.terminated().cloned();
            (slot.spec.name.clone(), slot.restarts)
        };
        if restarts > 0 {
            let wait = crashes.next();
            let message =
                format!("back-off {}s restarting failed container={name} pod={full_name}", wait.as_secs());
            if let Some(slot) = self.state().slot_mut(place) {
                slot.wait("CrashLoopBackOff", Some(message));
            }
            self.publish();
            let told = format!("Back-off restarting failed container {name} in pod {full_name}");
            self.tell("BackOff", told, true, Some(place));
            tokio::time::sleep(self.cluster.pace.backoff(wait)).await;
        }
        if let Some(slot) = self.state().slot_mut(place) {
            slot.restarts += 1;
        }
    }

    /// Starts a container, however often that has to be tried. `None`: it has ended in being started.
    pub(super) async fn begin(&self, place: Place) -> Option<String> {
        let mut waits = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let failure = match self.try_start(place).await {
                Ok(id) => return Some(id),
                Err(failure) => failure,
            };
            match failure {
                Failure::Ended(ended) => {
                    let is_init = matches!(place, Place::Init(_));
                    if let Some(slot) = self.state().slot_mut(place) {
                        slot.end(ended, is_init);
                    }
                    return None;
                }
                Failure::Waits(reason, message) => {
                    if let Some(slot) = self.state().slot_mut(place) {
                        slot.wait(reason, Some(message.clone()));
                    }
                    self.publish();
                    self.tell("Failed", format!("Error: {message}"), true, Some(place));
                    tokio::time::sleep(self.cluster.pace.backoff(waits.next())).await;
                }
                Failure::Image(failed) => self.wait_for_image(place, failed, &mut waits).await,
            }
        }
    }

    async fn wait_for_image(&self, place: Place, failed: NoImage, waits: &mut Backoff) {
        let image = self.state().slot(place).and_then(|slot| slot.spec.image.clone()).unwrap_or_default();
        let say = |said: &NoImage| {
            if let Some(slot) = self.state().slot_mut(place) {
                slot.wait(said.reason, Some(said.message.clone()));
            }
            self.publish();
            self.tell("Failed", format!("Error: {}", said.reason), true, Some(place));
        };
        if failed.reason == "ErrImagePull" {
            let message = format!("Failed to pull image {image:?}: {}", failed.message);
            self.tell("Failed", message, true, Some(place));
        }
        say(&failed);
        if failed.reason == "ErrImagePull" {
            tokio::time::sleep(self.cluster.pace.backoff(TO_BACK_OFF)).await;
            self.tell("BackOff", format!("Back-off pulling image {image:?}"), false, Some(place));
            say(&pull::back_off(&image, &failed));
        }
        tokio::time::sleep(self.cluster.pace.backoff(waits.next())).await;
    }

    async fn try_start(&self, place: Place) -> Result<String, Failure> {
        const TO_CONTAINER: Duration = Duration::from_millis(120);
        let runtime = &self.cluster.runtime;
        let (container, attempt, ip) = {
            let state = self.state();
            let Some(slot) = state.slot(place) else {
                return Err(Failure::Waits("CreateContainerError", "no such container".to_owned()));
            };
            (slot.spec.clone(), slot.restarts, state.ip.clone())
        };
        let sources = self.sources(ip.as_deref());
        let asked = (container.image.as_deref().unwrap_or_default(), container.image_pull_policy.as_deref());
        let image = self.image(place, asked).await.map_err(Failure::Image)?;
        self.fill_volumes(place, &container).await?;
        self.cluster.pace.wait(TO_CONTAINER).await;
        let config_error = |why| Failure::Waits("CreateContainerConfigError", why);
        let env = sources.environment(&container).map_err(config_error)?;
        let files = self.files(&container, attempt, &image, ip.as_deref());
        let files = files.map_err(|error| Failure::Waits("CreateContainerError", error.to_string()))?;
        let (Some(volumes), Some(sandbox)) = (self.volumes(), self.sandbox()) else {
            return Err(Failure::Waits("CreateContainerError", "the pod has no sandbox".to_owned()));
        };
        let around = Surroundings {
            identity: &self.identity,
            spec: &self.spec,
            volumes: &volumes,
            env,
            image: &image,
            attempt,
            files,
        };
        let config = config::container(&container, around).map_err(config_error)?;
        let of_sandbox = self.sandbox_config().map_err(config_error)?;
        let request = CreateContainerRequest {
            pod_sandbox_id: sandbox,
            config: Some(config),
            sandbox_config: Some(of_sandbox),
        };
        let created = runtime.create_container(request).await.map_err(|status| {
            // What the engine can't do will never be: it is shown as what can't be configured.
            match status.code() {
                Code::Unimplemented => config_error(status.message().to_owned()),
                _ => Failure::Waits("CreateContainerError", status.message().to_owned()),
            }
        })?;
        let id = created.container_id;
        if let Some(slot) = self.state().slot_mut(place) {
            slot.previous = slot.id.replace(id.clone());
            slot.attempt = attempt;
            slot.image = pull::shown(&image, container.image.as_deref().unwrap_or_default());
            slot.image_id = pull::image_id(&image);
        }
        self.tell("Created", "Container created".to_owned(), false, Some(place));
        let started = runtime.start_container(StartContainerRequest { container_id: id.clone() }).await;
        if let Err(status) = started {
            self.tell("Failed", format!("Error: {}", status.message()), true, Some(place));
            return Err(Failure::Ended(Terminated {
                exit_code: START_FAILED,
                reason: "StartError".to_owned(),
                message: Some(status.message().to_owned()),
                started_at: None,
                finished_at: self.cluster.store.clock().now(),
                container_id: Some(id),
            }));
        }
        self.tell("Started", "Container started".to_owned(), false, Some(place));
        self.record_start(place);
        self.publish();
        Ok(id)
    }

    fn record_start(&self, place: Place) {
        let started_at = self.cluster.store.clock().now();
        let mut state = self.state();
        let Some(slot) = state.slot_mut(place) else { return };
        slot.state = SlotState::Running { started_at };
        slot.started = slot.spec.startup_probe.is_none();
        let is_counted = matches!(place, Place::Main(_)) || slot.is_sidecar;
        slot.ready = is_counted && slot.started && slot.spec.readiness_probe.is_none();
    }

    /// Puts the files of images into the volumes of a container that are made of some.
    async fn fill_volumes(&self, place: Place, container: &Container) -> Result<(), Failure> {
        let is_mounted = |name: &str| container.volume_mounts.iter().flatten().any(|it| it.name == name);
        let Some(volumes) = self.volumes() else { return Ok(()) };
        for volume in self.spec.volumes.iter().flatten().filter(|volume| is_mounted(&volume.name)) {
            let Some(source) = &volume.image else { continue };
            let asked = (source.reference.as_deref().unwrap_or_default(), source.pull_policy.as_deref());
            let image = self.image(place, asked).await.map_err(Failure::Image)?;
            let (volumes, name, id) = (Arc::clone(&volumes), volume.name.clone(), image.id.clone());
            let engine = self.cluster.runtime.engine().clone();
            let filling = tokio::task::spawn_blocking(move || volumes.fill(&name, &engine, &id));
            let filled = filling.await.map_err(|error| error.to_string());
            let filled = filled.and_then(|filled| filled.map_err(|error| error.to_string()));
            filled.map_err(|why| Failure::Waits("CreateContainerError", why))?;
        }
        Ok(())
    }

    async fn image(&self, place: Place, asked: (&str, Option<&str>)) -> Result<Arc<ImageRecord>, NoImage> {
        let image = asked.0;
        let begun = Timestamp::now();
        let tell = |step: Step| {
            let (reason, message) = match step {
                Step::Present => (
                    "Pulled",
                    format!(
                        "Container image {image:?} already present on machine and can be accessed by the pod"
                    ),
                ),
                Step::Pulling => ("Pulling", format!("Pulling image {image:?}")),
                Step::Pulled(record) => {
                    let time = Timestamp::now().duration_since(begun).as_millis();
                    let size = record.size_bytes;
                    let words = format!(
                        "Successfully pulled image {image:?} in {time}ms ({time}ms including waiting). Image size: {size} bytes."
                    );
                    ("Pulled", words)
                }
            };
            self.tell(reason, message, false, Some(place));
        };
        pull::ensure(&self.cluster.runtime, asked, &self.sources(None), tell).await
    }

    /// The files that a container gets besides its volumes. Without walls there are none.
    fn files(
        &self,
        container: &Container,
        attempt: u32,
        image: &ImageRecord,
        ip: Option<&str>,
    ) -> std::io::Result<Vec<(String, std::path::PathBuf)>> {
        if !self.has_walls() || image.tags.iter().any(|tag| tag == HOST_IMAGE) {
            return Ok(Vec::new());
        }
        std::fs::create_dir_all(&self.dir)?;
        let mut files = Vec::new();
        if self.spec.host_network != Some(true) {
            let hosts = self.dir.join("hosts");
            let hostname = self.spec.hostname.as_deref().unwrap_or(&self.identity.name);
            std::fs::write(&hosts, config::hosts(&self.spec, hostname, ip))?;
            files.push(("/etc/hosts".to_owned(), hosts));
        }
        if let Some(path) = container.termination_message_path.clone().filter(|path| !path.is_empty()) {
            let message = self.message_file(&container.name, attempt);
            std::fs::write(&message, "")?;
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&message, std::fs::Permissions::from_mode(0o666))?;
            files.push((path, message));
        }
        Ok(files)
    }

    fn message_file(&self, name: &str, attempt: u32) -> std::path::PathBuf {
        self.dir.join(format!("message-{name}-{attempt}"))
    }

    /// Stays with a running container, probing it, to its end.
    async fn stay(&self, place: Place, id: &str) -> Option<Exit> {
        let container = self.state().slot(place).map(|slot| slot.spec.clone())?;
        let engine = self.cluster.runtime.engine();
        let sandbox = self.sandbox().unwrap_or_default();
        let target = Target { container: &container, container_id: id, sandbox_id: &sandbox };
        let care = async {
            let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.as_ref());
            if let Some(hook) = hook
                && let Err(why) = probe::hook(&self.cluster.runtime, hook, target).await
            {
                let message = format!("PostStartHook failed: {why}");
                self.tell("FailedPostStartHook", message, true, Some(place));
                self.stop(place, id, "FailedPostStartHook").await;
            }
            self.probe_all(place, target).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            exit = engine.wait_container(id) => exit.ok(),
            () = care => None,
        }
    }

    async fn probe_all(&self, place: Place, target: Target<'_>) {
        if let Some(startup) = &target.container.startup_probe {
            self.probe(place, startup, target, |good| {
                if good && let Some(slot) = self.state().slot_mut(place) {
                    slot.started = true;
                    slot.ready = slot.spec.readiness_probe.is_none() && matches!(place, Place::Main(_));
                }
                self.publish();
                if good { Next::Done } else { Next::Kill("startup") }
            })
            .await;
        }
        let readiness = async {
            if let Some(probe) = &target.container.readiness_probe {
                self.probe(place, probe, target, |good| {
                    if let Some(slot) = self.state().slot_mut(place) {
                        slot.ready = good;
                    }
                    self.publish();
                    Next::GoOn
                })
                .await;
            }
        };
        let liveness = async {
            if let Some(probe) = &target.container.liveness_probe {
                let verdict = |good: bool| if good { Next::GoOn } else { Next::Kill("liveness") };
                self.probe(place, probe, target, verdict).await;
            }
        };
        tokio::join!(readiness, liveness);
    }

    async fn probe(&self, place: Place, probe: &Probe, target: Target<'_>, verdict: impl Fn(bool) -> Next) {
        let rhythm = Rhythm::of(probe);
        let mut verdicts = Verdicts::new(rhythm);
        self.cluster.pace.wait(rhythm.delay).await;
        loop {
            let answer = probe::ask(&self.cluster.runtime, probe, target).await;
            if let Err(why) = &answer {
                self.tell("Unhealthy", format!("Probe failed: {why}"), true, Some(place));
            }
            match verdicts.hear(answer.is_ok()).map(&verdict) {
                Some(Next::Done) => return,
                Some(Next::Kill(kind)) => {
                    let name = &target.container.name;
                    let message = format!("Container {name} failed {kind} probe, will be restarted");
                    self.stop(place, target.container_id, &message).await;
                    return;
                }
                Some(Next::GoOn) | None => {}
            }
            tokio::time::sleep(self.cluster.pace.backoff(rhythm.period)).await;
        }
    }

    async fn stop(&self, place: Place, id: &str, message: &str) {
        self.tell("Killing", message.to_owned(), false, Some(place));
        // It may have ended by itself.
        let _ = self.cluster.runtime.engine().stop_container(id, None, self.grace()).await;
    }

    async fn record_end(&self, place: Place, id: &str, exit: Option<Exit>) {
        let Some((container, attempt)) =
            self.state().slot(place).map(|slot| (slot.spec.clone(), slot.restarts))
        else {
            return;
        };
        let now = self.cluster.store.clock().now();
        let code = exit.as_ref().map_or(137, |exit| exit.outcome.code());
        let reason = match &exit {
            Some(exit) if exit.oom_killed => "OOMKilled",
            Some(_) if code == 0 => "Completed",
            Some(_) => "Error",
            None => "ContainerStatusUnknown",
        };
        let message = self.last_words(&container, attempt, code).await;
        let is_init = matches!(place, Place::Init(_));
        if let Some(slot) = self.state().slot_mut(place) {
            let started_at = match &slot.state {
                SlotState::Running { started_at } => Some(*started_at),
                _ => exit.as_ref().and_then(|exit| exit.started_at),
            };
            let ended = Terminated {
                exit_code: code,
                reason: reason.to_owned(),
                message,
                started_at,
                finished_at: exit.map_or(now, |exit| exit.finished_at),
                container_id: Some(id.to_owned()),
            };
            slot.end(ended, is_init);
        }
    }

    /// What it has left in its file, or in its log if it is to be looked for there.
    async fn last_words(&self, container: &Container, attempt: u32, code: i32) -> Option<String> {
        const MAX_BYTES: usize = 4096;
        const MAX_LOG_BYTES: usize = 2048;
        let mut said = tokio::fs::read(self.message_file(&container.name, attempt)).await.unwrap_or_default();
        said.truncate(MAX_BYTES);
        let from_log = container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
        if said.is_empty() && from_log && code != 0 {
            let path = self.logs().join(&container.name).join(format!("{attempt}.log"));
            said = super::log::tail(path).await;
            let start = said.len().saturating_sub(MAX_LOG_BYTES);
            said.drain(..start);
        }
        Some(String::from_utf8_lossy(&said).into_owned()).filter(|said| !said.is_empty())
    }

    /// Stops all that runs, each container with this time between signal and kill.
    pub(super) async fn kill(&self, grace: Duration) {
        let running: Vec<(Place, String)> = {
            let state = self.state();
            let places = (0..state.init.len()).map(Place::Init).chain((0..state.main.len()).map(Place::Main));
            places
                .filter_map(|place| {
                    let slot = state.slot(place).filter(|slot| slot.is_running())?;
                    Some((place, slot.id.clone()?))
                })
                .collect()
        };
        let kills = running.iter().map(|(place, id)| self.kill_one(*place, id, grace));
        join_all(kills).await;
    }

    async fn kill_one(&self, place: Place, id: &str, grace: Duration) {
        let engine = self.cluster.runtime.engine();
        let Some(container) = self.state().slot(place).map(|slot| slot.spec.clone()) else { return };
        self.tell("Killing", format!("Stopping container {}", container.name), false, Some(place));
        let begun = tokio::time::Instant::now();
        let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref());
        if let Some(hook) = hook.filter(|_| !grace.is_zero()) {
            let sandbox = self.sandbox().unwrap_or_default();
            let target = Target { container: &container, container_id: id, sandbox_id: &sandbox };
            let ran = tokio::time::timeout(grace, probe::hook(&self.cluster.runtime, hook, target)).await;
            if let Ok(Err(why)) = ran {
                self.tell("FailedPreStopHook", format!("PreStopHook failed: {why}"), true, Some(place));
            }
        }
        let left = grace.saturating_sub(begun.elapsed());
        // One that has ended by itself is stopped already.
        let _ = engine.stop_container(id, None, left).await;
        let exit = engine.wait_container(id).await.ok();
        self.record_end(place, id, exit).await;
    }
}

/// What follows from a probe.
enum Next {
    GoOn,
    Done,
    Kill(&'static str),
}
