//! The mount option of nydus-overlayfs.

#![no_main]

use driver_nydus::ExtraOption;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|options: Vec<&str>| {
    if let Ok(extra) = ExtraOption::parse(options) {
        let Ok(option) = extra.to_option() else { panic!("what was read can't be written") };
        assert_eq!(ExtraOption::parse([option.expose()]).ok(), Some(extra));
    }
});
