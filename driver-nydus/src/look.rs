//! What is known of pods at one moment.

use std::{sync::Arc, time::Duration};

use runtime_core::{ExitStatus, PodId, PodStatus, PodSummary, Result, spec::Extensions};

use crate::{
    NydusPodStatus,
    driver::NydusDriver,
    io_error::failed,
    process::{
        exit,
        identity::{Held, Identity},
        sockets::{self, Found as Listening},
    },
    running::Running,
    state::{Found, Standing, blocking, phase},
};

/// How long whoever watches a daemon may take to write down how it ended; itself it waits for another's word for a second.
const WORD_TIMEOUT: Duration = Duration::from_secs(2);

/// A pod, and whether its daemon runs.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) found: Found,
    pub(crate) standing: Standing,
    /// Its daemon, while it runs.
    pub(crate) process: Option<Identity>,
}

impl Look {
    fn at(found: Found) -> Result<Self> {
        let looking = |error| failed("look for the daemon's process", error);
        let alive = |identity: &Identity| identity.is_alive().map_err(looking);
        // One that has just ended may not be written down as ended yet. A creator that lives is only asked for if it matters.
        let is_ready = found.started.as_ref().is_some_and(|started| started.ready_at.is_some());
        let creator = !is_ready && found.ended.is_none() && alive(&found.record.creator)?;
        let process = match &found.started {
            Some(started) if found.ended.is_none() => {
                alive(&started.process)?.then(|| started.process.clone())
            }
            None if found.ended.is_none() && !creator => listener(&found),
            _ => None,
        };
        let standing = phase(&found, process.is_some(), creator);
        Ok(Self { found, standing, process })
    }

    /// It has ended, and nobody has written down how yet.
    fn has_just_ended(&self) -> bool {
        self.found.started.is_some() && self.found.ended.is_none() && self.process.is_none()
    }

    /// As lists show it.
    pub(crate) fn summary(&self) -> PodSummary {
        let record = &self.found.record;
        let spec = &record.spec;
        let mut summary = PodSummary::new(
            record.id.clone(),
            spec.name.clone(),
            spec.namespace_or_default(),
            self.standing.phase,
        );
        summary.uid = spec.uid.clone();
        summary.attempt = Some(spec.attempt);
        summary.created_at = Some(record.created_at);
        summary.labels = spec.labels.clone();
        summary.annotations = spec.annotations.clone();
        summary
    }

    /// All that is known.
    pub(crate) fn status(&self) -> Result<PodStatus> {
        let places = &self.found.record.places;
        let own = NydusPodStatus {
            mode: places.mode,
            pid: self.process.as_ref().map(|process| process.pid),
            api_socket: places.api_socket.clone(),
            socket: places.socket().map(Into::into),
            mountpoint: places.mountpoint().map(Into::into),
            source: places.source.clone(),
            exit: self.exit(),
        };
        let mut status = PodStatus::new(self.summary(), self.standing.phase.to_string());
        status.reason = self.standing.reason.map(str::to_owned);
        status.message = self.standing.message.clone();
        status.extensions = Extensions::default();
        status.extensions.set(&own)?;
        Ok(status)
    }

    fn exit(&self) -> Option<ExitStatus> {
        self.found.ended.as_ref().map(|ended| ended.status.clone())
    }
}

/// The daemon of a pod whose creator ended before it wrote down who the daemon is: whoever listens on the pod's own socket.
fn listener(found: &Found) -> Option<Identity> {
    let socket = &found.record.places.api_socket;
    let Ok(Listening::Live(listener)) = sockets::look(socket) else { return None };
    let pid = listener.pid?;
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let names_it = |argument: &[u8]| argument == socket.as_os_str().as_encoded_bytes();
    arguments.split(|byte| *byte == 0).any(names_it).then(|| Identity::of(pid).ok())?
}

impl NydusDriver {
    /// A pod with its daemon, if that runs; `None` if there is no such pod. A daemon that is not watched yet is from now on.
    pub(crate) async fn look(&self, id: &PodId) -> Result<Option<(Look, Option<Arc<Running>>)>> {
        let Some(mut look) = self.look_once(id).await? else { return Ok(None) };
        if look.has_just_ended()
            && let Some(running) = self.daemons().get(id)
        {
            // Who watches it is about to write down how.
            let written = tokio::time::timeout(WORD_TIMEOUT, exit::ended(running.ended()));
            if written.await.is_ok() {
                let Some(now) = self.look_once(id).await? else { return Ok(None) };
                look = now;
            }
        }
        let running = self.watched(&look)?;
        Ok(Some((look, running)))
    }

    async fn look_once(&self, id: &PodId) -> Result<Option<Look>> {
        let (store, id) = (self.store().clone(), id.clone());
        blocking(move || store.find(&id)?.map(Look::at).transpose()).await
    }

    /// All pods. Daemons that are not watched yet are from now on.
    pub(crate) async fn look_at_all(&self) -> Result<Vec<Look>> {
        let store = self.store().clone();
        let all =
            blocking(move || store.all()?.into_iter().map(Look::at).collect::<Result<Vec<_>>>()).await?;
        self.daemons().prune();
        for look in &all {
            self.watched(look)?;
        }
        Ok(all)
    }

    /// Holds a pod's daemon, if it runs.
    pub(crate) fn held(&self, look: &Look) -> Result<Option<Held>> {
        let Some(process) = &look.process else { return Ok(None) };
        process.hold().map_err(|error| failed("hold the daemon's process", error))
    }

    fn watched(&self, look: &Look) -> Result<Option<Arc<Running>>> {
        if look.process.is_none() {
            return Ok(None);
        }
        if let Some(running) = self.daemons().get(&look.found.record.id) {
            if look.standing.phase == runtime_core::PodPhase::Running {
                running.set_ready();
            }
            return Ok(Some(running));
        }
        // Who starts it watches it then.
        if look.standing.phase == runtime_core::PodPhase::Pending {
            return Ok(None);
        }
        Ok(self.held(look)?.map(|process| self.watch(look, process)))
    }
}
