//! One request, read and checked as the framework does it before the handler sees it.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;

use super::reply::Refusal;
use super::route::Consumes;

/// What Go reads as true.
const TRUE: [&str; 10] = ["true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"];
/// How a body comes that says nothing about itself.
const DEFAULT_TYPE: &str = "application/octet-stream";

/// A request, at hand as a whole but for a body that is a stream.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) params: Vec<String>,
    query: Vec<(String, String)>,
    body: Option<Value>,
}

impl Call {
    pub(super) fn new(params: Vec<String>, query: &str, body: Option<Value>) -> Self {
        Self { params, query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(), body }
    }

    /// The first parameter of the path.
    pub(super) fn first(&self) -> &str {
        self.params.first().map_or("", String::as_str)
    }

    /// The second parameter of the path.
    pub(super) fn second(&self) -> &str {
        self.params.get(1).map_or("", String::as_str)
    }

    /// A parameter of the query; the last one of its name counts.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that has to be there.
    pub(super) fn required_text(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name).filter(|text| !text.is_empty()).ok_or_else(|| missing(name, "query"))
    }

    /// A list, separated by commas.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        Some(self.text(name)?.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect())
    }

    /// What is no number of Go's type is refused.
    pub(super) fn int64(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.number(name, "int64")
    }

    /// What is no number of Go's type is refused.
    pub(super) fn int32(&self, name: &str) -> Result<Option<i32>, Refusal> {
        self.number(name, "int32")
    }

    /// A number that has to be there.
    pub(super) fn required<T>(value: Option<T>, name: &str) -> Result<T, Refusal> {
        value.ok_or_else(|| missing(name, "query"))
    }

    fn number<T: std::str::FromStr>(&self, name: &str, kind: &str) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let wrong = || Refusal::framework(601, format!("{name} in query must be of type {kind}: {text:?}"));
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// Whatever Go doesn't read as true is false.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| TRUE.contains(&text.to_ascii_lowercase().as_str()))
    }

    /// The body, which has to be there under this name.
    pub(super) fn body<T: DeserializeOwned>(&self, name: &str) -> Result<T, Refusal> {
        let body = self.body.as_ref().filter(|body| !body.is_null()).ok_or_else(|| missing(name, "body"))?;
        serde_json::from_value(without_nulls(body.clone())).map_err(|error| unreadable(name, &error))
    }

    /// The body as it came.
    pub(super) fn raw_body(&self) -> Option<&Value> {
        self.body.as_ref()
    }
}

/// The handle in a body. It is described as an object, and taken for a string.
pub(super) fn handle(value: &Value) -> Result<&str, Refusal> {
    match value {
        Value::Null => Err(missing("handle", "body")),
        Value::String(key) => Ok(key),
        _ => Err(Refusal::Panic),
    }
}

/// A text in a body that can't be empty.
pub(super) fn filled<'a>(text: &'a str, name: &str) -> Result<&'a str, Refusal> {
    if text.is_empty() { Err(missing(name, "body")) } else { Ok(text) }
}

pub(super) fn missing(name: &str, place: &str) -> Refusal {
    Refusal::framework(602, format!("{name} in {place} is required"))
}

/// Reads the body of an operation that takes JSON.
pub(super) fn read_body(
    headers: &HeaderMap,
    consumes: Consumes,
    bytes: &[u8],
) -> Result<Option<Value>, Refusal> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let given = content_type(headers);
    check_type(given, consumes)?;
    if given != "application/json" {
        let why = "it is not supported by the ByteStreamConsumer, can be resolved by supporting TextUnmarshaler interface";
        return Err(Refusal::framework(400, format!("parsing body body from \"\" failed, because {why}")));
    }
    serde_json::from_slice(bytes).map(Some).map_err(|error| unreadable("body", &error))
}

/// Refuses a type of body that the operation doesn't take.
pub(super) fn check_type(given: &str, consumes: Consumes) -> Result<(), Refusal> {
    let types = consumes.types();
    if types.contains(&given) {
        return Ok(());
    }
    let only = types.join(" ");
    Err(Refusal::framework(415, format!("unsupported media type {given:?}, only [{only}] are allowed")))
}

