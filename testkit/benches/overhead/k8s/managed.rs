//! Who wrote which field of a pod. Servers tell that with every pod, and it is about as long as the rest.

use serde_json::{Map, Value, json};

/// What a list of Kubernetes' is keyed by: the first of these that its items have.
const KEYS: [&str; 6] = ["name", "type", "ip", "uid", "key", "mountPath"];

/// The pod as a server tells it whose spec was written by one client, and whose status by the kubelet.
pub(super) fn with_managed_fields(mut pod: Value) -> Value {
    let told = |manager: &str, fields: Value| {
        json!({
            "manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-11-20T20:44:58Z",
            "fieldsType": "FieldsV1", "fieldsV1": fields,
        })
    };
    let labels = json!({"labels": pod["metadata"]["labels"], "annotations": pod["metadata"]["annotations"]});
    let client = told("wharf", fields(&json!({"metadata": labels, "spec": pod["spec"]})));
    let mut kubelet = told("kubelet", fields(&json!({"status": pod["status"]})));
    kubelet["subresource"] = "status".into();
    pod["metadata"]["managedFields"] = json!([client, kubelet]);
    pod
}

/// The fields of a value, as servers write them.
fn fields(value: &Value) -> Value {
    let named = |(name, value): (&String, &Value)| (format!("f:{name}"), fields(value));
    match value {
        Value::Object(object) => object.iter().map(named).collect::<Map<_, _>>().into(),
        Value::Array(items) => items.iter().filter_map(item).collect::<Map<_, _>>().into(),
        _ => json!({}),
    }
}

fn item(item: &Value) -> Option<(String, Value)> {
    let key = KEYS.into_iter().find(|&key| item.get(key).is_some())?;
    let mut fields = fields(item);
    fields["."] = json!({});
    Some((format!("k:{}", json!({ key: item[key] })), fields))
}
