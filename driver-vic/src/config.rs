//! Which port layer, which persona, and what their guests can do, from a URL.

use std::path::PathBuf;

use runtime_core::{Error, Result};
use url::Url;

/// The port of a port layer whose URL says none.
const DEFAULT_PORT: u16 = 2377;

/// The network scope that containers join unless said: the alias of the built-in bridge.
const DEFAULT_SCOPE: &str = "default";

/// The options in a URL.
const OPTIONS: [&str; 7] =
    ["persona", "host_uuid", "scope", "guest", "persona_ca", "persona_cert", "persona_key"];

/// How to reach a virtual container host.
///
/// As a URL: `vic://HOST:PORT?persona=HOST:PORT&host_uuid=UUID`, where the host is that of the port layer, with port 2377 unless
/// said. More options, separated by `&`:
///
/// - `scope=NAME`: the network scope that pods join, `default` unless said.
/// - `guest=oci`: guests apply the environment, working directory, user and terminal of tasks. Those of the wolfpack branch do
///   not, so what needs it is refused unless this is said.
/// - `persona_ca=PATH`: the persona is reached over TLS, and trusted if its certificate leads to one in this PEM file.
/// - `persona_cert=PATH` and `persona_key=PATH`: who the persona is told that this is, as PEM files.
///
/// Without `persona` there is no pulling; what the image store has can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The port layer's host and port.
    pub portlayer: String,
    /// The docker persona's host and port.
    pub persona: Option<String>,
    /// The virtual container host's BIOS UUID, which names its image store.
    pub host_uuid: String,
    /// The network scope that pods join.
    pub scope: String,
    /// What guests do with what they are told.
    pub guest: Guest,
    /// TLS to the persona.
    pub persona_tls: Option<PersonaTls>,
}

/// What guests do with the OCI configuration of tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Guest {
    /// They run the command and nothing else: environment, working directory, user and terminal are ignored.
    #[default]
    CommandOnly,
    /// They apply all of it.
    Oci,
}

/// TLS to the persona: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonaTls {
    /// Who is trusted.
    pub ca: PathBuf,
    /// Who this is: certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Config {
    /// The port layer at this host and port, with the image store of this name.
    #[must_use]
    pub fn new(portlayer: impl Into<String>, host_uuid: impl Into<String>) -> Self {
        Self {
            portlayer: portlayer.into(),
            persona: None,
            host_uuid: host_uuid.into(),
            scope: DEFAULT_SCOPE.to_owned(),
            guest: Guest::default(),
            persona_tls: None,
        }
    }

    /// Pulls through the persona at this host and port.
    #[must_use]
    pub fn with_persona(mut self, persona: impl Into<String>) -> Self {
        self.persona = Some(persona.into());
        self
    }

    /// Reaches the persona over TLS.
    #[must_use]
    pub fn with_persona_tls(mut self, tls: PersonaTls) -> Self {
        self.persona_tls = Some(tls);
        self
    }

    /// Says what guests do.
    #[must_use]
    pub fn with_guest(mut self, guest: Guest) -> Self {
        self.guest = guest;
        self
    }

    /// Joins pods to this network scope.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// `InvalidArgument` names what is wrong with it.
    pub fn from_url(url: &Url) -> Result<Self> {
        if url.scheme() != "vic" {
            return Err(Error::invalid("url", format!("the scheme is {:?}, not \"vic\"", url.scheme())));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let Some(host) = host else {
            return Err(Error::invalid("url", "it names no host, expected vic://HOST:PORT?host_uuid=UUID"));
        };
        let has_path = !matches!(url.path(), "" | "/");
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() || has_path {
            let message =
                "expected vic://HOST:PORT?host_uuid=UUID, without user, password, path and fragment";
            return Err(Error::invalid("url", message));
        }
        let mut config = Self::new(format!("{host}:{}", url.port().unwrap_or(DEFAULT_PORT)), "");
        let (mut ca, mut cert, mut key) = (None, None, None);
        for (name, value) in url.query_pairs() {
            let value = value.into_owned();
            match &*name {
                _ if value.is_empty() => return Err(Error::invalid(option(&name), "is empty")),
                "persona" => config.persona = Some(authority(&value)?),
                "host_uuid" => config.host_uuid = store_name(value)?,
                "scope" => config.scope = value,
                "guest" => config.guest = guest(&value)?,
                "persona_ca" => ca = Some(PathBuf::from(value)),
                "persona_cert" => cert = Some(PathBuf::from(value)),
                "persona_key" => key = Some(PathBuf::from(value)),
                _ => {
                    let message = format!("there is no such option, there are {}", OPTIONS.join(", "));
                    return Err(Error::invalid(option(&name), message));
                }
            }
        }
        if config.host_uuid.is_empty() {
            return Err(Error::invalid(option("host_uuid"), "is missing: it names the image store"));
        }
        config.persona_tls = tls(ca, cert, key)?;
        if config.persona_tls.is_some() && config.persona.is_none() {
            return Err(Error::invalid(option("persona"), "is missing: persona_ca says how to reach it"));
        }
        Ok(config)
    }
}

