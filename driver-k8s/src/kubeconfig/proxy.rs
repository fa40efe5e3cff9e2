//! The proxy on the way to the server, where the environment names one.

use std::{fmt, net::IpAddr};

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use runtime_core::{Error, Result};

/// What the environment says of proxies. It may hold passwords.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    /// `HTTPS_PROXY`, and `HTTP_PROXY` for servers without TLS.
    pub(crate) https: Option<String>,
    pub(crate) http: Option<String>,
    /// `NO_PROXY`: hosts, domains and networks that are reached without one.
    pub(crate) none_for: String,
}

impl Proxies {
    /// Those of this process. Names in capitals come first.
    pub(crate) fn of_process() -> Self {
        let variable = |name: &str| {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_lowercase()));
            value.ok().filter(|value| !value.is_empty())
        };
        Self {
            https: variable("HTTPS_PROXY"),
            http: variable("HTTP_PROXY"),
            none_for: variable("NO_PROXY").unwrap_or_default(),
        }
    }

    /// The proxy for a server. One on this machine is reached without, whatever is said.
    ///
    /// # Errors
    /// `InvalidArgument` if what is said is no URL.
    pub(super) fn on_the_way_to(&self, server: &Uri) -> Result<Option<Uri>> {
        let (name, said) = match server.scheme_str() {
            Some("http") => ("HTTP_PROXY", &self.http),
            _ => ("HTTPS_PROXY", &self.https),
        };
        let Some(said) = said.as_deref().filter(|_| !is_here(server)) else { return Ok(None) };
        let proxy = parse(said).ok_or_else(|| Error::invalid(name, "is no URL of a proxy"))?;
        // Asked about the servers that need none only; which proxy it is, it need not know.
        let matcher = Matcher::builder().all("http://proxy").no(self.none_for.clone()).build();
        Ok(matcher.intercept(server).map(|_| proxy))
    }
}

/// A proxy's URL; `http://` need not be said.
fn parse(said: &str) -> Option<Uri> {
    let url = if said.contains("://") { said.to_owned() } else { format!("http://{said}") };
    url.parse().ok()
}

fn is_here(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("none_for", &self.none_for).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_understood_as_by_kubectl() {
        let proxies = Proxies {
            https: Some("user:secret@proxy:3128".to_owned()),
            http: Some("http://plain:80".to_owned()),
            none_for: "10.0.0.0/8,.inside,exact.example".to_owned(),
        };
        let way = |server: &'static str| {
            let proxy = proxies.on_the_way_to(&Uri::from_static(server)).unwrap();
            proxy.map(|proxy| proxy.host().unwrap_or_default().to_owned())
        };
        for (server, proxy) in [
            ("https://cluster.example:6443", Some("proxy")),
            ("http://cluster.example", Some("plain")),
            ("https://10.1.2.3:6443", None),
            ("https://11.1.2.3:6443", Some("proxy")),
            ("https://a.inside", None),
            ("https://exact.example:6443", None),
            ("https://localhost:6443", None),
            ("https://127.0.0.1:6443", None),
            ("https://[::1]:6443", None),
        ] {
            assert_eq!(way(server).as_deref(), proxy, "{server}");
        }
        assert!(!format!("{proxies:?}").contains("secret"));
        let everywhere = Proxies { none_for: "*".to_owned(), ..proxies };
        assert_eq!(everywhere.on_the_way_to(&Uri::from_static("https://a")).unwrap(), None);
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        let proxies = Proxies { https: Some("http://user:se cret@".to_owned()), ..Proxies::default() };
        let error = proxies.on_the_way_to(&Uri::from_static("https://a")).unwrap_err();
        assert_eq!(error.field(), Some("HTTPS_PROXY"));
        assert!(!error.to_string().contains("cret"), "{error}");
    }
}
