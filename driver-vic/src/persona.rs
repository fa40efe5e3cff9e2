//! The docker persona: the part of a virtual container host that pulls images.
//!
//! A pull is answered with success before it has begun, and with a JSON object a line from then on. So its failures are lines too.

use std::{fmt, io, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use runtime_core::{
    Context, Error, ErrorKind, Result,
    helpers::{image_ref::ImageReference, pull_failure, redact::redacted},
    spec::RegistryCredentials,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::{
    api::models::nullable,
    client::{AGENT, CONNECT_TIMEOUT, MAX_ANSWER_BYTES, read, refused},
    config::{Config, PersonaTls},
    error::{Refusal, kind_of, unreadable},
    lines::Lines,
    path::Path,
};

/// The version of docker's API in paths. The persona takes newer ones than its own.
const VERSION: &str = "v1.35";

/// The longest line that is read of a pull.
const MAX_LINE_BYTES: usize = 1 << 20;

/// The persona. Cheap to clone. Each call is a connection of its own: there are few.
#[derive(Clone)]
pub(crate) struct Persona(Arc<Shared>);

struct Shared {
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What the persona tells of itself.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct PersonaInfo {
    pub(crate) server_version: String,
}

/// A line of a pull.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PullLine {
    /// The layer.
    pub(crate) id: String,
    pub(crate) status: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) progress_detail: ProgressDetail,
    error: Option<String>,
    #[serde(deserialize_with = "nullable")]
    error_detail: ErrorDetail,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ProgressDetail {
    pub(crate) current: i64,
    pub(crate) total: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ErrorDetail {
    message: String,
}

/// Credentials as docker sends them.
#[derive(Serialize)]
struct AuthConfig<'a> {
    username: &'a str,
    password: &'a str,
    serveraddress: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    identitytoken: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    registrytoken: &'a str,
}

impl Persona {
    /// The persona that the configuration names, if it does. Reads its certificates.
    ///
    /// # Errors
    /// `InvalidArgument` names the file that can't be used.
    pub(crate) async fn new(config: &Config) -> Result<Option<Self>> {
        let Some(authority) = config.persona.clone() else { return Ok(None) };
        let tls = match config.persona_tls.clone() {
            None => None,
            Some(files) => {
                let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name =
                    ServerName::try_from(host).map_err(|error| Error::invalid("url.persona", error))?;
                let reading = tokio::task::spawn_blocking(move || connector(&files)).await;
                let connector =
                    reading.map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))??;
                Some((connector, name))
            }
        };
        Ok(Some(Self(Arc::new(Shared { authority, tls }))))
    }

    /// What the persona tells of itself.
    pub(crate) async fn info(&self, cx: &Context) -> Result<PersonaInfo, Refusal> {
        let answer = self.send(cx, "GET", &Path::of([VERSION, "info"]), None).await?;
        let body = read(cx, answer.into_body(), MAX_ANSWER_BYTES).await?;
        serde_json::from_slice(&body).map_err(|error| Refusal::malformed(&error))
    }

    /// Pulls an image, however long it takes, and tells of each line.
    ///
    /// # Errors
    /// By the persona's words, which is all there is.
    pub(crate) async fn pull(
        &self,
        cx: &Context,
        image: &ImageReference,
        credentials: Option<&RegistryCredentials>,
        mut report: impl FnMut(&PullLine),
    ) -> Result<()> {
        let (name, tag) = split(image);
        let mut path = Path::of([VERSION, "images", "create"]).with("fromImage", name);
        if let Some(tag) = tag {
            path = path.with("tag", tag);
        }
        let secrets = || {
            credentials.into_iter().flat_map(|own| {
                [&own.password, &own.identity_token, &own.registry_token].map(|secret| secret.expose())
            })
        };
        let auth = credentials.map(auth_header).transpose()?;
        let answer = self.send(cx, "POST", &path, auth).await.map_err(|refusal| match refusal.code {
            Some(code) => failed(&redacted(refusal.error.message(), secrets()), Some(code)),
            None => refusal.error,
        })?;
        let mut lines = Lines::new(answer.into_body(), MAX_LINE_BYTES);
        while let Some(line) = cx.run(async { lines.next().await.transpose() }).await? {
            if line.content.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: PullLine = serde_json::from_slice(&line.content).map_err(|error| unreadable(&error))?;
            if let Some(message) = line.failure() {
                return Err(failed(&redacted(message, secrets()), None));
            }
            report(&line);
        }
        Ok(())
    }

    async fn send(
        &self,
        cx: &Context,
        method: &str,
        path: &Path,
        auth: Option<HeaderValue>,
    ) -> Result<Response<Incoming>, Refusal> {
        let mut request = Request::builder()
            .method(method)
            .uri(path.as_str())
            .header(HOST, &self.0.authority)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/json");
        if let Some(auth) = auth {
            request = request.header("X-Registry-Auth", auth);
        }
        let request = request
            .body(Full::<Bytes>::default())
            .map_err(|error| Refusal::unsent(Error::new(ErrorKind::InvalidArgument, error.to_string())))?;
        let answer = cx.run(async { Ok(self.exchange(request).await) }).await.map_err(Refusal::ended)??;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status => Err(refused(cx, status, answer.into_body()).await),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Refusal> {
        let connecting = async {
            let stream = TcpStream::connect(&self.0.authority).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Connection> = match &self.0.tls {
                None => Box::new(stream),
                Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
            };
            Ok(stream)
        };
        let stream = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(of_connect)?;
        let sent = |error: hyper::Error| Refusal::of_transport(&error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(sent)?;
        // It ends with the answer, or when that is dropped; what it ends with is told to the answer's reader.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(sent)
    }
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persona").field("authority", &self.0.authority).finish_non_exhaustive()
    }
}

impl PullLine {
    fn failure(&self) -> Option<&str> {
        match (&self.error, self.error_detail.message.as_str()) {
            (_, detail) if !detail.is_empty() => Some(detail),
            (Some(error), _) => Some(error),
            (None, _) => None,
        }
    }
}

/// A stream in clear or within TLS.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// An image's name as docker's client sends it: without what is Docker Hub's own, and tag or digest apart.
fn split(image: &ImageReference) -> (String, Option<String>) {
    let familiar = image.familiar();
    let digest = image.digest().map(ToString::to_string);
    let name = match &digest {
        Some(digest) => familiar.strip_suffix(&format!("@{digest}")).unwrap_or(&familiar),
        None => &familiar,
    };
    let name = match image.tag() {
        Some(tag) => name.strip_suffix(&format!(":{tag}")).unwrap_or(name),
        None => name,
    };
    (name.to_owned(), digest.or_else(|| image.tag().map(str::to_owned)))
}

fn auth_header(own: &RegistryCredentials) -> Result<HeaderValue> {
    let auth = AuthConfig {
        username: &own.username,
        password: own.password.expose(),
        serveraddress: &own.registry,
        identitytoken: own.identity_token.expose(),
        registrytoken: own.registry_token.expose(),
    };
    let refused = || Error::invalid("credentials", "can't be written as a header");
    let json = serde_json::to_vec(&auth).map_err(|_| refused())?;
    let mut value = HeaderValue::try_from(URL_SAFE.encode(json)).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Why a pull failed: by the words, where they are known, else by the status.
fn failed(message: &str, code: Option<u16>) -> Error {
    let (kind, transient) = match (pull_failure::by_words(message), code) {
        (Some(known), _) => (known.kind, known.transient),
        (None, Some(500) | None) => (ErrorKind::Failed, false),
        (None, Some(code)) => kind_of(code),
    };
    Error::new(kind, message).with_transient(transient)
}

fn of_connect(error: io::Error) -> Refusal {
    match error.kind() {
        // So the TLS library calls what it does not trust.
        io::ErrorKind::InvalidData => {
            let message = format!("there is no trusted connection: {error}");
            Refusal::unsent(Error::new(ErrorKind::Failed, message))
        }
        _ => Refusal { never_sent: true, ..Refusal::of_transport(&error) },
    }
}

/// Reads the files and makes what connects with them.
fn connector(files: &PersonaTls) -> Result<TlsConnector> {
    let unusable = |field: &str, path: &std::path::Path, why: &dyn fmt::Display| {
        Error::invalid(format!("url.{field}"), format!("{}: {why}", path.display()))
    };
    let certificates = |field: &str, path: &std::path::Path| -> Result<Vec<CertificateDer<'static>>> {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        read.map_err(|error| unusable(field, path, &error))
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("persona_ca", &files.ca)? {
        roots.add(certificate).map_err(|error| unusable("persona_ca", &files.ca, &error))?;
    }
    if roots.is_empty() {
        return Err(unusable("persona_ca", &files.ca, &"there is no certificate in it"));
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder
        .map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?
        .with_root_certificates(roots);
    let config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let own = certificates("persona_cert", cert)?;
            let secret =
                PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("persona_key", key, &error))?;
            builder
                .with_client_auth_cert(own, secret)
                .map_err(|error| unusable("persona_cert", cert, &error))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests;
