//! The drivers that the features name.

use runtime_core::Registry;

/// The drivers that are compiled in, by URL scheme, and for the others the feature that would add them.
#[must_use]
pub fn registry() -> Registry {
    let registry = Registry::new()
        .with_feature("memory", "memory")
        .with_feature("cri", "cri")
        .with_feature("nydus", "nydus")
        .with_feature("k8s", "k8s")
        .with_feature("vic", "vic");
    #[cfg(feature = "memory")]
    let registry = registry.with_driver("memory", testkit::memory::connect_url);
    #[cfg(feature = "cri")]
    let registry = registry.with_driver("cri", driver_cri::connect_url);
    #[cfg(feature = "nydus")]
    let registry = registry.with_driver("nydus", driver_nydus::connect_url);
    #[cfg(feature = "k8s")]
    let registry = registry.with_driver("k8s", driver_k8s::connect_url);
    #[cfg(feature = "vic")]
    let registry = registry.with_driver("vic", driver_vic::connect_url);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_the_features_name() {
        let registry = registry();
        let schemes: Vec<_> = registry.schemes().collect();
        assert_eq!(schemes.contains(&"memory"), cfg!(feature = "memory"));
        assert_eq!(schemes.contains(&"cri"), cfg!(feature = "cri"));
        assert_eq!(schemes.contains(&"nydus"), cfg!(feature = "nydus"));
        assert_eq!(schemes.contains(&"k8s"), cfg!(feature = "k8s"));
        assert_eq!(schemes.contains(&"vic"), cfg!(feature = "vic"));
    }
}
