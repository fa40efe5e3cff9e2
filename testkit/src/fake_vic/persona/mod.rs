//! The persona: as much of docker's API as pulling an image takes. What was pulled is found in the port layer, as layers in the
//! store and as a description in the text `docker.images`.

mod catalogue;
mod pull;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::fault::{PERSONA_INFO, PERSONA_PULL, Wrong};
use super::port_layer::PortLayer;
use super::reply::{Body, Refusal, Reply};
use crate::engine::Phase;

pub(super) use catalogue::Catalogue;

/// A persona of a port layer.
pub(super) struct Persona {
    pub(super) layer: Arc<PortLayer>,
    catalogue: Catalogue,
}

impl Persona {
    pub(super) fn new(layer: Arc<PortLayer>) -> Self {
        Self { layer, catalogue: Catalogue::default() }
    }

    /// Answers a request. An error drops the connection.
    pub(super) async fn respond(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let path = unversioned(request.uri().path()).to_owned();
        let answered = match (request.method().as_str(), path.as_str()) {
            ("GET", "/info") => self.info().await,
            ("GET", "/_ping") => Ok(plain(200, "OK")),
            ("POST", "/images/create") => self.create_image(request).await,
            _ => Ok(said(404, "page not found")),
        };
        match answered {
            Ok(answer) => Ok(answer),
            Err(Refusal::Error { status, message, .. }) => Ok(said(status, &message)),
            Err(Refusal::Empty(status)) => Ok(plain(status, "")),
            Err(Refusal::Panic) => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn info(&self) -> Result<Response<Body>, Refusal> {
        self.layer.meet(PERSONA_INFO, Phase::Before).await?;
        let info = json!({
            "ID": "vSphere Integrated Containers",
            "Containers": self.layer.machines.all().len(),
            "Images": self.catalogue.count(),
            "Driver": "vSphere Integrated Containers v1.4.0 Backend Engine",
            "OperatingSystem": "linux",
            "OSType": "linux",
            "Architecture": "x86_64",
            "NCPU": self.layer.options.capacity.cpu_mhz / 1000,
            "MemTotal": self.layer.options.capacity.memory_mib.saturating_mul(1 << 20),
            "Name": "fake-vch",
            "ServerVersion": "v1.4.0",
            "SystemStatus": null,
        });
        Ok(answer(200, "application/json", info.to_string().into()))
    }

    async fn create_image(self: &Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let text = |name: &str| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        let reference = pull::reference(text("fromImage"), text("tag"))?;
        let credentials = pull::credentials(request.headers());
        let broken = match self.layer.engine.faults().meet(PERSONA_PULL, Phase::Before).await {
            Ok(()) => None,
            Err(error) => match Wrong::from(error) {
                Wrong::Refused(refusal) => return Err(refusal),
                Wrong::Nulls => None,
                Wrong::Stream(message) => Some(message),
            },
        };
        let lines = pull::pull(Arc::clone(self), reference, credentials, broken).await?;
        let lines = lines.map(|line| Ok(Bytes::from(format!("{line}\r\n"))));
        let mut answer = Reply::stream(lines).into_response("application/json", &[]);
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(answer)
    }
}

/// The path without the version of the API that may be in front of it.
fn unversioned(path: &str) -> &str {
    let versioned = path.strip_prefix("/v").and_then(|rest| {
        let (version, _) = rest.split_once('/')?;
        let is_version =
            version.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        is_version.then(|| &rest[version.len()..])
    });
    versioned.unwrap_or(path)
}

/// A refusal as docker has it.
fn said(status: u16, message: &str) -> Response<Body> {
    let body: Value = json!({"message": message});
    answer(status, "application/json", body.to_string().into())
}

fn plain(status: u16, text: &'static str) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

fn answer(status: u16, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut answer = Response::new(Full::new(body).map_err(io::Error::other).boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_version_of_the_api_will_do() {
        assert_eq!(unversioned("/v1.35/info"), "/info");
        assert_eq!(unversioned("/v1.25/images/create"), "/images/create");
        assert_eq!(unversioned("/info"), "/info");
        assert_eq!(unversioned("/version/info"), "/version/info");
    }
}
