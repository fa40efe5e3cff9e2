//! Names, labels and texts made into names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::name::{
    sanitize_label, validate_label, validate_label_key, validate_label_value, validate_subdomain,
};

fuzz_target!(|data: (&str, u8)| {
    let (text, max) = data;
    let max = usize::from(max);
    let made = sanitize_label(text, max);
    assert_eq!(validate_label(&made), Ok(()));
    assert!(made.len() <= max.clamp(1, 63));
    assert_eq!(sanitize_label(&made, max), made);
    if validate_label(text).is_ok() {
        assert_eq!(validate_subdomain(text), Ok(()));
        assert_eq!(validate_label_value(text), Ok(()));
    }
    if !text.is_empty() && validate_label_value(text).is_ok() {
        assert_eq!(validate_label_key(text), Ok(()));
    }
    if let (Ok(()), Some((prefix, _))) = (validate_label_key(text), text.split_once('/')) {
        assert_eq!(validate_subdomain(prefix), Ok(()));
    }
});
