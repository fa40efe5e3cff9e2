//! The client side of the OCI distribution API, for registries on loopback.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, LOCATION, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Asked, PullError};

/// Longest time without an answer, or without a byte of one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Manifests, configurations and tokens are no longer.
const MAX_DOCUMENT_BYTES: usize = 4 * 1024 * 1024;
const MAX_REDIRECTS: usize = 5;

/// What a registry wants to see.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A repository in a registry.
pub(super) struct Repository<'a> {
    pub(super) registry: &'a str,
    pub(super) name: &'a str,
    pub(super) credentials: Option<&'a Credentials>,
    /// What the registry has been satisfied with.
    authorization: Option<String>,
}

impl<'a> Repository<'a> {
    pub(super) fn new(registry: &'a str, name: &'a str, credentials: Option<&'a Credentials>) -> Self {
        Self { registry, name, credentials, authorization: None }
    }

    /// A document, whole.
    pub(super) async fn document(&mut self, path: &str, accept: &str) -> Result<Bytes, PullError> {
        let response = self.get(path, accept).await?;
        read_document(response).await
    }

    /// A manifest, with the digest that the registry says it has.
    pub(super) async fn manifest(
        &mut self,
        name: &str,
        accept: &str,
    ) -> Result<(Bytes, Option<String>), PullError> {
        let response = self.get(&format!("manifests/{name}"), accept).await?;
        let digest = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        let digest = digest.map(str::to_owned);
        Ok((read_document(response).await?, digest))
    }

    /// Something of the repository: `manifests/latest`, `blobs/sha256:…`. Answers the registry's challenge.
    pub(super) async fn get(&mut self, path: &str, accept: &str) -> Result<Response<Incoming>, PullError> {
        let uri = parse(&format!("http://{}/v2/{}/{path}", self.registry, self.name))?;
        let asked =
            || path.strip_prefix("blobs/").map_or(Asked::Manifest, |digest| Asked::Blob(digest.to_owned()));
        let mut response = get(&uri, accept, self.authorization.as_deref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            let challenge = response.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
            let Some(authorization) = self.answer(challenge.unwrap_or_default()).await? else {
                return Err(PullError::Status { asked: asked(), status: response.status().as_u16() });
            };
            response = get(&uri, accept, Some(&authorization)).await?;
            self.authorization = Some(authorization);
        }
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(PullError::NotFound { what: path.to_owned() }),
            status => Err(PullError::Status { asked: asked(), status: status.as_u16() }),
        }
    }

    /// The header that answers a challenge. `None`: there is nothing to answer with.
    async fn answer(&self, challenge: &str) -> Result<Option<String>, PullError> {
        let (scheme, rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
        let basic = self.credentials.map(|Credentials { username, password }| {
            format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
        });
        if scheme.eq_ignore_ascii_case("basic") {
            return Ok(basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Ok(None);
        }
        let parameters = parameters(rest);
        let find =
            |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let Some(realm) = find("realm") else { return Ok(None) };
        let scope = find("scope").map_or_else(|| format!("repository:{}:pull", self.name), str::to_owned);
        let service =
            find("service").map(|service| format!("service={}&", escape(service))).unwrap_or_default();
        let join = if realm.contains('?') { '&' } else { '?' };
        let uri = parse(&format!("{realm}{join}{service}scope={}", escape(&scope)))?;
        let response = get(&uri, "application/json", basic.as_deref()).await?;
        if !response.status().is_success() {
            let asked = Asked::Token { anonymous: basic.is_none() };
            return Err(PullError::Status { asked, status: response.status().as_u16() });
        }
        let Ok(token) = serde_json::from_slice::<Token>(&read_document(response).await?) else {
            return Ok(None);
        };
        Ok(token.token.or(token.access_token).map(|token| format!("Bearer {token}")))
    }
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

/// One request, with redirects; the authorization goes to the first host only.
async fn get(uri: &Uri, accept: &str, authorization: Option<&str>) -> Result<Response<Incoming>, PullError> {
    let mut uri = uri.clone();
    let first = uri.authority().cloned();
    for _ in 0..=MAX_REDIRECTS {
        let authorization = authorization.filter(|_| uri.authority() == first.as_ref());
        let response = get_once(&uri, accept, authorization).await?;
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let location =
            response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        uri = if location.starts_with('/') {
            parse(&format!("http://{authority}{location}"))?
        } else {
            parse(location)?
        };
    }
    Err(PullError::Unreachable { why: "too many redirects".to_owned() })
}

async fn get_once(
    uri: &Uri,
    accept: &str,
    authorization: Option<&str>,
) -> Result<Response<Incoming>, PullError> {
    let unreachable = |why: String| PullError::Unreachable { why };
    let authority = uri.authority().ok_or_else(|| unreachable(format!("{uri} names no host")))?;
    let connecting = async {
        let stream = connect(authority.host(), authority.port_u16().unwrap_or(80)).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unreachable(e.to_string()))?;
        // Ends with the response: that holds the other half.
        tokio::spawn(connection);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::get(path).header(HOST, authority.as_str()).header(ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| unreachable(error.to_string()))?;
        sender.send_request(request).await.map_err(|error| unreachable(error.to_string()))
    };
    timeout(PATIENCE, connecting).await.map_err(|_| unreachable("no answer".to_owned()))?
}

/// To this machine and nowhere else.
async fn connect(host: &str, port: u16) -> Result<TcpStream, PullError> {
    let host = host.trim_matches(['[', ']']);
    let addresses: Vec<IpAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) if host == "localhost" => {
            vec![[127, 0, 0, 1].into(), IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1])]
        }
        Err(_) => return Err(PullError::Unreachable { why: format!("lookup {host}: no such host") }),
    };
    let mut why = format!("{host} is not on loopback, and only that is reached");
    for address in addresses.into_iter().filter(IpAddr::is_loopback) {
        match TcpStream::connect((address, port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = format!("connect: {}", error.kind()),
        }
    }
    Err(PullError::Unreachable { why })
}

