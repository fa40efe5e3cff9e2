//! Where a runtime's streaming server is, from the URL that an exec, attach or port-forward request was answered with.

use runtime_core::{Error, ErrorKind, Result};

use crate::config::Endpoint;

/// Where to connect to, and what to ask for there. The path carries a token that is good for one request, within a minute.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
    /// The path as the runtime wrote it.
    path: String,
}

impl Address {
    /// Reads the URL. A server that says that it listens everywhere is at the runtime's own host.
    pub(crate) fn parse(url: &str, runtime: &Endpoint) -> Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(match url.strip_prefix("https://") {
                Some(_) => Error::new(
                    ErrorKind::Unsupported,
                    "the runtime's streaming server speaks TLS, which this driver doesn't: its configuration has to turn \
                     that off (containerd: enable_tls_streaming = false)",
                ),
                None => unreadable(),
            });
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            // The last colon of an IPv6 address without a port is no separator.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| unreadable())?),
            _ => (authority, 80),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.contains('@') || path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
            return Err(unreadable());
        }
        let host = match bare {
            "" | "0.0.0.0" | "::" => runtime_host(runtime).to_owned(),
            host => host.to_owned(),
        };
        Ok(Self { host, port, path: path.to_owned() })
    }

    /// The host without brackets, and the port.
    pub(crate) fn socket(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The host and port as in a `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

fn runtime_host(runtime: &Endpoint) -> &str {
    match runtime {
        Endpoint::Unix(_) => "localhost",
        Endpoint::Tcp(address) => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            host.trim_start_matches('[').trim_end_matches(']')
        }
    }
}

/// The URL itself is not quoted: its token lets anybody run the command.
fn unreadable() -> Error {
    Error::new(ErrorKind::Protocol, "the runtime answered with a streaming URL that can't be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(url: &str, runtime: &Endpoint) -> String {
        let address = Address::parse(url, runtime).unwrap();
        format!("{} {} {}", address.socket().0, address.socket().1, address.path())
    }

    #[test]
    fn hosts_and_ports() {
        let unix = Endpoint::Unix("/x.sock".into());
        let tcp = Endpoint::Tcp("node:1234".to_owned());
        assert_eq!(socket("http://127.0.0.1:4567/exec/a-_b", &unix), "127.0.0.1 4567 /exec/a-_b");
        assert_eq!(socket("http://[::1]:4567/exec/t", &unix), "::1 4567 /exec/t");
        assert_eq!(socket("http://[::1]/exec/t", &unix), "::1 80 /exec/t");
        assert_eq!(socket("http://host", &unix), "host 80 /");
        for everywhere in ["http://0.0.0.0:9/x", "http://[::]:9/x", "http://:9/x"] {
            assert_eq!(socket(everywhere, &unix), "localhost 9 /x", "{everywhere}");
            assert_eq!(socket(everywhere, &tcp), "node 9 /x", "{everywhere}");
        }
        assert_eq!(socket("http://0.0.0.0:9/x", &Endpoint::Tcp("[fe80::1]:2".to_owned())), "fe80::1 9 /x");
        assert_eq!(Address::parse("http://[::1]:1/x", &unix).unwrap().authority(), "[::1]:1");
    }

    #[test]
    fn what_can_not_be_used_is_told_without_its_token() {
        let unix = Endpoint::Unix("/x.sock".into());
        for (url, kind) in [
            ("https://127.0.0.1:1/exec/secret", ErrorKind::Unsupported),
            ("", ErrorKind::Protocol),
            ("/exec/secret", ErrorKind::Protocol),
            ("ftp://h/exec/secret", ErrorKind::Protocol),
            ("http://h:port/exec/secret", ErrorKind::Protocol),
            ("http://me:pw@h:1/exec/secret", ErrorKind::Protocol),
            ("http://h:1/exec/secret x", ErrorKind::Protocol),
        ] {
            let error = Address::parse(url, &unix).err().unwrap();
            assert_eq!(error.kind(), kind, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
