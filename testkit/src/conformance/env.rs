//! What a case is given.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{TryStreamExt, future::BoxFuture};
use runtime_core::{
    Capability, Client, ContainerHandle, Driver, ErrorKind, ExecOutput, LogLine, LogOptions, PodFilter,
    PodHandle, Result, layer,
    spec::{ContainerSpec, ExecSpec, ImageMountSpec, PodSpec},
};
use tokio::time::Instant;

use super::{
    Able, Failure, Held, Runtime,
    case::ensure,
    shared::{LABEL_RUN, Shared, remove_all},
};
use crate::{
    image::{Image, shell, standard},
    proxy::FaultProxy,
    registry::Registry,
};

const LABEL_CASE: &str = "conformance/case";

/// Runtimes measure files now and then only.
const IN_TIME: Duration = Duration::from_secs(40);

/// What one case is given: a client, images, and names of its own.
pub struct Env {
    pub(super) shared: Arc<Shared>,
    case: String,
    counter: AtomicU32,
    client: Client,
    directory: PathBuf,
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("case", &self.case).finish_non_exhaustive()
    }
}

impl Env {
    pub(super) fn new(shared: Arc<Shared>, group: &str, name: &str) -> std::io::Result<Self> {
        let case = runtime_core::helpers::name::sanitize_label(
            &format!("{group}-{}", name.replace(['.', '_'], "-")),
            40,
        );
        let directory = super::state_dir().join(format!("{}-{case}", shared.run));
        std::fs::create_dir_all(&directory)?;
        let client = Client::new(Arc::clone(&shared.connected.driver)).with_timeout(Duration::from_secs(90));
        Ok(Self { shared, case, counter: AtomicU32::new(0), client, directory })
    }

    /// A client with the default layers.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The driver without layers.
    #[must_use]
    pub fn driver(&self) -> &dyn Driver {
        &*self.shared.connected.driver
    }

    /// A client on a connection of its own, as a new process would have it.
    ///
    /// # Errors
    /// The driver's.
    pub async fn reconnect(&self) -> Result<Client> {
        Ok(Client::new((self.shared.connected.reconnect)().await?).with_timeout(Duration::from_secs(60)))
    }

    /// The same with more options in the URL; an empty value leaves out what the setup sets by itself.
    ///
    /// # Errors
    /// The driver's; a skip where there is no URL, or the setup knows that its driver has no such option.
    pub async fn connect_with(&self, options: &[(&str, &str)]) -> Result<Client, Failure> {
        let connect = self.able(&self.shared.connected.connect_with)?;
        match connect(options).await {
            Ok(driver) => Ok(Client::new(driver).with_timeout(Duration::from_secs(60))),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                Err(Failure::Skipped(error.message().to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A client whose connections go through a fault proxy of its own.
    ///
    /// # Errors
    /// The driver's; a skip where nothing can be put between driver and runtime.
    pub async fn through_proxy(&self) -> Result<(Client, FaultProxy), Failure> {
        let (driver, proxy) = self.able(&self.shared.connected.proxied)?().await?;
        Ok((Client::new(driver), proxy))
    }

    /// The runtime, to be killed and started: only for cases that run alone.
    ///
    /// # Errors
    /// A skip where there is none.
    pub fn runtime(&self) -> Result<&dyn Runtime, Failure> {
        Ok(&**self.able(&self.shared.connected.runtime)?)
    }

    /// What the system holds now, of all cases.
    ///
    /// # Errors
    /// A skip where it can't be known.
    pub async fn holdings(&self) -> Result<Vec<Held>, Failure> {
        Ok(self.able(&self.shared.connected.holdings)?().await?)
    }

    /// Lets what is there without a pod or container be, after a runtime was killed in the middle of a create or a removal.
    /// containerd 1.6 has a sandbox's network before it has the sandbox, and does not look for what it forgot. Only for cases
    /// that run alone.
    ///
    /// # Errors
    /// The driver's.
    pub async fn forgive_the_runtime(&self) -> Result<(), Failure> {
        let Ok(holdings) = &self.shared.connected.holdings else { return Ok(()) };
        let held = holdings().await?;
        let is_known = |held: &&Held| matches!(held.what.as_str(), "sandbox" | "container");
        let known: BTreeSet<_> = held.iter().filter(is_known).map(|held| held.name.clone()).collect();
        let is_orphan = |held: &Held| held.owner.as_ref().is_none_or(|owner| !known.contains(owner));
        let mut forgiven = self.shared.forgiven.lock().unwrap_or_else(PoisonError::into_inner);
        forgiven.extend(held.into_iter().filter(is_orphan));
        Ok(())
    }

    fn able<'a, T>(&self, able: &'a Able<T>) -> Result<&'a T, Failure> {
        able.as_ref().map_err(|reason| Failure::Skipped((*reason).to_owned()))
    }

    /// A client to which these capabilities are not declared.
    #[must_use]
    pub fn client_without(&self, capability: Capability) -> Client {
        let mut layers = layer::default_layers();
        layers.push(Arc::new(super::refusal::Without(capability)));
        Client::builder(Arc::clone(&self.shared.connected.driver)).with_layers(layers).build()
    }

    /// A client without layers: nothing but the driver.
    #[must_use]
    pub fn bare_client(&self) -> Client {
        Client::builder(Arc::clone(&self.shared.connected.driver)).with_layers(Vec::new()).build()
    }

    /// Whether the driver declares a capability.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        self.client.capabilities().has(capability)
    }

    /// Whether the driver declares a capability and this environment can show it.
    #[must_use]
    pub fn shows(&self, capability: Capability) -> bool {
        self.has(capability) && self.shared.connected.lacks.iter().all(|(lacking, _)| *lacking != capability)
    }

    /// The seed of the run, for cases that draw.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// The registry that serves the images.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// What was traced since the run began, in all cases.
    #[must_use]
    pub fn traced(&self) -> String {
        self.shared.capture.text()
    }

    /// A directory of the case's own on the host, removed after it.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The reference of a standard image.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        self.shared.registry.reference(name, standard::TAG)
    }