async fn read_document(response: Response<Incoming>) -> Result<Bytes, PullError> {
    let body = Limited::new(response.into_body(), MAX_DOCUMENT_BYTES);
    let read = timeout(PATIENCE, body.collect())
        .await
        .map_err(|_| PullError::Cut { why: "no more data".to_owned() })?;
    Ok(read.map_err(|error| PullError::Cut { why: error.to_string() })?.to_bytes())
}

fn parse(uri: &str) -> Result<Uri, PullError> {
    let wrong = |why: String| PullError::Unreachable { why };
    let parsed: Uri = uri.parse().map_err(|error| wrong(format!("{uri}: {error}")))?;
    if parsed.scheme_str() == Some("http") {
        Ok(parsed)
    } else {
        Err(wrong(format!("{uri}: not plain HTTP")))
    }
}

/// `a="1",b="2, 3"`.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((name.trim_matches([' ', ',']).to_ascii_lowercase(), value.to_owned()));
        rest = after;
    }
    found
}

fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let got = parameters(
            r#"realm="http://localhost:1/token",service="a b", Scope="repository:x:pull,push",z=1"#,
        );
        let want = [
            ("realm", "http://localhost:1/token"),
            ("service", "a b"),
            ("scope", "repository:x:pull,push"),
            ("z", "1"),
        ];
        assert_eq!(got, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(parameters("").is_empty());
        assert_eq!(parameters("a=\"open").len(), 1);
    }

    #[tokio::test]
    async fn only_loopback_is_reached() {
        for host in ["10.0.0.1", "registry.test", "0.0.0.0"] {
            assert!(matches!(connect(host, 1).await, Err(PullError::Unreachable { .. })), "{host}");
        }
    }
}
