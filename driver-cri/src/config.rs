//! Where the runtime is, from its URL.

use std::path::{Path, PathBuf};

use runtime_core::{Error, Result, helpers::local_url};
use url::Url;

/// Where pods' logs go unless said: where the kubelet puts them, and log collectors look for them.
const DEFAULT_LOG_ROOT: &str = "/var/log/pods";

/// The options in a URL.
const OPTIONS: [&str; 3] = ["log_root", "docker_config", "toolbox"];

/// How to reach a CRI runtime.
///
/// As a URL: `cri:///run/containerd/containerd.sock`, or `cri://HOST:PORT`, with the options `log_root=DIR` and
/// `docker_config=FILE`, `toolbox=FILE`, separated by `&`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The directory below which each pod that doesn't name a log directory gets its own. It must be the same directory
    /// for this process and for the runtime. On a unix socket `/var/log/pods` unless said. Over TCP the runtime may be on
    /// another host: unless said, pods have no logs there.
    pub log_root: Option<PathBuf>,
    /// A Docker configuration (`config.json`) with credentials of registries, for pulls that bring none of their own, and for
    /// pods' images after the pods' own pull secrets. It is read again when it has changed. Credential helpers that it names
    /// are run by this process. None unless said: Docker's usual places are not looked at.
    pub docker_config: Option<PathBuf>,
    /// The program of the package `toolbox`, static, on the runtime's host, which must be this one. It is mounted read-only into
    /// every container that is created, outside what specs and statuses show, and exec with environment, working directory
    /// and user needs nothing of the image then. Without, a POSIX shell in the container is used where there is one.
    pub toolbox: Option<PathBuf>,
}

/// Where a CRI runtime listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// On a unix socket.
    Unix(PathBuf),
    /// On a TCP port, as `HOST:PORT`, unencrypted.
    Tcp(String),
}

impl Config {
    /// A runtime on a unix socket.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        let log_root = Some(PathBuf::from(DEFAULT_LOG_ROOT));
        Self { endpoint: Endpoint::Unix(path.into()), log_root, docker_config: None, toolbox: None }
    }

    /// A runtime on a TCP port.
    #[must_use]
    pub fn tcp(host_and_port: impl Into<String>) -> Self {
        Self {
            endpoint: Endpoint::Tcp(host_and_port.into()),
            log_root: None,
            docker_config: None,
            toolbox: None,
        }
    }

    /// Sets the directory of pods' logs.
    #[must_use]
    pub fn with_log_root(mut self, log_root: impl Into<PathBuf>) -> Self {
        self.log_root = Some(log_root.into());
        self
    }

    /// Sets the file with credentials of registries.
    #[must_use]
    pub fn with_docker_config(mut self, path: impl Into<PathBuf>) -> Self {
        self.docker_config = Some(path.into());
        self
    }

    /// Sets the toolbox.
    #[must_use]
    pub fn with_toolbox(mut self, toolbox: impl Into<PathBuf>) -> Self {
        self.toolbox = Some(toolbox.into());
        self
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// `InvalidArgument` says what is wrong with it.
    pub fn from_url(url: &Url) -> Result<Self> {
        if url.scheme() != "cri" {
            return Err(invalid(format!("the scheme is {:?}, not \"cri\"", url.scheme())));
        }
        let path = local_url::path(url)?;
        let mut config = match (url.host_str().filter(|host| !host.is_empty()), url.port()) {
            (None, _) if path.is_absolute() && path != Path::new("/") => Self::unix(path),
            (None, _) => {
                return Err(invalid("there is no socket in it, expected cri:///PATH or cri://HOST:PORT"));
            }
            (Some(_), _) if path.components().count() > 1 => {
                return Err(invalid(
                    "it has a host and a path: expected cri:///PATH (three slashes) or cri://HOST:PORT",
                ));
            }
            (Some(host), Some(port)) => Self::tcp(format!("{host}:{port}")),
            (Some(host), None) => {
                return Err(invalid(format!("there is no port: expected cri://{host}:PORT or cri:///PATH")));
            }
        };
        for (key, value) in url.query_pairs() {
            let path = || match Path::new(&*value) {
                path if path.is_absolute() => Ok(Some(path.to_owned())),
                _ => Err(invalid(format!("{key}={value} is not an absolute path"))),
            };
            match &*key {
                "log_root" => config.log_root = path()?,
                "docker_config" => config.docker_config = path()?,
                "toolbox" if matches!(config.endpoint, Endpoint::Tcp(_)) => {
                    return Err(invalid("toolbox is for runtimes of this host, on a unix socket"));
                }
                "toolbox" => config.toolbox = path()?,
                _ => {
                    let known = OPTIONS.join(", ");
                    return Err(invalid(format!("the option {key:?} is unknown, there are {known}")));
                }
            }
        }
        Ok(config)
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

fn invalid(message: impl std::fmt::Display) -> Error {
    Error::invalid("url", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Config> {
        Config::from_url(&Url::parse(url).unwrap())
    }

    #[test]
    fn sockets_and_ports() {
        assert_eq!(parse("cri:///run/x.sock").unwrap(), Config::unix("/run/x.sock"));
        assert_eq!(parse("cri:///a%20b/x.sock").unwrap(), Config::unix("/a b/x.sock"));
        assert_eq!(parse("cri://localhost:1234").unwrap(), Config::tcp("localhost:1234"));
        assert_eq!(parse("cri://[::1]:1234/").unwrap(), Config::tcp("[::1]:1234"));
        let with_root = parse("cri:///x.sock?log_root=/tmp/l").unwrap();
        assert_eq!(with_root, Config::unix("/x.sock").with_log_root("/tmp/l"));
        let with_both = parse("cri:///x.sock?docker_config=/a/config.json&log_root=/l").unwrap();
        assert_eq!(
            with_both,
            Config::unix("/x.sock").with_log_root("/l").with_docker_config("/a/config.json")
        );
        let with_toolbox = parse("cri:///x.sock?toolbox=/opt/toolbox").unwrap();
        assert_eq!(with_toolbox, Config::unix("/x.sock").with_toolbox("/opt/toolbox"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, part) in [
            ("cri://", "no socket"),
            ("cri:///", "no socket"),
            ("cri:x", "no socket"),
            ("cri://run/x.sock", "three slashes"),
            ("cri://localhost", "no port"),
            ("cri://me@localhost:1", "no user"),
            ("cri:///x.sock#y", "fragment"),
            ("cri:///x.sock?log_rot=/a", "\"log_rot\""),
            ("cri:///x.sock?log_root=a", "log_root=a"),
            ("cri:///x.sock?docker_config=a", "docker_config=a"),
            ("cri:///x.sock?toolbox=a", "toolbox=a"),
            ("cri://localhost:1?toolbox=/a", "unix socket"),
            ("other:///x.sock", "\"other\""),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.field(), Some("url"), "{url}");
            assert!(error.to_string().contains(part), "{url}: {error}");
        }
    }
}
