//! From the body of a request to an object of its kind: what is unknown or does not fit is found here.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Refusal;
use super::quantity;
use super::store::Resource;

/// What happens to fields that the server does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and a header says so.
    Warn,
    /// The request is refused.
    Strict,
}

/// An object that has been read.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) object: Value,
    /// For the header `Warning`.
    pub(super) warnings: Vec<String>,
}

impl FieldValidation {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "" | "Warn" => Ok(Self::Warn),
            "Ignore" => Ok(Self::Ignore),
            "Strict" => Ok(Self::Strict),
            other => Err(Refusal::bad_request(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \"Strict\", \"Warn\""
            ))),
        }
    }
}

/// The body as JSON, from JSON or YAML.
///
/// # Errors
/// 415 for other formats, 400 for what is not of its format.
pub(super) fn body(headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    match media_type(headers) {
        "application/json" | "" => json(body),
        "application/yaml" => yaml(body),
        _ => Err(Refusal::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// The type of a body, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

pub(super) fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))
}

pub(super) fn yaml(body: &[u8]) -> Result<Value, Refusal> {
    serde_yaml_ng::from_slice(body).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> Refusal {
    Refusal::bad_request(format!("couldn't get version/kind; json parse error: {why}"))
}

/// Reads an object as one of a resource's kind, and leaves out what Go leaves out.
///
/// # Errors
/// 400 for another kind, for values of a wrong type, and for unknown fields if they are not to be.
pub(super) fn object(
    resource: Resource,
    mut given: Value,
    validation: FieldValidation,
) -> Result<Decoded, Refusal> {
    check_kind(resource, &given)?;
    quantity::tidy(&mut given).map_err(|why| cannot_be(resource, &why))?;
    let object = typed(resource, &given).map_err(|error| cannot_be(resource, &error.to_string()))?;
    let mut unknown = Vec::new();
    find_unknown(&given, &object, "", &mut unknown);
    let unknown: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
    match validation {
        FieldValidation::Strict if !unknown.is_empty() => {
            return Err(cannot_be(resource, &format!("strict decoding error: {}", unknown.join(", "))));
        }
        FieldValidation::Ignore | FieldValidation::Warn | FieldValidation::Strict => {}
    }
    let warnings = if validation == FieldValidation::Warn { unknown } else { Vec::new() };
    let mut object = object;
    leave_out_empty(&mut object);
    Ok(Decoded { object, warnings })
}

fn check_kind(resource: Resource, given: &Value) -> Result<(), Refusal> {
    if !given.is_object() {
        return Err(unreadable("cannot unmarshal into Go value of type struct"));
    }
    let (kind, version) = (given["kind"].as_str(), given["apiVersion"].as_str());
    let fits = kind.is_none_or(|kind| kind.is_empty() || kind == resource.kind())
        && version.is_none_or(|version| version.is_empty() || version == resource.api_version());
    if fits {
        return Ok(());
    }
    let (kind, version) = (kind.unwrap_or_default(), version.unwrap_or_default());
    Err(Refusal::bad_request(format!(
        "the API version in the data ({version}, Kind={kind}) does not match the expected API version ({}, Kind={})",
        resource.api_version(),
        resource.kind(),
    )))
}

fn cannot_be(resource: Resource, why: &str) -> Refusal {
    let kind = resource.kind();
    Refusal::bad_request(format!("{kind} in version \"v1\" cannot be handled as a {kind}: {why}"))
}

/// Through the type and back.
fn typed(resource: Resource, given: &Value) -> Result<Value, serde_json::Error> {
    match resource {
        Resource::ConfigMaps => through::<v1::ConfigMap>(given),
        Resource::Events => through::<v1::Event>(given),
        Resource::Leases => through::<Lease>(given),
        Resource::Namespaces => through::<v1::Namespace>(given),
        Resource::Nodes => through::<v1::Node>(given),
        Resource::Pods => through::<v1::Pod>(given),
        Resource::Secrets => through::<v1::Secret>(given),
        Resource::ServiceAccounts => through::<v1::ServiceAccount>(given),
    }
}

fn through<T: DeserializeOwned + Serialize>(given: &Value) -> Result<Value, serde_json::Error> {
    // Without kind and version, which the types would compare once more.
    let mut given = given.clone();
    if let Some(fields) = given.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    serde_json::to_value(serde_json::from_value::<T>(given)?)
}

/// The paths of what was given and is not there any more.
fn find_unknown(given: &Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match known.get(key) {
                    Some(known) => find_unknown(value, known, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (index, (value, known)) in given.iter().zip(known).enumerate() {
                find_unknown(value, known, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Leaves out nulls, empty lists, and empty maps of texts. Empty structures stay.
fn leave_out_empty(value: &mut Value) {
    const MAPS: [&str; 9] = [
        "annotations",
        "binaryData",
        "data",
        "labels",
        "limits",
        "matchLabels",
        "nodeSelector",
        "requests",
        "stringData",
    ];
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(leave_out_empty);
            fields.retain(|key, value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty() || key == "containers",
                Value::Object(map) => !map.is_empty() || !MAPS.contains(&key.as_str()),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_empty),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(spec: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
    }

    #[test]
    fn unknown_fields_are_refused_or_dropped() {
        let given = pod(json!({"containers": [{"name": "c", "image": "i", "what": {"a": 1}}], "nope": 1}));
        let refused = object(Resource::Pods, given.clone(), FieldValidation::Strict).unwrap_err();
        assert_eq!(
            refused.message,
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field \"spec.containers[0].what\", unknown field \"spec.nope\""
        );
        let decoded = object(Resource::Pods, given, FieldValidation::Warn).unwrap();
        assert_eq!(decoded.warnings.len(), 2);
        assert_eq!(decoded.object["spec"]["nope"], Value::Null);
    }

    #[test]
    fn values_of_a_wrong_type_are_refused() {
        for spec in [
            json!({"containers": "none"}),
            json!({"containers": [{"name": "c", "image": "i", "resources": {"limits": {"memory": "12Q"}}}]}),
        ] {
            let refused = object(Resource::Pods, pod(spec), FieldValidation::Ignore).unwrap_err();
            assert_eq!(refused.code, 400);
        }
        let refused = object(Resource::Secrets, pod(json!({})), FieldValidation::Ignore).unwrap_err();
        assert_eq!(refused.code, 400);
    }

    #[test]
    fn times_stay_as_they_are() {
        let lease = json!({
            "metadata": {"name": "a"},
            "spec": {"renewTime": "2026-01-01T00:00:10.000000Z", "holderIdentity": "h"},
        });
        let decoded = object(Resource::Leases, lease.clone(), FieldValidation::Strict).unwrap();
        assert_eq!(decoded.object["spec"], lease["spec"]);
    }

    #[test]
    fn formats() {
        let headers = |value: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
        assert_eq!(body(&headers("application/yaml"), b"a: 1").unwrap(), json!({"a": 1}));
        assert_eq!(body(&headers("application/json; charset=utf-8"), b"{}").unwrap(), json!({}));
        assert_eq!(body(&HeaderMap::new(), b"{}").unwrap(), json!({}));
        assert_eq!(body(&headers("text/html"), b"{}").unwrap_err().code, 415);
        assert_eq!(body(&headers("application/json"), b"{").unwrap_err().code, 400);
    }
}
