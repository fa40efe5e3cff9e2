//! Running, stopping and removing a daemon.

use std::time::Duration;

use jiff::Timestamp;
use runtime_core::{
    Context, Error, ErrorKind, ExistingPolicy, Leftover, Object, PodId, PodPhase, PodRun, Recorder, Result,
    RunOptions, StopOptions, marks, spec::PodSpec,
};
use tokio::{process::Child, time::Instant};

use crate::{
    Mode, NydusPodOptions,
    api::{Client, MountRequest},
    driver::{NAME, NydusDriver},
    io_error::failed,
    look::Look,
    options::LogLevel,
    process::{
        arguments::Arguments,
        check::{self, Places, find_program},
        exit::{self, Watching},
        identity::Identity,
        log::last_words,
        ready, sockets,
        spawn::{self, Launch},
        stop,
    },
    running::Running,
    state::{Claim, Record, Started, Stopping, blocking, new_id},
};

/// Where the shared directory is, in what the daemon serves.
const SHARED: &str = "/containers";

/// How often somebody else may be faster, each time with another pod of the name.
const MAX_ROUNDS: u32 = 16;

/// The first and the longest pause between two looks at a pod that another process starts.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How long undo tries again what fails for lack of descriptors or memory.
const UNDO_PATIENCE: Duration = Duration::from_secs(5);

/// How long after its end a daemon's end may take to be written down.
const WORD_TIMEOUT: Duration = Duration::from_secs(5);

impl NydusDriver {
    /// Makes a pod and starts its daemon, until it serves.
    pub(crate) async fn run_pod(&self, cx: &Context, spec: &PodSpec, options: &RunOptions) -> Result<PodRun> {
        let own: NydusPodOptions = spec.extensions.get()?;
        check::options(&own, self.config().mode)?;
        let (driver, mut spec, policy) = (self.clone(), spec.clone(), options.existing);
        if spec.uid.is_none() {
            spec.uid = Some(marks::default_uid(spec.namespace_or_default(), &spec.name));
        }
        self.janitor()
            .transact(cx, |cx, recorder| async move {
                match driver.make(&cx, &recorder, spec, &own, policy).await? {
                    Made::New(new) => driver.start(&cx, new.0, new.1).await,
                    Made::Adopted(run) => Ok(run),
                }
            })
            .await
    }

    /// Makes a pod's files, or deals with the pod that has its name.
    async fn make(
        &self,
        cx: &Context,
        recorder: &Recorder,
        spec: PodSpec,
        options: &NydusPodOptions,
        policy: ExistingPolicy,
    ) -> Result<Made> {
        let program = self.config().nydusd.clone();
        let program = blocking(move || find_program(&program)).await?;
        let id = new_id().map_err(|error| failed("make an id", error))?;
        let driver = self.clone();
        recorder.record(Leftover::pod(id.as_str()), move |cx, leftover| async move {
            driver.undo(&cx, &PodId::new(leftover.object.id)).await
        });
        for _ in 0..MAX_ROUNDS {
            cx.check()?;
            if policy == ExistingPolicy::Adopt
                && let Some(holder) = self.named(&spec).await?
                && let Some(run) = self.adopted(cx, &spec, &holder).await?
            {
                return Ok(Made::Adopted(run));
            }
            let record = self.record(id.clone(), &spec, options).await?;
            let (store, made) = (self.store().clone(), record.clone());
            let Err((claim, holder)) = blocking(move || store.create(&made)).await? else {
                let launch = self.launch(&record, program, options);
                return Ok(Made::New(Box::new((record, launch))));
            };
            if claim.is_place {
                self.take_place(&record.places, &claim, &holder).await?;
            } else if policy == ExistingPolicy::Replace {
                self.remove_pod(&cx.child(), &holder).await?;
            } else if policy == ExistingPolicy::Fail {
                return Err(taken(&spec, &holder));
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "others take the name again and again").transient())
    }

    /// What is written down of a pod to be made, once everything that it needs is there.
    async fn record(&self, id: PodId, spec: &PodSpec, options: &NydusPodOptions) -> Result<Record> {
        let (store, mode) = (self.store().clone(), self.config().mode);
        let (spec, options) = (spec.clone(), options.clone());
        blocking(move || {
            let mut places = Places::new(&options, mode, &store.pod(&id));
            check::surroundings(&options, &places)?;
            if options.mountpoint.is_some() {
                // As the kernel will name it.
                places.serves = std::fs::canonicalize(&places.serves)
                    .map_err(|error| failed("look at the mount point", error))?;
            }
            let creator = Identity::own().map_err(|error| failed("look at this process", error))?;
            Ok(Record { id, spec, places, created_at: Timestamp::now(), creator })
        })
        .await
    }

