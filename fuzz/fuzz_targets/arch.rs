//! Names of architectures.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::arch::Architecture;

fuzz_target!(|text: &str| {
    if let Ok(arch) = text.parse::<Architecture>() {
        assert_eq!(arch.to_string().parse(), Ok(arch));
    }
    if let Ok(arch) = Architecture::from_uname(text) {
        assert_eq!(Architecture::from_uname(arch.uname()), Ok(arch));
    }
    if let Ok(arch) = Architecture::from_go(text) {
        assert_eq!(arch.go(), text);
    }
    if let Ok(arch) = Architecture::from_rust(text) {
        assert_eq!(arch.rust(), text);
    }
});
