//! The environment of a process: what the image says, what the spec says, and the defaults under both.

use std::fmt;

use thiserror::Error;

/// The `PATH` of a process for which neither image nor spec sets one.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The `TERM` of a process with a terminal for which neither image nor spec sets one.
pub const DEFAULT_TERM: &str = "xterm";

/// What decides on the variables that are there without anyone asking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EnvDefaults {
    /// The process has a terminal, so it gets a `TERM`.
    pub tty: bool,
}

/// The environment of one process: names are unique, order is kept.
///
/// Values are secrets: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env(Vec<(String, String)>);

/// Merges an image's environment, a spec's and the defaults, in this order.
///
/// - An image entry splits at its first `=`; the value may hold more of them.
/// - An image entry without `=` sets nothing and unsets what was set before it, a default too: Docker's rule.
/// - The last value of a name wins and stands where the name stood first.
/// - `PATH`, and `TERM` with a terminal, are added at the end where they are missing. Empty is not missing.
///
/// # Errors
/// A name that is empty, or a name or value that no process can be given.
pub fn merge<I, K, V>(image: &[String], spec: I, defaults: EnvDefaults) -> Result<Env, EnvError>
where
    I: IntoIterator<Item = (K, V)>,
    K: AsRef<str>,
    V: AsRef<str>,
{
    let mut env = Env::default();
    let mut unset = Vec::new();
    for entry in image {
        match split_entry(entry)? {
            (name, Some(value)) => env.set(name, value),
            (name, None) => {
                env.0.retain(|(known, _)| known != name);
                unset.push(name);
            }
        }
    }
    for (name, value) in spec {
        validate_name(name.as_ref())?;
        validate_value(name.as_ref(), value.as_ref())?;
        env.set(name.as_ref(), value.as_ref());
    }
    let term = defaults.tty.then_some(("TERM", DEFAULT_TERM));
    for (name, value) in [("PATH", DEFAULT_PATH)].into_iter().chain(term) {
        if env.get(name).is_none() && !unset.contains(&name) {
            env.set(name, value);
        }
    }
    Ok(env)
}

/// Splits an image's `NAME=VALUE` at the first `=`. Without one the value is `None`.
///
/// # Errors
/// A name or value that no process can be given.
pub fn split_entry(entry: &str) -> Result<(&str, Option<&str>), EnvError> {
    let (name, value) = match entry.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (entry, None),
    };
    validate_name(name)?;
    if let Some(value) = value {
        validate_value(name, value)?;
    }
    Ok((name, value))
}

/// Checks that a process can be given a variable of this name: not empty, no `=`, no NUL.
///
/// # Errors
/// Says which of these it is.
pub fn validate_name(name: &str) -> Result<(), EnvError> {
    if name.is_empty() {
        return Err(EnvError::EmptyName);
    }
    if let Some((before, _)) = name.split_once('\0') {
        return Err(EnvError::NulInName { start: before_equals(before) });
    }
    if name.contains('=') {
        return Err(EnvError::EqualsInName { start: before_equals(name) });
    }
    Ok(())
}

/// Checks that a process can be given this value of the variable `name`: no NUL.
///
/// # Errors
/// Names the variable, never the value.
pub fn validate_value(name: &str, value: &str) -> Result<(), EnvError> {
    if value.contains('\0') {
        return Err(EnvError::NulInValue { name: name.to_owned() });
    }
    Ok(())
}

/// Why an environment is refused. No message holds a value, nor what follows an `=` that should not be there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnvError {
    /// The name is empty.
    #[error("the name of an environment variable is empty")]
    EmptyName,
    /// The name holds an `=`.
    #[error("the name of an environment variable holds an '=': {start:?}")]
    EqualsInName {
        /// The name up to the `=`; a value may follow it.
        start: String,
    },
    /// The name holds a NUL.
    #[error("the name of an environment variable holds a NUL after {start:?}")]
    NulInName {
        /// The name up to the NUL.
        start: String,
    },
    /// The value holds a NUL.
    #[error("the value of the environment variable {name:?} holds a NUL")]
    NulInValue {
        /// The variable's name.
        name: String,
    },
}

impl Env {
    /// The value of a variable, `None` when it is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// `NAME=VALUE` lines, in order, as OCI specs and process tables have them.
    pub fn to_entries(&self) -> Vec<String> {
        self.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }
}

