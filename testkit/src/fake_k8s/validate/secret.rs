//! Secrets: the types that say what is in them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{MAX_DATA_BYTES, names, text};
use crate::fake_k8s::problems::Problems;

const REDACTED: &str = "<secret contents redacted>";

pub(super) fn check(secret: &Value, problems: &mut Problems) {
    let data = secret["data"].as_object();
    let mut total = 0;
    for (key, value) in data.into_iter().flatten() {
        if let Some(why) = names::config_key(key) {
            problems.invalid_text(format!("data[{key}]"), key, why);
        }
        total += decoded(value).len();
    }
    if total > MAX_DATA_BYTES {
        problems.too_long("data", MAX_DATA_BYTES);
    }
    let required: &[&str] = match text(secret, "type") {
        "kubernetes.io/dockerconfigjson" => return docker_config(secret, ".dockerconfigjson", problems),
        "kubernetes.io/dockercfg" => return docker_config(secret, ".dockercfg", problems),
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        _ => &[],
    };
    for key in required {
        if secret["data"][key].is_null() {
            problems.required(format!("data[{key}]"), "");
        }
    }
}

fn docker_config(secret: &Value, key: &str, problems: &mut Problems) {
    let field = format!("data[{key}]");
    let Some(value) = secret["data"].get(key) else { return problems.required(field, "") };
    let content = decoded(value);
    if serde_json::from_slice::<Value>(&content).is_err() {
        problems.invalid_text(field, REDACTED, go_complaint(&content));
    }
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default()
}

/// What Go's decoder says of what is no JSON.
fn go_complaint(content: &[u8]) -> String {
    let text = content.trim_ascii();
    let Some(first) = text.first() else { return "unexpected end of JSON input".to_owned() };
    let literal: &[u8] = match first {
        b'n' => b"null",
        b't' => b"true",
        b'f' => b"false",
        b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' => return "unexpected end of JSON input".to_owned(),
        other => {
            return format!("invalid character {:?} looking for beginning of value", char::from(*other));
        }
    };
    let differs = literal.iter().zip(text).find(|(expected, found)| expected != found);
    match differs {
        Some((expected, found)) => format!(
            "invalid character {:?} in literal {} (expecting {:?})",
            char::from(*found),
            String::from_utf8_lossy(literal),
            char::from(*expected),
        ),
        None => "unexpected end of JSON input".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_those_of_go() {
        assert_eq!(go_complaint(b"notjson"), "invalid character 'o' in literal null (expecting 'u')");
        assert_eq!(go_complaint(b"x"), "invalid character 'x' looking for beginning of value");
        assert_eq!(go_complaint(b""), "unexpected end of JSON input");
    }
}
