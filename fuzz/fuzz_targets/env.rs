//! Entries of an image's environment.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::env::{EnvDefaults, merge, split_entry};

fuzz_target!(|data: (Vec<String>, bool)| {
    let (image, tty) = data;
    for entry in &image {
        match split_entry(entry) {
            Ok((name, Some(value))) => assert_eq!(&format!("{name}={value}"), entry),
            Ok((name, None)) => assert_eq!(name, entry),
            // Nothing of a value is told, save that an empty message is no message.
            Err(error) => assert!(
                entry
                    .split_once('=')
                    .is_none_or(|(_, value)| { value.len() < 32 || !error.to_string().contains(value) })
            ),
        }
    }
    let Ok(env) = merge(&image, [("", ""); 0], EnvDefaults { tty }) else { return };
    let mut names: Vec<&str> = env.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(names.binary_search(&"PATH").is_ok(), env.get("PATH").is_some());
});