    /// An image that no other case has, pushed to a repository of the case's own.
    ///
    /// # Errors
    /// The builder's.
    pub fn own_image(&self) -> Result<(String, Image), Failure> {
        let name = self.unique("image");
        let image = standard::guest(&self.shared.base).label("case", &name).build()?;
        self.shared.registry.push(&name, "1", &image);
        Ok((self.shared.registry.reference(&name, "1"), image))
    }

    /// An image with the shell and the usual commands of busybox at `/bin` beside the guest program.
    ///
    /// # Errors
    /// A skip where this machine has no busybox that could be in an image.
    pub async fn shell_image(&self) -> Result<String, Failure> {
        const NAME: &str = "shell";
        let found = tokio::task::spawn_blocking(shell::busybox).await?;
        let busybox = found.ok_or_else(|| Failure::Skipped("no static busybox is here".to_owned()))?;
        let image = standard::guest(&self.shared.base).layer(shell::layer(busybox)?).build()?;
        self.shared.registry.push(NAME, standard::TAG, &image);
        Ok(self.image(NAME))
    }

    /// A name that no other case uses.
    #[must_use]
    pub fn unique(&self, prefix: &str) -> String {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{}-{count}-{}", self.case, self.shared.run);
        runtime_core::helpers::name::sanitize_label(&name, 63)
    }

    /// A pod without containers, labelled so that it is removed after the case.
    #[must_use]
    pub fn pod(&self) -> PodSpec {
        PodSpec::new(self.unique("pod"))
            .with_namespace(&self.shared.connected.namespace)
            .with_label(LABEL_RUN, &self.shared.run)
            .with_label(LABEL_CASE, &self.case)
    }

    /// A container that runs a command of the guest program.
    #[must_use]
    pub fn container<S: Into<String>>(
        &self,
        name: &str,
        command: impl IntoIterator<Item = S>,
    ) -> ContainerSpec {
        ContainerSpec::new(name, self.image("guest")).with_args(command)
    }

    /// A pod with one container, `main`, that runs a command of the guest program.
    #[must_use]
    pub fn pod_running<S: Into<String>>(&self, command: impl IntoIterator<Item = S>) -> PodSpec {
        self.pod().with_container(self.container("main", command))
    }

    /// Runs a pod with one container, and gives both.
    ///
    /// # Errors
    /// The driver's.
    pub async fn run(&self, spec: &PodSpec) -> Result<(PodHandle, ContainerHandle), Failure> {
        let pod = self.client.run_pod(spec).await?;
        let first = &spec.containers[0].name;
        let container = pod
            .container(first)
            .ok_or_else(|| Failure::Failed(format!("no container {first} in the answer")))?;
        Ok((pod, container))
    }

    /// The same for a container that says "ready" once it handles signals; returns when it has. A signal that comes before
    /// finds a program that has just begun.
    ///
    /// # Errors
    /// The driver's.
    pub async fn run_ready(&self, spec: &PodSpec) -> Result<(PodHandle, ContainerHandle), Failure> {
        let (pod, container) = self.run(spec).await?;
        self.ready(&container).await?;
        Ok((pod, container))
    }

    /// Waits until a container has said "ready".
    ///
    /// # Errors
    /// The driver's.
    pub async fn ready(&self, container: &ContainerHandle) -> Result<(), Failure> {
        let mut following = container.logs(&LogOptions::follow()).await?;
        while following.try_next().await?.ok_or("it ended before it was ready")?.text() != "ready" {}
        Ok(())
    }

    /// Runs a container that idles, and gives it.
    ///
    /// # Errors
    /// The driver's.
    pub async fn idle(&self) -> Result<(PodHandle, ContainerHandle), Failure> {
        self.run(&self.pod_running(["pause"])).await
    }

