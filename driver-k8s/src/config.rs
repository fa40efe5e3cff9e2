//! Which cluster, as whom, and in which namespace, from a URL.

use std::{path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use runtime_core::{Error, Result};
use url::Url;

/// How long a watch lasts unless said; the server ends it then, and it goes on with the next.
const WATCH_TIMEOUT: Duration = Duration::from_secs(290);

/// How long a watch may be silent unless said. Servers send a bookmark every minute.
const WATCH_SILENCE: Duration = Duration::from_secs(90);

/// The options in a URL.
const OPTIONS: [&str; 2] = ["kubeconfig", "context"];

/// How to reach a cluster.
///
/// As a URL: `k8s://CONTEXT/NAMESPACE`, both of which may be left out (`k8s://`, `k8s:///NAMESPACE`), with the options
/// `kubeconfig=PATH` and `context=NAME`, separated by `&`. What is not said is found as kubectl does:
///
/// - *The kubeconfig*: the path given here; else the files that `KUBECONFIG` lists, those that exist, merged so that the
///   first to say something wins; else `~/.kube/config`; else, in a pod, the pod's own service account.
/// - *The context*: the current one of the kubeconfig.
/// - *The namespace*: the context's, or the pod's own; else `default`.
///
/// A context whose name can't be a host, such as one with slashes or colons, is percent-encoded, or given as an option.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The kubeconfig. It must be there.
    pub kubeconfig: Option<PathBuf>,
    /// The context within the kubeconfig.
    pub context: Option<String>,
    /// The namespace of pods whose spec says none, and of lists and events.
    pub namespace: Option<String>,
    /// How long a single watch lasts. 290 s unless said, and at most 294 s.
    pub watch_timeout: Duration,
    /// After how long without a word a watch counts as dead, although its connection is open. 90 s unless said: longer
    /// than the minute between two bookmarks of a server. Sooner, from 10 s on, while somebody waits for a change.
    pub watch_silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespace: None,
            watch_timeout: WATCH_TIMEOUT,
            watch_silence: WATCH_SILENCE,
        }
    }
}

impl Config {
    /// Uses this kubeconfig.
    #[must_use]
    pub fn with_kubeconfig(mut self, path: impl Into<PathBuf>) -> Self {
        self.kubeconfig = Some(path.into());
        self
    }

    /// Uses this context of the kubeconfig.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// Uses this namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Sets how long a watch lasts, and after how long without a word it counts as dead.
    #[must_use]
    pub fn with_watch(mut self, timeout: Duration, silence: Duration) -> Self {
        (self.watch_timeout, self.watch_silence) = (timeout, silence);
        self
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// `InvalidArgument` says what is wrong with it.
    pub fn from_url(url: &Url) -> Result<Self> {
        if url.scheme() != "k8s" {
            return Err(invalid(format!("the scheme is {:?}, not \"k8s\"", url.scheme())));
        }
        if url.password().is_some() || url.port().is_some() || url.fragment().is_some() {
            return Err(invalid("expected k8s://CONTEXT/NAMESPACE, without password, port and fragment"));
        }
        let mut config = Self { context: context(url)?, namespace: namespace(url)?, ..Self::default() };
        for (key, value) in url.query_pairs() {
            match &*key {
                _ if value.is_empty() => return Err(invalid(format!("the option {key:?} is empty"))),
                "kubeconfig" => config.kubeconfig = Some(PathBuf::from(&*value)),
                "context" if config.context.is_some() => {
                    return Err(invalid("the context is given twice, as host and as option"));
                }
                "context" => config.context = Some(value.into_owned()),
                _ => {
                    let known = OPTIONS.join(", ");
                    return Err(invalid(format!("the option {key:?} is unknown, there are {known}")));
                }
            }
        }
        Ok(config)
    }
}

/// The host, with what looks like a user before it: kubeadm calls its context `kubernetes-admin@kubernetes`.
fn context(url: &Url) -> Result<Option<String>> {
    let host = url.host_str().filter(|host| !host.is_empty());
    match (url.username(), host) {
        ("", None) => Ok(None),
        ("", Some(host)) => decoded(host).map(Some),
        (user, Some(host)) => Ok(Some(format!("{}@{}", decoded(user)?, decoded(host)?))),
        (_, None) => Err(invalid("it has a user, but no host")),
    }
}

fn namespace(url: &Url) -> Result<Option<String>> {
    match url.path().strip_prefix('/').unwrap_or(url.path()) {
        "" => Ok(None),
        path if path.contains('/') => Err(invalid(format!(
            "{path:?} is no namespace: expected k8s://CONTEXT/NAMESPACE, with the slashes of a context as %2F"
        ))),
        path => decoded(path).map(Some),
    }
}

fn decoded(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| invalid(format!("{text:?} is not UTF-8")))
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
    fn contexts_namespaces_and_options() {
        let config = Config::default;
        assert_eq!(parse("k8s://").unwrap(), config());
        assert_eq!(parse("k8s:///ci").unwrap(), config().with_namespace("ci"));
        assert_eq!(parse("k8s://Kind_1").unwrap(), config().with_context("Kind_1"));
        assert_eq!(parse("k8s://kind/ci/").map_err(drop), Err(()));
        assert_eq!(parse("k8s://kind/").unwrap(), config().with_context("kind"));
        assert_eq!(parse("k8s://kind/ci").unwrap(), config().with_context("kind").with_namespace("ci"));
        let kubeadm = config().with_context("kubernetes-admin@kubernetes");
        assert_eq!(parse("k8s://kubernetes-admin@kubernetes").unwrap(), kubeadm);
        assert_eq!(parse("k8s://kubernetes-admin%40kubernetes").unwrap(), kubeadm);
        let eks = "arn:aws:eks:eu-west-1:1:cluster/x";
        let encoded = "k8s://arn%3Aaws%3Aeks%3Aeu-west-1%3A1%3Acluster%2Fx/ci?kubeconfig=/a%20b";
        let expected = config().with_context(eks).with_namespace("ci").with_kubeconfig("/a b");
        assert_eq!(parse(encoded).unwrap(), expected);
        assert_eq!(parse(&format!("k8s:///ci?kubeconfig=/a%20b&context={eks}")).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, part) in [
            ("other://x", "\"other\""),
            ("k8s://a:hunter2@x", "without password"),
            ("k8s://a:1", "port"),
            ("k8s://a#b", "fragment"),
            ("k8s://a/b/c", "no namespace"),
            ("k8s://a/b?kubeconf=c", "\"kubeconf\""),
            ("k8s://a/b?kubeconfig=", "is empty"),
            ("k8s://a/b?context=c", "twice"),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.field(), Some("url"), "{url}");
            assert!(error.to_string().contains(part), "{url}: {error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