    fn launch(&self, record: &Record, program: std::path::PathBuf, options: &NydusPodOptions) -> Launch {
        let arguments = Arguments {
            id: record.id.as_str(),
            log_level: options.log_level.unwrap_or(LogLevel::Info),
            api_socket: &record.places.api_socket,
            serves: record.places.serves(options.hybrid_mode),
            supervisor: options.supervisor.as_deref(),
            extra: &options.extra_arguments,
        };
        Launch {
            program,
            arguments: arguments.build(),
            network_namespace: options.network_namespace.clone(),
            log: self.store().log(&record.id),
        }
    }

    /// Starts the daemon of a pod that was made, and waits until it serves. Who fails here is undone as a whole.
    async fn start(&self, cx: &Context, record: Record, launch: Launch) -> Result<PodRun> {
        let (places, log) = (record.places.clone(), launch.log.clone());
        blocking(move || {
            for socket in places.sockets() {
                sockets::remove_stale(socket).map_err(|error| failed("remove a stale socket", error))?;
            }
            spawn::make_log(&log)
        })
        .await?;
        cx.check()?;
        let watch = ready::watch(&record.places.api_socket);
        let child = spawn::spawn(launch).await?;
        let (running, mut started) = self.started(&record, child).await?;

        let limit = self.config().start_timeout;
        let serving = async {
            ready::wait(cx, running.client(), watch, limit).await?;
            let source = record.places.source.to_string_lossy().into_owned();
            running.client().mount(cx, SHARED, &MountRequest::directory(source)).await.map_err(Error::from)
        };
        let deadline = Instant::now() + limit;
        let served = tokio::select! {
            biased;
            served = serving => served,
            () = exit::ended(running.ended()) => Err(self.died(&record.id).await),
            () = tokio::time::sleep_until(deadline) => {
                let message = format!("the daemon did not share its directory within {limit:?}");
                Err(Error::new(ErrorKind::DeadlineExceeded, message))
            }
        };
        if let Err(error) = served {
            return Err(self.explained(error, &running, &record.id).await);
        }
        cx.check()?;
        started.ready_at = Some(Timestamp::now());
        let (store, id) = (self.store().clone(), record.id.clone());
        blocking(move || store.set_started(&id, &started)).await?;
        running.set_ready();
        Ok(PodRun::new(record.id, Vec::new()))
    }

    /// Writes down who the daemon is, and watches it. If that fails, it is killed at once: nobody could find it later.
    async fn started(&self, record: &Record, mut child: Child) -> Result<(std::sync::Arc<Running>, Started)> {
        let (store, id, pid) = (self.store().clone(), record.id.clone(), child.id().unwrap_or_default());
        let written = blocking(move || {
            let process = Identity::of(pid).map_err(|error| failed("look at the daemon's process", error))?;
            let started = Started { process, ready_at: None };
            store.set_started(&id, &started)?;
            Ok(started)
        });
        match written.await {
            Ok(started) => {
                let running = self.daemons().add(&record.id, || {
                    let client = Client::new(record.places.api_socket.clone());
                    let watching = Watching::child(self.store().clone(), record.clone(), child);
                    Running::new(record.clone(), client, watching, false)
                });
                Ok((running, started))
            }
            Err(error) => {
                if let Err(error) = child.kill().await {
                    tracing::warn!(pod = %record.id, %error, "can't kill the daemon");
                }
                Err(error)
            }
        }
    }

    /// Why a daemon that should have become ready ended.
    async fn died(&self, id: &PodId) -> Error {
        let (store, id) = (self.store().clone(), id.clone());
        let ended = blocking(move || store.ended(&id)).await.ok().flatten();
        let Some(ended) = ended else {
            return Error::new(ErrorKind::Failed, "the daemon ended before it was ready");
        };
        let error = Error::new(ErrorKind::Failed, format!("the daemon {} before it was ready", ended.status));
        match ended.last_words {
            words if words.is_empty() => error,
            words => error.with_context("log", words),
        }
    }

    /// The reason behind a call that failed: the daemon's end if it has ended, and else what it logged.
    async fn explained(&self, error: Error, running: &Running, id: &PodId) -> Error {
        if error.kind() == ErrorKind::Cancelled || error.context().iter().any(|(key, _)| *key == "log") {
            return error;
        }
        // A daemon that ends closes its connections first.
        let noticing = tokio::time::timeout(Duration::from_millis(100), exit::ended(running.ended()));
        if error.kind() == ErrorKind::Unavailable && noticing.await.is_ok() {
            return self.died(id).await;
        }
        let log = self.store().log(id);
        match blocking(move || Ok(last_words(&log))).await {
            Ok(words) if !words.is_empty() => error.with_context("log", words),
            _ => error,
        }
    }

