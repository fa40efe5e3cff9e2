//! Names of images.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::image_ref::ImageReference;

fuzz_target!(|text: &str| {
    if let Ok(image) = text.parse::<ImageReference>() {
        assert_eq!(image.to_string().parse(), Ok(image.clone()));
        assert_eq!(image.familiar().parse(), Ok(image.clone()));
        assert!(image.tag().is_some() || image.digest().is_some());
        assert!(image.name().len() <= 255);
        assert!(image.to_string().is_ascii());
    }
});
