//! When an image is pulled: Kubernetes' pull policies and its default.

use serde::{Deserialize, Serialize};

use super::image_ref::ImageReference;

/// When to pull an image, as Kubernetes names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PullPolicy {
    /// Ask the registry every time.
    Always,
    /// Pull what is not there.
    IfNotPresent,
    /// Use what is there, or fail.
    Never,
}

/// What to do about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PullDecision {
    /// Pull it.
    Pull,
    /// Use the one that is there.
    UsePresent,
    /// Fail: it is not there and must not be pulled.
    Missing,
}

impl PullPolicy {
    /// The policy for who states none: a tag that moves is pulled every time.
    ///
    /// `latest`, and neither tag nor digest, means [`PullPolicy::Always`]; else [`PullPolicy::IfNotPresent`].
    #[must_use]
    pub fn default_for(image: &ImageReference) -> Self {
        if image.tag() == Some("latest") { Self::Always } else { Self::IfNotPresent }
    }

    /// What this policy asks for, whether or not the image is present.
    #[must_use]
    pub fn decide(self, present: bool) -> PullDecision {
        match (self, present) {
            (Self::Always, _) | (Self::IfNotPresent, false) => PullDecision::Pull,
            (Self::IfNotPresent | Self::Never, true) => PullDecision::UsePresent,
            (Self::Never, false) => PullDecision::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PullDecision::{Missing, Pull, UsePresent};
    use super::PullPolicy::{Always, IfNotPresent, Never};
    use super::*;

    #[test]
    fn defaults() {
        let digest = format!("@sha256:{}", "0".repeat(64));
        for (image, policy) in [
            ("busybox", Always),
            ("busybox:latest", Always),
            ("localhost:5000/busybox", Always),
            ("busybox:1.36", IfNotPresent),
            ("busybox:latest-1", IfNotPresent),
            (&format!("busybox{digest}"), IfNotPresent),
            (&format!("busybox:1{digest}"), IfNotPresent),
            (&format!("busybox:latest{digest}"), Always),
        ] {
            assert_eq!(PullPolicy::default_for(&image.parse().unwrap()), policy, "{image}");
        }
    }

    #[test]
    fn decisions() {
        for (policy, absent, present) in
            [(Always, Pull, Pull), (IfNotPresent, Pull, UsePresent), (Never, Missing, UsePresent)]
        {
            assert_eq!((policy.decide(false), policy.decide(true)), (absent, present), "{policy:?}");
        }
    }

    #[test]
    fn names_are_those_of_kubernetes() {
        let json = serde_json::to_string(&[Always, IfNotPresent, Never]).unwrap();
        assert_eq!(json, r#"["Always","IfNotPresent","Never"]"#);
    }
}
