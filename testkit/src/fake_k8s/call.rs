//! One request, read whole, with what it says about how it is to be done.

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use serde_json::Value;

use super::Refusal;
use super::answer::Answer;
use super::cluster::Cluster;
use super::decode::{self, FieldValidation};
use super::query::Query;
use super::route::Place;

const WARNING: HeaderName = HeaderName::from_static("warning");

/// A request, at hand as a whole.
pub(super) struct Call<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) parts: &'a Parts,
    pub(super) query: &'a Query,
    pub(super) body: Bytes,
}

impl Call<'_> {
    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        decode::body(&self.parts.headers, &self.body)
    }

    pub(super) fn field_validation(&self) -> Result<FieldValidation, Refusal> {
        FieldValidation::parse(self.query.text("fieldValidation"))
    }

    /// Trials are not possible here, and not done for real in silence.
    pub(super) fn refuse_trial(&self) -> Result<(), Refusal> {
        match self.query.text("dryRun") {
            "" => Ok(()),
            _ => Err(Refusal::bad_request("the fake can't honour dryRun")),
        }
    }
}

/// Says of an object's namespace and name that they are not the path's.
pub(super) fn check_place(place: &Place, name: Option<&str>, object: &Value) -> Result<(), Refusal> {
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    if !namespace.is_empty() && namespace != place.namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let given = metadata["name"].as_str().unwrap_or_default();
    match name {
        Some(name) if given != name => Err(Refusal::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        ))),
        _ => Ok(()),
    }
}

/// An answer that warns.
pub(super) fn with_warnings(mut answer: Answer, warnings: &[String]) -> Answer {
    for warning in warnings {
        let text = format!("299 - {warning:?}");
        if let Ok(value) = HeaderValue::from_str(&text) {
            answer.headers_mut().append(WARNING, value);
        }
    }
    answer
}
