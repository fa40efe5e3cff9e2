//! Versions of Kubernetes servers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::helpers::kube_version::KubeVersion;

fuzz_target!(|texts: (&str, &str)| {
    let (left, right) = texts;
    let (Ok(left), Ok(right)) = (left.parse::<KubeVersion>(), KubeVersion::from_server(right, left, left))
    else {
        return;
    };
    assert_eq!(left.to_string().parse(), Ok(left.clone()));
    assert_eq!(left.cmp(&right).is_eq(), left == right);
    assert_eq!(left.cmp(&right), right.cmp(&left).reverse());
    assert!(left.at_least(left.major(), left.minor()));
});
