//! The secrets in a configuration, to be taken out of what a daemon says.

use serde_json::Value;

/// What holds a secret in nydusd's configuration, in each version of it.
const SECRET: [&str; 5] = ["auth", "registry_token", "access_key_secret", "url", "ping_url"];

/// Shorter texts are all over any message; taking them out would leave nothing to read, and hide nothing.
const SHORTEST: usize = 4;

/// A message without the secrets of a configuration.
pub(crate) fn without_secrets(message: &str, config: &str) -> String {
    let Ok(config) = serde_json::from_str::<Value>(config) else { return message.to_owned() };
    let mut secrets = Vec::new();
    collect(&config, false, &mut secrets);
    secrets.retain(|secret| secret.len() >= SHORTEST);
    // The longest first, since one may be a part of another.
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(message.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
}

fn collect<'a>(value: &'a Value, is_secret: bool, secrets: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if is_secret => secrets.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, is_secret, secrets)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let is_secret = is_secret || name == "headers" || SECRET.contains(&name.as_str());
            collect(value, is_secret, secrets);
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_wherever_they_are() {
        let config = r#"{"device":{"backend":{"type":"registry","config":{"auth":"hunter2","host":"r.example",
            "mirrors":[{"headers":{"X":"hunter2-long"}}],"proxy":{"url":"http://u:p@x","check":1},"registry_token":"ab"}}}}"#;
        let message = "r.example said no to hunter2-long, hunter2 and http://u:p@x, about";
        let expected = "r.example said no to [redacted], [redacted] and [redacted], about";
        assert_eq!(without_secrets(message, config), expected);
        assert_eq!(without_secrets("hunter2", "no JSON"), "hunter2");
    }
}