impl IntoIterator for Env {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

fn before_equals(text: &str) -> String {
    text.split('=').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: EnvDefaults = EnvDefaults { tty: false };
    const TTY: EnvDefaults = EnvDefaults { tty: true };

    fn merged(image: &[&str], spec: &[(&str, &str)], defaults: EnvDefaults) -> Vec<String> {
        let image: Vec<String> = image.iter().map(|&entry| entry.to_owned()).collect();
        merge(&image, spec.iter().copied(), defaults).unwrap().to_entries()
    }

    #[test]
    fn examples() {
        let path = format!("PATH={DEFAULT_PATH}");
        let path = path.as_str();
        type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], EnvDefaults, &'a [&'a str]);
        let table: &[Row<'_>] = &[
            (&[], &[], PLAIN, &[path]),
            (&[], &[], TTY, &[path, "TERM=xterm"]),
            (&["OPTS=a=b=c"], &[], PLAIN, &["OPTS=a=b=c", path]),
            (&["PATH=/bin"], &[], PLAIN, &["PATH=/bin"]),
            (&["PATH=/bin"], &[("PATH", "/sbin")], PLAIN, &["PATH=/sbin"]),
            (&["PATH="], &[], PLAIN, &["PATH="]),
            (&["TERM=vt100", "PATH=/"], &[], TTY, &["TERM=vt100", "PATH=/"]),
            (&["PATH=/"], &[("TERM", "screen")], TTY, &["PATH=/", "TERM=screen"]),
            (&["A=1", "B=2", "PATH=/"], &[("A", "3"), ("C", "4")], PLAIN, &["A=3", "B=2", "PATH=/", "C=4"]),
            (&["PATH=/"], &[("A", "1"), ("A", "2")], PLAIN, &["PATH=/", "A=2"]),
            (&["A=1", "A=2", "PATH=/"], &[], PLAIN, &["A=2", "PATH=/"]),
            (&["A=1", "A", "PATH=/"], &[], PLAIN, &["PATH=/"]),
            (&["PATH", "TERM"], &[], TTY, &[]),
            (&["PATH"], &[("PATH", "/x")], PLAIN, &["PATH=/x"]),
            (&["path=/"], &[], PLAIN, &["path=/", path]),
        ];
        for (image, spec, defaults, expected) in table {
            assert_eq!(merged(image, spec, *defaults), *expected, "image {image:?} spec {spec:?}");
        }
    }

    #[test]
    fn refusals_say_what_is_wrong_and_keep_the_value_to_themselves() {
        let spec = |name: &str, value: &str| merge(&[], [(name, value)], PLAIN).unwrap_err().to_string();
        assert_eq!(spec("", "hunter2"), "the name of an environment variable is empty");
        assert_eq!(spec("A=hunter2", ""), "the name of an environment variable holds an '=': \"A\"");
        assert_eq!(spec("A=hunter2\0", ""), "the name of an environment variable holds a NUL after \"A\"");
        assert_eq!(spec("A", "hunter2\0"), "the value of the environment variable \"A\" holds a NUL");
        let image = |entry: &str| merge(&[entry.to_owned()], [("", ""); 0], PLAIN).unwrap_err();
        assert_eq!(image(""), EnvError::EmptyName);
        assert_eq!(image("=hunter2"), EnvError::EmptyName);
        assert_eq!(image("A=\0hunter2"), EnvError::NulInValue { name: "A".to_owned() });
    }

    #[test]
    fn debug_shows_no_value() {
        let env = merge(&["A=hunter2".to_owned()], [("B", "hunter2")], TTY).unwrap();
        assert_eq!(format!("{env:?}"), r#"{"A", "B", "PATH", "TERM"}"#);
    }

    proptest! {
        #[test]
        fn merge_keeps_its_promises(
            image in prop::collection::vec("[A-D]=[a-c=]{0,4}|[A-DPT]|PATH=x|TERM=y", 0..8),
            spec in prop::collection::vec(("[A-D]|PATH|TERM", "[a-c=]{0,4}"), 0..8),
            tty: bool,
        ) {
            let env = merge(&image, spec.clone(), EnvDefaults { tty }).unwrap();
            let mut names: Vec<&str> = env.iter().map(|(name, _)| name).collect();
            for (name, value) in &spec {
                let last = spec.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str());
                prop_assert_eq!(env.get(name), last, "{} was {}", name, value);
            }
            prop_assert!(env.get("PATH").is_some());
            if tty {
                prop_assert!(env.get("TERM").is_some());
            }
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), count);
        }

        #[test]
        fn merging_the_result_again_changes_nothing(
            image in prop::collection::vec("[A-Z]{1,3}=.{0,4}", 0..8), tty: bool,
        ) {
            let image: Vec<String> = image.into_iter().filter(|entry| !entry.contains('\0')).collect();
            let once = merge(&image, [("", ""); 0], EnvDefaults { tty }).unwrap();
            let again = merge(&once.to_entries(), once.clone(), EnvDefaults { tty }).unwrap();
            prop_assert_eq!(once, again);
        }

        #[test]
        fn any_entry_splits_at_its_first_equals_or_is_refused(entry in any::<String>()) {
            match split_entry(&entry) {
                Ok((name, Some(value))) => prop_assert_eq!(format!("{name}={value}"), &*entry),
                Ok((name, None)) => prop_assert_eq!(name, &entry),
                Err(_) => prop_assert!(entry.is_empty() || entry.starts_with('=') || entry.contains('\0')),
            }
        }
    }
}
