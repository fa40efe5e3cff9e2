//! Pulls: the answer begins with 200 as soon as there is something to tell, and whatever goes wrong from then on is a line of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use hyper::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Persona;
use crate::engine::{
    Asked, Credentials, EngineError, ImageRecord, LayerProgress, Pull, PullError, PullEvent, Reference,
};
use crate::fake_vic::reply::Refusal;

/// How many letters of a digest are shown.
const SHORT: usize = 12;

/// Name and password, as clients send them in a header.
#[derive(Deserialize, Default)]
#[serde(default)]
struct AuthConfig {
    username: String,
    password: String,
}

/// The reference that a client asks for, as it has written it.
pub(super) fn reference(image: &str, tag: &str) -> Result<String, Refusal> {
    let reference = match tag {
        "" => image.to_owned(),
        digest if digest.starts_with("sha256:") => format!("{image}@{digest}"),
        tag => format!("{image}:{tag}"),
    };
    match Reference::parse(&reference) {
        Ok(_) => Ok(reference),
        Err(_) => Err(Refusal::new(400, "invalid reference format")),
    }
}

/// What the registry is to be shown. What can't be read is as good as nothing, as docker has it.
pub(super) fn credentials(headers: &HeaderMap) -> Option<Credentials> {
    let text = headers.get("X-Registry-Auth")?.to_str().ok()?;
    let read = |alphabet: &GeneralPurpose| alphabet.decode(text).ok();
    let bytes = read(&BASE64_URL_SAFE).or_else(|| read(&BASE64_STANDARD))?;
    let AuthConfig { username, password } = serde_json::from_slice(&bytes).ok()?;
    (!username.is_empty()).then_some(Credentials { username, password })
}

/// Pulls an image. What fails before there is anything to tell is no answer with 200.
pub(super) async fn pull(
    persona: Arc<Persona>,
    reference: String,
    credentials: Option<Credentials>,
    broken: Option<String>,
) -> Result<impl Stream<Item = Value> + Send + use<>, Refusal> {
    let mut pull = persona.layer.engine.pull(&reference, credentials);
    // Nothing is told before there is a manifest.
    let first = loop {
        match pull.next().await {
            Some(Ok(PullEvent::Progress(layers))) if layers.is_empty() => {}
            Some(Ok(event)) => break event,
            Some(Err(error)) => return Err(refused(&error)),
            None => return Err(Refusal::new(500, "the pull ended")),
        }
    };
    let pulling = Pulling { persona, reference, pull, told: BTreeMap::new(), broken };
    Ok(pulling.lines(first))
}

/// A pull whose manifest is there.
struct Pulling {
    persona: Arc<Persona>,
    reference: String,
    pull: Pull,
    /// How far each layer was when it was last told.
    told: BTreeMap<String, u64>,
    /// What it ends with instead of success.
    broken: Option<String>,
}

