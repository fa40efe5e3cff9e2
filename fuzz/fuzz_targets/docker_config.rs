//! Docker configurations.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::{docker_config::DockerConfig, image_ref::ImageReference};

fuzz_target!(|input: (&str, &str)| {
    let (text, image) = input;
    let Ok(image) = image.parse::<ImageReference>() else { return };
    for config in [DockerConfig::parse(text), DockerConfig::parse_legacy(text)].into_iter().flatten() {
        for credentials in config.stored_for(&image) {
            assert_eq!(credentials.registry, image.registry());
            let secrets = [&credentials.password, &credentials.identity_token, &credentials.registry_token];
            assert!(!credentials.username.is_empty() || secrets.iter().any(|secret| !secret.is_empty()));
        }
    }
});
