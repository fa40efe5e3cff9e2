//! Durations as Go writes them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::duration;

fuzz_target!(|text: &str| {
    if let Ok(read) = duration::parse(text) {
        assert_eq!(duration::parse(&duration::format(read)), Ok(read));
    }
});
