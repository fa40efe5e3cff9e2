//! Kubernetes quantities.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::quantity::Quantity;

fuzz_target!(|text: &str| {
    if let Ok(quantity) = text.parse::<Quantity>() {
        let shown = quantity.to_string();
        let again: Quantity = shown.parse().expect("a canonical form is a quantity");
        assert_eq!(again, quantity);
        assert_eq!(again.to_string(), shown);
        assert_eq!(quantity.to_bytes().is_ok(), !quantity.is_negative());
        if let Ok(bytes) = quantity.to_bytes() {
            let rounded = Quantity::from_bytes(bytes).expect("what came from a quantity fits");
            assert!(rounded >= quantity);
        }
    }
    let _ = serde_json::from_str::<Quantity>(text);
});
