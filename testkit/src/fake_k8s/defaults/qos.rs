//! The quality of service that a pod's resources amount to.

use serde_json::Value;

/// The class of a pod with this spec.
pub(super) fn class(spec: &Value) -> &'static str {
    let containers = ["containers", "initContainers"].into_iter();
    let containers: Vec<_> =
        containers.flat_map(|field| spec[field].as_array().into_iter().flatten()).collect();
    let amount = |container: &Value, kind: &str, name: &str| {
        container["resources"][kind][name].as_str().map(str::to_owned)
    };
    let asks = |container: &&Value| {
        ["limits", "requests"]
            .into_iter()
            .any(|kind| ["cpu", "memory"].into_iter().any(|name| amount(container, kind, name).is_some()))
    };
    let is_fixed = |container: &&Value| {
        ["cpu", "memory"].into_iter().all(|name| {
            let limit = amount(container, "limits", name);
            limit.is_some() && limit == amount(container, "requests", name)
        })
    };
    if !containers.iter().any(asks) {
        "BestEffort"
    } else if containers.iter().all(is_fixed) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        for (resources, expected) in [
            (json!({}), "BestEffort"),
            (json!({"limits": both, "requests": both}), "Guaranteed"),
            (json!({"requests": {"cpu": "1"}}), "Burstable"),
            (json!({"limits": both, "requests": {"cpu": "1", "memory": "1Mi"}}), "Burstable"),
        ] {
            assert_eq!(class(&json!({"containers": [{"resources": resources}]})), expected);
        }
    }
}
