//! Where the cluster is and who asks, found as kubectl finds it.

use std::{
    ffi::OsString,
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use runtime_core::{Error, ErrorKind, Result};

pub(crate) use self::proxy::Proxies;
use crate::config::Config;

mod proxy;

/// Where a pod finds its own account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What this process can be told by, beside its configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// `KUBECONFIG`: files, some of which may not be there.
    pub(crate) list: Option<OsString>,
    /// The home directory.
    pub(crate) home: Option<PathBuf>,
    /// The server as a pod is told it: `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`.
    pub(crate) service: Option<(String, String)>,
    /// The directory of the pod's own account.
    pub(crate) account: PathBuf,
    pub(crate) proxies: Proxies,
}

/// A cluster and who asks it. It holds credentials.
pub(crate) struct Access {
    pub(crate) config: kube::Config,
    /// A file that the token is in, to be read again: others renew it.
    pub(crate) token_file: Option<PathBuf>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.config.cluster_url.to_string();
        f.debug_struct("Access")
            .field("url", &url)
            .field("token_file", &self.token_file)
            .finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Self {
            list: std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()),
            home: std::env::home_dir(),
            service: variable("KUBERNETES_SERVICE_HOST").zip(variable("KUBERNETES_SERVICE_PORT")),
            account: PathBuf::from(ACCOUNT),
            proxies: Proxies::of_process(),
        }
    }

    /// Finds the cluster. Reads files, so not for a thread that must not wait.
    ///
    /// # Errors
    /// `InvalidArgument` says what is wrong with what was found, or where nothing was.
    pub(crate) async fn access(&self, config: &Config) -> Result<Access> {
        let (kubeconfig, places) = self.kubeconfig(config.kubeconfig.as_deref())?;
        let mut access = match kubeconfig {
            Some(kubeconfig) => from_kubeconfig(kubeconfig, config, &places).await?,
            None if config.context.is_some() => {
                return Err(invalid("context", format!("a context is asked for, but {places}")));
            }
            None => self.in_cluster(&places)?,
        };
        if let Some(namespace) = &config.namespace {
            access.config.default_namespace.clone_from(namespace);
        }
        if access.config.proxy_url.is_none() {
            access.config.proxy_url = self.proxies.on_the_way_to(&access.config.cluster_url)?;
        }
        Ok(access)
    }

    /// What the files say, and where it was looked for. `None` if they say nothing.
    fn kubeconfig(&self, explicit: Option<&Path>) -> Result<(Option<Kubeconfig>, String)> {
        let files = match (explicit, &self.list) {
            (Some(path), _) => {
                let kubeconfig = read(path)?
                    .ok_or_else(|| invalid("kubeconfig", format!("there is no file {}", path.display())))?;
                return Ok((Some(kubeconfig), format!("{} says nothing", path.display())));
            }
            (None, Some(list)) => std::env::split_paths(list).filter(|path| path != Path::new("")).collect(),
            (None, None) => {
                self.home.iter().map(|home| home.join(".kube").join("config")).collect::<Vec<_>>()
            }
        };
        let mut merged = None;
        for file in &files {
            let Some(next) = read(file)? else { continue };
            merged = Some(match merged {
                None => next,
                Some(first) => Kubeconfig::merge(first, next).map_err(|error| of_kubeconfig(&error))?,
            });
        }
        let says_nothing = |one: &Kubeconfig| one.contexts.is_empty() && one.clusters.is_empty();
        let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        let places = match (&self.list, names.is_empty()) {
            (_, true) => "there is no kubeconfig to look for (no KUBECONFIG, no home directory)".to_owned(),
            (Some(_), _) => format!("there is no kubeconfig that KUBECONFIG names ({})", names.join(", ")),
            (None, _) => {
                format!(
                    "there is no kubeconfig (KUBECONFIG is not set, and {} says nothing)",
                    names.join(", ")
                )
            }
        };
        Ok((merged.filter(|merged| !says_nothing(merged)), places))
    }

    /// As the account of the pod that this process is in.
    fn in_cluster(&self, places: &str) -> Result<Access> {
        let token_file = self.account.join("token");
        let Some((host, port)) = self.service.as_ref().filter(|_| token_file.is_file()) else {
            let message = format!(
                "{places}, and this is no pod of a cluster \
                 (no KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT with a service account)"
            );
            return Err(invalid("kubeconfig", message));
        };
        let host = match host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => host.clone(),
        };
        let url = format!("https://{host}:{port}").parse();
        let url =
            url.map_err(|_| invalid("kubeconfig", format!("{host}:{port} is no address of a server")))?;
        let mut config = kube::Config::new(url);
        config.root_cert_file = Some(self.account.join("ca.crt"));
        if let Some(namespace) = text(&self.account.join("namespace")) {
            config.default_namespace = namespace;
        }
        with_token_of(config, Some(token_file))
    }
}

