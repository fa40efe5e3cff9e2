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
            // With another value that is as good or bad, the error is the same: it tells nothing of a value.
            Err(error) => {
                let other = entry.split_once('=').map_or(entry.clone(), |(name, value)| {
                    format!("{name}={}", if value.contains('\0') { "\0" } else { "" })
                });
                assert_eq!(split_entry(&other), Err(error));
            }
        }
    }
    let Ok(env) = merge(&image, [("", ""); 0], EnvDefaults { tty }) else { return };
    let mut names: Vec<&str> = env.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(names.binary_search(&"PATH").is_ok(), env.get("PATH").is_some());
});