    /// Undoes a run. What the host lacks now it may have again in a moment.
    async fn undo(&self, cx: &Context, id: &PodId) -> Result<()> {
        let deadline = Instant::now() + UNDO_PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.end_and_remove(cx, id).await {
                Err(error) if error.is_transient() && Instant::now() < deadline => {}
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Stops a pod's daemon; stopped or missing is `Ok`.
    pub(crate) async fn stop_pod(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        self.settled(cx, id).await?;
        self.end(cx, id, options).await.map(drop)
    }

    /// Removes a pod, whose daemon is killed if it runs; missing is `Ok`.
    pub(crate) async fn remove_pod(&self, cx: &Context, id: &PodId) -> Result<()> {
        self.settled(cx, id).await?;
        self.end_and_remove(cx, id).await
    }

    async fn end_and_remove(&self, cx: &Context, id: &PodId) -> Result<()> {
        let look = self.end(cx, id, &StopOptions::now()).await?;
        self.daemons().forget(id);
        let (store, id) = (self.store().clone(), id.clone());
        blocking(move || match look {
            Some(look) => store.remove(&look.found.record),
            None => store.discard(&id),
        })
        .await
    }

    /// Ends a pod's daemon, until everything of it is cleared away. `None` if there is no such pod.
    async fn end(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<Option<Look>> {
        let Some((look, running)) = self.look(id).await? else { return Ok(None) };
        let record = look.found.record.clone();
        let running = running.or_else(|| self.daemons().get(id));
        if let Some(process) = self.held(&look)? {
            if look.found.stopping.is_none() {
                let (store, id) = (self.store().clone(), id.clone());
                blocking(move || store.set_stopping(&id, &Stopping { asked_at: Timestamp::now() })).await?;
            }
            stop::stop(cx, &process, record.places.socket(), options.grace_period).await?;
        }
        if let Some(running) = running {
            let written = tokio::time::timeout(WORD_TIMEOUT, exit::ended(running.ended()));
            if written.await.is_err() {
                tracing::warn!(pod = %id, "the daemon has ended, and nobody wrote down how");
            }
        }
        let store = self.store().clone();
        blocking(move || exit::clear_away(&store, &record)).await?;
        Ok(Some(look))
    }

    /// Waits while another call, perhaps in another process, starts the pod: it undoes what fails, and nobody else can.
    async fn settled(&self, cx: &Context, id: &PodId) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.look(id).await? {
                Some((look, _)) if look.standing.phase == PodPhase::Pending => {}
                _ => return Ok(()),
            }
            cx.run(async {
                tokio::time::sleep(pause).await;
                Ok(())
            })
            .await?;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// The pod that has a spec's name.
    async fn named(&self, spec: &PodSpec) -> Result<Option<PodId>> {
        let (store, claim) = (self.store().clone(), Claim::name(spec));
        blocking(move || store.holder_of(&claim)).await
    }

    /// Takes over the pod that has the name; `None` if it is gone.
    async fn adopted(&self, cx: &Context, spec: &PodSpec, holder: &PodId) -> Result<Option<PodRun>> {
        self.settled(cx, holder).await?;
        let Some((look, _)) = self.look(holder).await? else { return Ok(None) };
        let refused = |why: &str| Err(taken(spec, holder).with_context("not_taken_over", why));
        if look.found.record.spec != *spec {
            return refused("it was made from another spec");
        }
        if look.standing.phase != PodPhase::Running {
            return refused("it has ended");
        }
        let mut run = PodRun::new(holder.clone(), Vec::new());
        run.adopted = true;
        Ok(Some(run))
    }

    /// Takes a socket or mount point over from a pod that has ended. From one that is being made it is not taken: the next look
    /// tells.
    async fn take_place(&self, places: &Places, claim: &Claim, holder: &PodId) -> Result<()> {
        match self.look(holder).await? {
            Some((look, _)) if matches!(look.standing.phase, PodPhase::Pending | PodPhase::Running) => {
                let message = format!("pod {holder} has the same socket or mount point");
                Err(Error::invalid(field_of(places, claim), message))
            }
            Some(_) => {
                let (store, claim, holder) = (self.store().clone(), claim.clone(), holder.clone());
                blocking(move || store.release(&claim, &holder)).await
            }
            None => {
                let (store, claim, holder) = (self.store().clone(), claim.clone(), holder.clone());
                if !blocking(move || store.release_if_gone(&claim, &holder)).await? {
                    tokio::time::sleep(LONGEST_PAUSE).await;
                }
                Ok(())
            }
        }
    }
}

/// What there is for a run to begin with.
enum Made {
    New(Box<(Record, Launch)>),
    Adopted(PodRun),
}

/// The option that names a place which is another pod's.
fn field_of(places: &Places, claim: &Claim) -> String {
    let option = match places.mode {
        _ if Claim::place(&places.api_socket) == *claim => "apiSocket",
        Mode::Virtiofs => "socket",
        Mode::Fuse => "mountpoint",
    };
    format!("extensions.{NAME}.{option}")
}

fn taken(spec: &PodSpec, holder: &PodId) -> Error {
    Error::already_exists(Object::pod(spec.full_name()), holder.as_str())
}
