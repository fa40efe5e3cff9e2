//! What the backends that are reached over a network have in common.

use std::{collections::BTreeMap, time::Duration};

use runtime_core::Secret;
use serde::{Deserialize, Serialize};

use super::seconds;

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Remote {
    /// Takes any certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_verify: bool,
    /// How long an answer may take, in whole seconds; 5 s unless said.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long connecting may take, in whole seconds; 5 s unless said.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Duration>,
    /// How often a call that failed is made again; never unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_limit: Option<u8>,
    /// A proxy to go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Proxy>,
    /// Servers that have the same, asked first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Proxy {
    /// Its URL, which may hold a password.
    pub url: Secret,
    /// A URL that answers while the proxy is well.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub ping_url: Secret,
    /// Whether the server is asked itself while the proxy isn't well; yes unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<bool>,
    /// How often it is asked whether it is well, in whole seconds; 5 s unless said.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub check_interval: Option<Duration>,
    /// Whether the proxy is asked for `http:` where the server has `https:`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub use_http: bool,
}

/// A server that has the same data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Mirror {
    /// Its URL.
    pub host: String,
    /// A URL that answers while it is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ping_url: String,
    /// Headers that it is sent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// Whether it is asked for authorization too, not the server that it mirrors.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub auth_through: bool,
    /// How often it is asked whether it is well, in whole seconds; 5 s unless said.
    #[serde(with = "seconds", skip_serializing_if = "Option::is_none")]
    pub health_check_interval: Option<Duration>,
    /// After how many failures it is left alone; 5 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<u8>,
}

impl Remote {
    /// Takes any certificate.
    #[must_use]
    pub fn with_skip_verify(mut self) -> Self {
        self.skip_verify = true;
        self
    }

    /// Sets how long an answer and a connection may take.
    #[must_use]
    pub fn with_timeouts(mut self, answer: Duration, connect: Duration) -> Self {
        self.timeout = Some(answer);
        self.connect_timeout = Some(connect);
        self
    }

    /// Sets how often a call that failed is made again.
    #[must_use]
    pub fn with_retries(mut self, limit: u8) -> Self {
        self.retry_limit = Some(limit);
        self
    }

    /// Goes through a proxy.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Asks another server first.
    #[must_use]
    pub fn with_mirror(mut self, mirror: Mirror) -> Self {
        self.mirrors.push(mirror);
        self
    }
}

impl Proxy {
    /// The proxy with this URL.
    #[must_use]
    pub fn new(url: impl Into<Secret>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

impl Mirror {
    /// The server with this URL.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self { host: host.into(), ..Self::default() }
    }

    /// Sends a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }
}