    /// Runs a container to its end and returns what it wrote to standard output; any end but 0 fails the case.
    ///
    /// # Errors
    /// The driver's.
    pub async fn output_of(&self, spec: &PodSpec) -> Result<String, Failure> {
        let (_, container) = self.run(spec).await?;
        let exit = container.wait().await?;
        let lines = lines(&container, &LogOptions::default()).await?;
        let text = lines.iter().map(LogLine::text).collect::<Vec<_>>().join("\n");
        super::case::ensure!(exit.success(), "{exit}, having written: {text}");
        Ok(text)
    }

    /// An image to be mounted, made of files: paths in it, and what they hold. Each call makes one of its own.
    ///
    /// # Errors
    /// The setup's; a skip where it can't make one.
    pub async fn mountable(&self, files: &[(&str, &str)]) -> Result<ImageMountSpec, Failure> {
        let make = self.able(&self.shared.connected.mountable)?;
        let place = self.directory.join(self.unique("mountable"));
        let (content, image) = (place.join("content"), place.join("image"));
        std::fs::create_dir_all(&image)?;
        for (path, text) in files {
            let path = content.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(&content))?;
            std::fs::write(path, text)?;
        }
        Ok(make(&content, &image).await?)
    }

    /// Runs a pod without containers.
    ///
    /// # Errors
    /// The driver's.
    pub async fn bare(&self) -> Result<PodHandle, Failure> {
        Ok(self.client.run_pod(&self.pod()).await?)
    }

    /// The pods of this case that are there.
    ///
    /// # Errors
    /// The driver's.
    pub async fn pods(&self) -> Result<Vec<runtime_core::PodSummary>> {
        self.client.list_pods(&self.filter()).await
    }

    /// The filter for the pods of this case.
    #[must_use]
    pub fn filter(&self) -> PodFilter {
        PodFilter::default().with_label(LABEL_CASE, &self.case).with_label(LABEL_RUN, &self.shared.run)
    }

    /// Waits for all undo work, and finishes what that left: of any case that shares the driver, since whoever asks first is told.
    ///
    /// # Errors
    /// The driver's.
    pub async fn settle(&self) -> Result<()> {
        settle(&self.client).await
    }

    /// Fails unless nothing of the case is there once undo work is done.
    ///
    /// # Errors
    /// The driver's, or what is left.
    pub async fn ensure_nothing_left(&self) -> Result<(), Failure> {
        self.settle().await?;
        let left = self.pods().await?;
        super::case::ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }

    /// Removes what the case made, and names what resists.
    pub(super) async fn clean(&self) -> Vec<String> {
        let client =
            Client::new(Arc::clone(&self.shared.connected.driver)).with_timeout(Duration::from_secs(60));
        let mut left = match settle(&client).await {
            Ok(()) => Vec::new(),
            Err(error) => vec![error.to_string()],
        };
        left.extend(remove_all(&client, &self.filter()).await);
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            left.push(format!("{}: {error}", self.directory.display()));
        }
        left
    }
}

async fn settle(client: &Client) -> Result<()> {
    match client.settle().await {
        Err(error) if !error.leftovers().is_empty() => client.reap(error.leftovers()).await,
        settled => settled,
    }
}

/// Runs a command of the guest program in a container.
pub(super) async fn guest_exec<const N: usize>(
    container: &ContainerHandle,
    command: [&str; N],
) -> Result<ExecOutput> {
    container.exec(&guest_command(command)).await
}

/// A command of the guest program.
pub(super) fn guest_command<const N: usize>(command: [&str; N]) -> ExecSpec {
    ExecSpec::new(std::iter::once("/guest").chain(command))
}

/// All lines that the options let through.
pub(super) async fn lines(container: &ContainerHandle, options: &LogOptions) -> Result<Vec<LogLine>> {
    container.logs(options).await?.try_collect().await
}

/// Asks until the answer is as it must become.
///
/// # Errors
/// The asker's; a failure when it takes too long.
pub async fn until<'a, T>(
    what: &str,
    ask: impl Fn() -> BoxFuture<'a, Result<T>>,
    is_so: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    until_within(IN_TIME, what, ask, is_so).await
}

/// The same for what may take another time.
pub(super) async fn until_within<'a, T>(
    limit: Duration,
    what: &str,
    ask: impl Fn() -> BoxFuture<'a, Result<T>>,
    is_so: impl Fn(&T) -> bool,
) -> Result<T, Failure> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        let answer = ask().await?;
        if is_so(&answer) {
            return Ok(answer);
        }
        ensure!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(pause).await;
        pause = Duration::from_millis(500).min(pause * 2);
    }
}

/// Fails unless an error is of this kind.
///
/// # Errors
/// A failure for success and for an error of another kind.
pub fn kind_of<T: std::fmt::Debug>(
    result: Result<T>,
    kind: ErrorKind,
) -> Result<runtime_core::Error, Failure> {
    match result {
        Ok(value) => {
            Err(Failure::Failed(format!("succeeded with {value:?}, expected an error of kind {kind:?}")))
        }
        Err(error) if error.kind() == kind => Ok(error),
        Err(error) => Err(Failure::Failed(format!("expected kind {kind:?}, got {error:?}"))),
    }
}