async fn from_kubeconfig(mut kubeconfig: Kubeconfig, config: &Config, places: &str) -> Result<Access> {
    let current = kubeconfig.current_context.take().filter(|name| !name.is_empty());
    let there = || match kubeconfig.contexts.iter().map(|one| format!("{:?}", one.name)).collect::<Vec<_>>() {
        names if names.is_empty() => "there are none".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    let name = match config.context.clone().or(current) {
        Some(name) if kubeconfig.contexts.iter().any(|context| context.name == name) => name,
        Some(name) => return Err(invalid("context", format!("there is no context {name:?}, {}", there()))),
        None if kubeconfig.contexts.is_empty() => return Err(invalid("kubeconfig", places)),
        None => {
            return Err(invalid(
                "context",
                format!("no context is said, and none is the current one; {}", there()),
            ));
        }
    };
    let own_proxy = proxy_url(&kubeconfig, &name).map(str::to_owned);
    let options = KubeConfigOptions { context: Some(name), ..KubeConfigOptions::default() };
    let loaded = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut loaded = loaded.map_err(|error| of_kubeconfig(&error))?;
    // kube looks into the environment as well, but matches `NO_PROXY` against the proxy.
    loaded.proxy_url = own_proxy.and_then(|url| url.parse().ok());
    if loaded.default_namespace.is_empty() {
        loaded.default_namespace = "default".to_owned();
    }
    let token_file = loaded.auth_info.token_file.take().filter(|file| !file.is_empty()).map(PathBuf::from);
    with_token_of(loaded, token_file)
}

/// The proxy that the context's cluster names.
fn proxy_url<'a>(kubeconfig: &'a Kubeconfig, context: &str) -> Option<&'a str> {
    let context = kubeconfig.contexts.iter().find(|named| named.name == context)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster)?;
    cluster.cluster.as_ref()?.proxy_url.as_deref().filter(|url| !url.is_empty())
}

/// Reads the token of a file, which comes before one that is written down. kube would send its line break, too.
fn with_token_of(mut config: kube::Config, token_file: Option<PathBuf>) -> Result<Access> {
    if let Some(file) = &token_file {
        match text(file) {
            Some(token) => config.auth_info.token = Some(token.into()),
            None if config.auth_info.token.is_some() => {}
            None => {
                let message = format!("there is no token in {}", file.display());
                return Err(Error::new(ErrorKind::Unauthenticated, message));
            }
        }
    }
    Ok(Access { config, token_file })
}

/// A file's text without the white space around it; `None` if there is none.
pub(crate) fn text(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A kubeconfig; `None` if there is no such file.
fn read(file: &Path) -> Result<Option<Kubeconfig>> {
    match Kubeconfig::read_from(file) {
        Ok(mut kubeconfig) => {
            // Not said, so that a file after it may say it.
            kubeconfig.current_context = kubeconfig.current_context.filter(|name| !name.is_empty());
            Ok(Some(kubeconfig))
        }
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(KubeconfigError::ReadConfig(error, _)) => {
            Err(invalid("kubeconfig", format!("{} can't be read: {error}", file.display())))
        }
        // What the parser says may quote the file, and with it a token.
        Err(KubeconfigError::Parse(error)) => {
            let place = error.location().map(|at| format!(" (line {})", at.line())).unwrap_or_default();
            Err(invalid("kubeconfig", format!("{} is no kubeconfig{place}", file.display())))
        }
        Err(error) => Err(of_kubeconfig(&error)),
    }
}

fn of_kubeconfig(error: &KubeconfigError) -> Error {
    match error {
        KubeconfigError::Parse(_) => invalid("kubeconfig", "it is no kubeconfig"),
        error => invalid("kubeconfig", error),
    }
}

fn invalid(field: &str, message: impl fmt::Display) -> Error {
    Error::invalid(field, message)
}

#[cfg(test)]
mod tests;
