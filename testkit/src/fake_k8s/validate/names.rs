//! What names have to look like. Each check says what is wrong, or nothing.

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

/// The name of a container, volume or namespace.
pub(super) fn label(name: &str) -> Option<String> {
    too_long(name, 63).or_else(|| (!is_label(name)).then(|| LABEL.to_owned()))
}

/// The name of most objects.
pub(super) fn subdomain(name: &str) -> Option<String> {
    too_long(name, 253).or_else(|| (!is_subdomain(name)).then(|| SUBDOMAIN.to_owned()))
}

/// The value of a label.
pub(super) fn label_value(value: &str) -> Option<String> {
    let fits = value.is_empty() || is_word(value);
    too_long(value, 63).or_else(|| (!fits).then(|| LABEL_VALUE.to_owned()))
}

/// The key of a label or annotation, or the name of a resource.
pub(super) fn qualified(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((_, name)) if name.contains('/') => {
            let why = NAME_PART.trim_start_matches("name part must ");
            return Some(format!(
                "a qualified name must {why} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty".to_owned());
        }
        if let Some(why) = subdomain(prefix) {
            return Some(format!("prefix part {why}"));
        }
    }
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if let Some(why) = too_long(name, 63) {
        return Some(format!("name part {why}"));
    }
    (!is_word(name)).then(|| NAME_PART.to_owned())
}

/// A key of a secret's or config map's data.
pub(super) fn config_key(key: &str) -> Option<String> {
    let fits =
        !key.is_empty() && key.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.'));
    if let Some(why) = too_long(key, 253) {
        return Some(why);
    }
    match key {
        "." => Some("must not be '.'".to_owned()),
        key if key.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => (!fits).then(|| CONFIG_KEY.to_owned()),
    }
}

/// The name of an environment variable.
pub(super) fn env(name: &str) -> Option<String> {
    let fits = name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
    (!fits).then(|| ENV_NAME.to_owned())
}

/// The name of a port.
pub(super) fn port(name: &str) -> Option<String> {
    const CHARACTERS: &str = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
    let is_known = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    if name.len() > 15 {
        return Some("must be no more than 15 characters".to_owned());
    }
    if !name.chars().all(is_known) {
        return Some(CHARACTERS.to_owned());
    }
    if !name.contains(|it: char| it.is_ascii_lowercase()) {
        return Some("must contain at least one letter (a-z)".to_owned());
    }
    if name.contains("--") {
        return Some("must not contain consecutive hyphens".to_owned());
    }
    let hyphen_outside = name.starts_with('-') || name.ends_with('-');
    hyphen_outside.then(|| "must not begin or end with a hyphen".to_owned())
}

fn too_long(text: &str, most: usize) -> Option<String> {
    (text.len() > most).then(|| format!("must be no more than {most} characters"))
}

fn is_label(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bytes = name.as_bytes();
    bytes.iter().all(|byte| is_inner(*byte))
        && bytes.first().is_some_and(|byte| *byte != b'-')
        && bytes.last().is_some_and(|byte| *byte != b'-')
}

fn is_subdomain(name: &str) -> bool {
    name.split('.').all(is_label)
}

fn is_word(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| is_inner(*byte))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_and_bad_ones() {
        type Check = fn(&str) -> Option<String>;
        let long = "a".repeat(64);
        let cases: [(Check, &[&str], &[&str]); 7] = [
            (label, &["a", "a-1", "0"], &["", "A", "-a", "a-", "a.b", "a_b", &long]),
            (subdomain, &["a", "a.b", "a-b.c", &long], &["", "A", "a..b", ".a", "a_b", "a.-b"]),
            (label_value, &["", "A", "a_b.c"], &["a b!", "-a", "a.", &long]),
            (qualified, &["a", "example.dev/b", "A_b"], &["", "/a", "a/", "a/b/c", "A/b", "a b", &long]),
            (config_key, &["a", ".dockerconfigjson", "A_b"], &["", ".", "..a", "a/b", "a b"]),
            (env, &["A", "a.b-c", "1", "a b"], &["a=b", "ä", "a\nb"]),
            (port, &["http", "a1"], &["1", "A", "a--b", "-a", "abcdefghijklmnop"]),
        ];
        for (check, good, bad) in cases {
            for name in good {
                assert_eq!(check(name), None, "{name:?}");
            }
            for name in bad {
                assert!(check(name).is_some(), "{name:?}");
            }
        }
    }
}
