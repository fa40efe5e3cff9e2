//! Fields of a pod that its containers may be told.

use serde_json::Value;

/// The value of a field path, such as `metadata.name` or `metadata.labels['key']`.
///
/// # Errors
/// For what can't be told.
pub(super) fn value(pod: &Value, path: &str, ip: Option<&str>) -> Result<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|path| path.split_once("['")) {
        return match map {
            "metadata.labels" => Ok(text(&pod["metadata"]["labels"][key])),
            "metadata.annotations" => Ok(text(&pod["metadata"]["annotations"][key])),
            _ => Err(unknown(path)),
        };
    }
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    Ok(match path {
        "metadata.name" => text(&metadata["name"]),
        "metadata.namespace" => text(&metadata["namespace"]),
        "metadata.uid" => text(&metadata["uid"]),
        "metadata.labels" => all(&metadata["labels"]),
        "metadata.annotations" => all(&metadata["annotations"]),
        "spec.nodeName" => text(&spec["nodeName"]),
        "spec.serviceAccountName" => text(&spec["serviceAccountName"]),
        "status.hostIP" | "status.hostIPs" => text(&status["hostIP"]),
        "status.podIP" | "status.podIPs" => ip.unwrap_or_default().to_owned(),
        _ => return Err(unknown(path)),
    })
}

fn unknown(path: &str) -> String {
    format!("unsupported fieldPath: {path}")
}

/// One `key="value"` a line.
fn all(map: &Value) -> String {
    let fields = map.as_object().into_iter().flatten();
    let lines: Vec<_> = fields.map(|(key, value)| format!("{key}={value}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_fields() {
        let pod = json!({
            "metadata": {"name": "a", "labels": {"x.y/z": "1", "b": "q\"t"}}, "spec": {"nodeName": "node1"},
        });
        for (path, want) in [
            ("metadata.name", "a"),
            ("metadata.labels['x.y/z']", "1"),
            ("metadata.labels['none']", ""),
            ("metadata.labels", "b=\"q\\\"t\"\nx.y/z=\"1\""),
            ("spec.nodeName", "node1"),
            ("status.podIP", "10.0.0.1"),
        ] {
            assert_eq!(value(&pod, path, Some("10.0.0.1")).unwrap(), want, "{path}");
        }
        assert!(value(&pod, "spec.nothing", None).is_err());
    }
}