/// The type without what follows it.
pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(DEFAULT_TYPE);
    given.split(';').next().unwrap_or_default().trim()
}

/// The trace id that a client may send has a form.
pub(super) fn check_operation_id(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(id) = headers.get("Op-ID").and_then(|value| value.to_str().ok()) else { return Ok(()) };
    // The pattern `[0-9]+\.[0-9]+` is bound to neither end.
    let digit = |text: Option<char>| text.is_some_and(|letter| letter.is_ascii_digit());
    let fits = id.match_indices('.').any(|(at, _)| {
        digit(id.get(..at).and_then(|before| before.chars().next_back()))
            && digit(id.get(at + 1..).and_then(|after| after.chars().next()))
    });
    let wrong = || Refusal::framework(605, r"Op-ID in header should match '[0-9]+\.[0-9]+'");
    if fits { Ok(()) } else { Err(wrong()) }
}

fn unreadable(name: &str, error: &serde_json::Error) -> Refusal {
    Refusal::framework(400, format!("parsing {name} body from \"\" failed, because {error}"))
}

/// To Go a null is as good as nothing.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(refusal: Refusal) -> (u16, i64) {
        match refusal {
            Refusal::Error { status, code, .. } => (status, code.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn queries_are_read_as_go_reads_them() {
        let call = Call::new(Vec::new(), "a=1&b=x&t=True&f=maybe&l=x,,y", None);
        assert_eq!(call.int64("a").unwrap(), Some(1));
        assert_eq!(call.int64("missing").unwrap(), None);
        assert_eq!(code(call.int32("b").unwrap_err()), (422, 601));
        assert_eq!(code(call.required_text("missing").unwrap_err()), (422, 602));
        assert_eq!((call.flag("t"), call.flag("f"), call.flag("missing")), (Some(true), Some(false), None));
        assert_eq!(call.list("l").unwrap(), ["x", "y"]);
    }

    #[test]
    fn bodies_have_a_type() {
        let mut headers = HeaderMap::new();
        let read = |headers: &HeaderMap, consumes| read_body(headers, consumes, b"{}");
        assert_eq!(code(read(&headers, Consumes::Json).unwrap_err()), (415, 415));
        assert_eq!(code(read(&headers, Consumes::JsonOrOctets).unwrap_err()), (400, 400));
        headers.insert(CONTENT_TYPE, "application/json; charset=utf-8".parse().unwrap());
        assert!(read(&headers, Consumes::Json).unwrap().is_some());
        assert_eq!(code(read_body(&headers, Consumes::Json, b"{").unwrap_err()), (400, 400));
        assert_eq!(read_body(&headers, Consumes::Octets, b"").unwrap(), None);
    }

    #[test]
    fn trace_ids_have_a_form() {
        for (id, good) in [("12.3", true), ("x1.2y", true), ("12", false), (".1", false), ("a.1", false)] {
            let headers = HeaderMap::from_iter([("Op-ID".parse().unwrap(), id.parse().unwrap())]);
            assert_eq!(check_operation_id(&headers).is_ok(), good, "{id}");
        }
    }

    #[test]
    fn a_null_is_as_good_as_nothing() {
        let body = |body: Value| Call::new(Vec::new(), "", Some(body)).body::<Vec<String>>("it");
        assert_eq!(code(body(Value::Null).unwrap_err()), (422, 602));
        let found = without_nulls(serde_json::json!({"a": null, "b": {"c": null, "d": [null]}}));
        assert_eq!(found, serde_json::json!({"b": {"d": [null]}}));
    }

    #[test]
    fn handles_are_strings() {
        assert_eq!(handle(&"x".into()), Ok("x"));
        assert_eq!(handle(&serde_json::json!({})), Err(Refusal::Panic));
        assert_eq!(code(handle(&Value::Null).unwrap_err()), (422, 602));
    }
}