impl Pulling {
    fn lines(self, first: PullEvent) -> BoxStream<'static, Value> {
        let (repository, tag) = match Reference::parse(&self.reference) {
            Ok(reference) => (reference.repository, reference.tag.unwrap_or_default()),
            Err(_) => (self.reference.clone(), String::new()),
        };
        let begin = json!({"status": format!("Pulling from {repository}"), "id": tag});
        let rest = stream::unfold((Some(self), Some(first)), async |(pulling, first)| {
            let mut pulling = pulling?;
            let event = match first {
                Some(event) => Ok(event),
                None => pulling.pull.next().await.unwrap_or(Err(EngineError::ShutDown)),
            };
            let (lines, ended) = pulling.tell(event);
            Some((stream::iter(lines), ((!ended).then_some(pulling), None)))
        });
        stream::iter([begin]).chain(rest.flatten()).boxed()
    }

    /// The lines of an event, and whether they are the last.
    fn tell(&mut self, event: Result<PullEvent, EngineError>) -> (Vec<Value>, bool) {
        if let Some(message) = self.broken.take() {
            return (vec![failed(&message)], true);
        }
        match event {
            Ok(PullEvent::Progress(layers)) => {
                (layers.into_iter().flat_map(|layer| self.progress(layer)).collect(), false)
            }
            Ok(PullEvent::Done(record)) => (self.done(&record), true),
            Err(error) => (vec![failed(&words(&error))], true),
        }
    }

    fn progress(&mut self, layer: LayerProgress) -> Vec<Value> {
        let LayerProgress { digest, done_bytes, total_bytes } = layer;
        let id: String = digest.trim_start_matches("sha256:").chars().take(SHORT).collect();
        let before = self.told.insert(digest, done_bytes);
        let mut lines = Vec::new();
        let mut line = |status: &str, detail: Value| {
            lines.push(json!({"status": status, "progressDetail": detail, "id": id}));
        };
        if before.is_none() {
            line("Pulling fs layer", json!({}));
        }
        if done_bytes > before.unwrap_or_default() {
            line("Downloading", json!({"current": done_bytes, "total": total_bytes}));
            if done_bytes >= total_bytes {
                line("Download complete", json!({}));
            }
        }
        lines
    }

    fn done(&self, record: &Arc<ImageRecord>) -> Vec<Value> {
        self.persona.catalogue.add(&self.persona.layer, &self.reference, record);
        let pulled = self.told.keys().map(|digest| {
            let id: String = digest.trim_start_matches("sha256:").chars().take(SHORT).collect();
            json!({"status": "Pull complete", "progressDetail": {}, "id": id})
        });
        let digest = record.digests.last().and_then(|digest| digest.split_once('@'));
        let digest = digest.map(|(_, digest)| json!({"status": format!("Digest: {digest}")}));
        let what = if self.told.is_empty() { "Image is up to date" } else { "Downloaded newer image" };
        let status = json!({"status": format!("Status: {what} for {}", self.reference)});
        pulled.chain(digest).chain([status]).collect()
    }
}

fn failed(message: &str) -> Value {
    json!({"errorDetail": {"message": message}, "error": message})
}

fn words(error: &EngineError) -> String {
    match error {
        EngineError::Pull { error, .. } => error.to_string(),
        other => other.to_string(),
    }
}

/// What fails before the answer has begun.
fn refused(error: &EngineError) -> Refusal {
    let EngineError::Pull { reference, error } = error else {
        return Refusal::new(500, error.to_string());
    };
    match error {
        PullError::NotFound { .. } => Refusal::new(404, format!("image {reference} not found")),
        PullError::Status { status: 401 | 403, asked } => {
            let what = match asked {
                Asked::Token { .. } => "incorrect username or password",
                _ => "authentication required",
            };
            Refusal::new(500, format!("unauthorized: {what}"))
        }
        error => Refusal::new(500, format!("Failed to fetch image manifest: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_as_they_are_written() {
        assert_eq!(reference("busybox", "").unwrap(), "busybox");
        assert_eq!(reference("busybox", "1").unwrap(), "busybox:1");
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(reference("busybox", &digest).unwrap(), format!("busybox@{digest}"));
        for (image, tag) in [("", ""), ("a b", ""), ("a", "-x")] {
            assert!(matches!(reference(image, tag), Err(Refusal::Error { status: 400, .. })));
        }
    }

    #[test]
    fn credentials_come_in_a_header() {
        let mut headers = HeaderMap::new();
        assert!(credentials(&headers).is_none());
        let text = BASE64_URL_SAFE.encode(r#"{"username":"u","password":"p?>"}"#);
        headers.insert("X-Registry-Auth", text.parse().unwrap());
        let found = credentials(&headers).unwrap();
        assert_eq!((found.username.as_str(), found.password.as_str()), ("u", "p?>"));
        headers.insert("X-Registry-Auth", "no base64".parse().unwrap());
        assert!(credentials(&headers).is_none());
    }
}
