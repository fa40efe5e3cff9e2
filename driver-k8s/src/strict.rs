//! Kubernetes' own types, read without passing over anything: they ignore fields that they don't know.

use std::fmt;

use runtime_core::{Error, Result, helpers::quantity::Quantity};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The path of the field; empty for the whole.
    pub(crate) path: String,
    pub(crate) message: String,
}

/// Members that hold amounts, one or a map of them. Their type takes any text.
const AMOUNTS: [&str; 5] = ["limits", "requests", "overhead", "sizeLimit", "divisor"];

/// Reads a value, and refuses what its type has no place for, and amounts that are none.
pub(crate) fn read<T: DeserializeOwned + Serialize>(value: Value) -> Result<T, Problem> {
    amounts(&value, "")?;
    let read: T = serde_json::from_value(value.clone()).map_err(|error| where_it_was::<T>(&value, &error))?;
    let written = serde_json::to_value(&read).map_err(|error| Problem::new("", error))?;
    known(&value, &written, "")?;
    Ok(read)
}

/// JSON is YAML, and the reader of YAML says where it was: `path: message at line 1 column 2`.
fn where_it_was<T: DeserializeOwned>(value: &Value, error: &serde_json::Error) -> Problem {
    let Err(located) = serde_yaml_ng::from_str::<T>(&value.to_string()) else {
        return Problem::new("", error);
    };
    let text = located.to_string();
    let text = text.split_once(" at line 1 ").map_or(text.as_str(), |(before, _)| before);
    match text.split_once(": ") {
        Some((path, message)) if !path.contains(' ') => Problem::new(path, message),
        _ => Problem::new("", text),
    }
}

/// For `deserialize_with` of a field.
pub(crate) fn field<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Serialize,
{
    read(Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// Looks at the amounts in a value.
pub(crate) fn amounts(value: &Value, path: &str) -> Result<(), Problem> {
    match value {
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            let path = member(path, key);
            if !AMOUNTS.contains(&key.as_str()) {
                return amounts(value, &path);
            }
            match value {
                Value::Object(map) => {
                    map.iter().try_for_each(|(name, value)| amount(value, &member(&path, name)))
                }
                value => amount(value, &path),
            }
        }),
        Value::Array(list) => (0..)
            .zip(list)
            .try_for_each(|(index, value): (usize, _)| amounts(value, &format!("{path}[{index}]"))),
        _ => Ok(()),
    }
}

fn amount(value: &Value, path: &str) -> Result<(), Problem> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Ok(()),
    };
    text.parse::<Quantity>().map(drop).map_err(|error| Problem::new(path, error))
}

/// Every member that was read has to be in what was understood.
fn known(read: &Value, understood: &Value, path: &str) -> Result<(), Problem> {
    match (read, understood) {
        (Value::Object(read), Value::Object(understood)) => {
            read.iter().filter(|(_, value)| !value.is_null()).try_for_each(|(key, value)| {
                let path = member(path, key);
                match understood.get(key) {
                    Some(understood) => known(value, understood, &path),
                    None => Err(Problem::new(path, "is not a field that Kubernetes has here")),
                }
            })
        }
        (Value::Array(read), Value::Array(understood)) => {
            (0..).zip(read.iter().zip(understood)).try_for_each(|(index, (read, understood)): (usize, _)| {
                known(read, understood, &format!("{path}[{index}]"))
            })
        }
        _ => Ok(()),
    }
}

fn member(path: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { path: path.into(), message: message.to_string() }
    }

    /// As an error about a field.
    pub(crate) fn into_error(self, whole: &str) -> Error {
        Error::invalid(if self.path.is_empty() { whole.to_owned() } else { self.path }, self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Pod, Toleration};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_type_does_not_know_is_named() {
        let read = |value| read::<Pod>(value).unwrap_err();
        let pod = |container: Value| json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [container]}});
        for (container, path) in [
            (json!({"name": "a", "imge": "b"}), "spec.containers[0].imge"),
            (json!({"name": "a", "env": [{"name": "A", "valeu": ""}]}), "spec.containers[0].env[0].valeu"),
            (json!({"name": "a", "tty": "yes, please"}), "spec.containers[0].tty"),
            (
                json!({"name": "a", "resources": {"limits": {"memory": "64MiB"}}}),
                "spec.containers[0].resources.limits.memory",
            ),
            (
                json!({"name": "a", "resources": {"limits": {"nvidia.com/gpu": "one"}}}),
                "spec.containers[0].resources.limits[\"nvidia.com/gpu\"]",
            ),
        ] {
            assert_eq!(read(pod(container)).path, path);
        }
    }

    #[test]
    fn any_text_is_read_as_it_is() {
        let text = "\u{7f}\u{85}\u{2028}\u{feff}\u{1f600}";
        let read: Vec<Toleration> = read(json!([{"key": text}])).unwrap();
        assert_eq!(read[0].key.as_deref(), Some(text));
    }

    #[test]
    fn what_is_known_is_read_and_nothing_is_no_field() {
        let value = json!([{"key": "a", "operator": "Exists", "value": null}]);
        let read: Vec<Toleration> = read(value).unwrap();
        assert_eq!(read[0].key.as_deref(), Some("a"));
    }
}
