//! Answers of the API server.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value, json};

use super::store::{List, Resource};
use super::{Body, Refusal};

pub(super) type Answer = Response<Body>;

/// An answer in JSON.
pub(super) fn json(code: u16, body: &impl Serialize) -> Answer {
    // Whatever is answered can be serialised; it has string keys.
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    with_type(code, "application/json", bytes.into())
}

/// An answer in plain text.
pub(super) fn text(code: u16, content_type: &'static str, body: &'static str) -> Answer {
    with_type(code, content_type, Bytes::from_static(body.as_bytes()))
}

/// The answer of Go's server where no API is.
pub(super) fn no_such_page() -> Answer {
    text(404, "text/plain; charset=utf-8", "404 page not found\n")
}

/// A refusal.
pub(super) fn refused(refusal: &Refusal) -> Answer {
    let mut answer = json(refusal.code, &refusal.status());
    if let Some(seconds) = refusal.retry_after_seconds {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// A list.
pub(super) fn list(resource: Resource, list: &List) -> Answer {
    let mut metadata = json!({"resourceVersion": list.version.to_string()});
    if let Some(token) = &list.continue_token {
        metadata["continue"] = token.as_str().into();
    }
    if let Some(remaining) = list.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    json(200, &Listing { resource, metadata, items: &list.items })
}

/// The `Status` of a deletion that is done.
pub(super) fn deleted(resource: Resource, object: &Value) -> Value {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let mut details = super::refusal::details(name, resource.group(), resource.plural());
    details["uid"] = object["metadata"]["uid"].clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// An answer with a body that is at hand.
fn with_type(code: u16, content_type: &'static str, body: Bytes) -> Answer {
    with_body(code, content_type, Full::new(body).map_err(io::Error::other).boxed_unsync())
}

/// An answer with any body.
pub(super) fn with_body(code: u16, content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or_default();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

/// A list as it is sent, without a copy of the objects.
struct Listing<'a> {
    resource: Resource,
    metadata: Value,
    items: &'a [Arc<Value>],
}

struct Items<'a>(&'a [Arc<Value>]);

/// An object without what the list says for all.
struct Item<'a>(&'a Value);

impl Serialize for Listing<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("kind", &format!("{}List", self.resource.kind()))?;
        map.serialize_entry("apiVersion", &self.resource.api_version())?;
        map.serialize_entry("metadata", &self.metadata)?;
        map.serialize_entry("items", &Items(self.items))?;
        map.end()
    }
}

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(Some(self.0.len()))?;
        for object in self.0 {
            items.serialize_element(&Item(object))?;
        }
        items.end()
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.0.as_object().into_iter().flatten();
        serializer.collect_map(fields.filter(|(key, _)| !matches!(key.as_str(), "kind" | "apiVersion")))
    }
}