/// The field of an error about an option.
fn option(name: &str) -> String {
    format!("url.{name}")
}

/// `HOST:PORT`, where the host may be an IPv6 address in brackets.
fn authority(text: &str) -> Result<String> {
    let url = Url::parse(&format!("vic://{text}"));
    let is_whole = |url: &Url| {
        url.port().is_some() && url.path().is_empty() && url.query().is_none() && url.username().is_empty()
    };
    match url {
        Ok(url) if is_whole(&url) && url.fragment().is_none() && url.password().is_none() => {
            Ok(text.to_owned())
        }
        _ => Err(Error::invalid(option("persona"), format!("{text:?} is not HOST:PORT"))),
    }
}

fn store_name(text: String) -> Result<String> {
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        None => Ok(text),
        Some(c) => Err(Error::invalid(option("host_uuid"), format!("{c:?} can't be part of a UUID"))),
    }
}

fn guest(text: &str) -> Result<Guest> {
    match text {
        "oci" => Ok(Guest::Oci),
        "command" => Ok(Guest::CommandOnly),
        _ => Err(Error::invalid(option("guest"), format!("{text:?} is neither \"oci\" nor \"command\""))),
    }
}

fn tls(ca: Option<PathBuf>, cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<PersonaTls>> {
    let identity = match (cert, key) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert, key)),
        (Some(_), None) => {
            return Err(Error::invalid(option("persona_key"), "is missing beside persona_cert"));
        }
        (None, Some(_)) => {
            return Err(Error::invalid(option("persona_cert"), "is missing beside persona_key"));
        }
    };
    match ca {
        Some(ca) => Ok(Some(PersonaTls { ca, identity })),
        None if identity.is_some() => {
            Err(Error::invalid(option("persona_ca"), "is missing beside persona_cert"))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Config> {
        Config::from_url(&Url::parse(url).unwrap())
    }

    #[test]
    fn everything_that_can_be_said() {
        let small = parse("vic://vch?host_uuid=564d-1").unwrap();
        assert_eq!(small, Config::new("vch:2377", "564d-1"));
        let large = parse(
            "vic://[::1]:99?persona=vch:2376&host_uuid=A&guest=oci&scope=blue\
             &persona_ca=/a%20b&persona_cert=/c&persona_key=/k",
        );
        let tls = PersonaTls { ca: "/a b".into(), identity: Some(("/c".into(), "/k".into())) };
        let expected = Config::new("[::1]:99", "A")
            .with_persona("vch:2376")
            .with_guest(Guest::Oci)
            .with_scope("blue")
            .with_persona_tls(tls);
        assert_eq!(large.unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_names_its_field() {
        for (url, field) in [
            ("other://x?host_uuid=1", "url"),
            ("vic:///?host_uuid=1", "url"),
            ("vic://me:hunter2@x?host_uuid=1", "url"),
            ("vic://x/path?host_uuid=1", "url"),
            ("vic://x", "url.host_uuid"),
            ("vic://x?host_uuid=", "url.host_uuid"),
            ("vic://x?host_uuid=a/b", "url.host_uuid"),
            ("vic://x?host_uuid=1&persona=y", "url.persona"),
            ("vic://x?host_uuid=1&persona=http://y:1", "url.persona"),
            ("vic://x?host_uuid=1&guest=windows", "url.guest"),
            ("vic://x?host_uuid=1&persone=y:1", "url.persone"),
            ("vic://x?host_uuid=1&persona_ca=/c", "url.persona"),
            ("vic://x?host_uuid=1&persona=y:1&persona_ca=/c&persona_cert=/d", "url.persona_key"),
            ("vic://x?host_uuid=1&persona=y:1&persona_cert=/c&persona_key=/d", "url.persona_ca"),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.field(), Some(field), "{url}: {error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
