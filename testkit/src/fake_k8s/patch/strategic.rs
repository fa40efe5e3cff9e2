//! Strategic merge: lists of objects with a key are merged by it, others are replaced.

use serde_json::{Map, Value};

/// What identifies the items of a list, by the list's field; `None` where the list is replaced.
pub(super) fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "secrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "ports" => Some("containerPort"),
        "hostAliases" | "podIPs" | "hostIPs" => Some("ip"),
        "ownerReferences" => Some("uid"),
        "conditions" | "addresses" => Some("type"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _ => None,
    }
}

/// Merges a patch into an object.
pub(super) fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if patch.get("$patch").and_then(Value::as_str) == Some("replace") {
        *object = Value::Object(without_directives(patch));
        return;
    }
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Some(fields) = object.as_object_mut() else { return };
    for (key, value) in patch {
        if let Some(list) = key.strip_prefix("$deleteFromPrimitiveList/") {
            delete_items(fields.get_mut(list), value);
        } else if key.starts_with('$') {
            // `$setElementOrder/…` and `$retainKeys` only put in order what the merge makes anyway.
        } else if value.is_null() {
            fields.remove(key);
        } else if let (Value::Array(items), Some(merge_key)) = (value, merge_key(key)) {
            merge_items(
                fields.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new())),
                items,
                merge_key,
            );
        } else if let (Value::Array(items), "finalizers") = (value, key.as_str()) {
            add_items(fields.entry(key.clone()).or_insert_with(|| Value::Array(Vec::new())), items);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn merge_items(list: &mut Value, patches: &[Value], key: &str) {
    let Some(items) = list.as_array_mut() else { return };
    for patch in patches {
        match patch["$patch"].as_str() {
            Some("delete") => items.retain(|item| item[key] != patch[key]),
            Some("replace") => {
                items.clear();
            }
            _ => match items.iter_mut().find(|item| item[key] == patch[key]) {
                Some(item) => merge(item, patch),
                None => items.push(patch.clone()),
            },
        }
    }
}

fn add_items(list: &mut Value, new: &[Value]) {
    if let Some(items) = list.as_array_mut() {
        for item in new {
            if !items.contains(item) {
                items.push(item.clone());
            }
        }
    }
}

fn delete_items(list: Option<&mut Value>, gone: &Value) {
    if let (Some(items), Some(gone)) = (list.and_then(Value::as_array_mut), gone.as_array()) {
        items.retain(|item| !gone.contains(item));
    }
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    patch
        .iter()
        .filter(|(key, _)| !key.starts_with('$'))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_with_keys_are_merged() {
        let mut object = json!({
            "metadata": {"ownerReferences": [{"uid": "1", "name": "a"}], "finalizers": ["x"]},
            "spec": {"containers": [{"name": "c", "image": "i", "env": [{"name": "A", "value": "1"}]}, {"name": "d"}]},
        });
        merge(
            &mut object,
            &json!({
                "metadata": {"ownerReferences": [{"uid": "2"}], "finalizers": ["y"], "$deleteFromPrimitiveList/finalizers": ["x"]},
                "spec": {
                    "$setElementOrder/containers": [{"name": "c"}],
                    "containers": [{"name": "c", "image": "j"}, {"name": "d", "$patch": "delete"}],
                },
            }),
        );
        assert_eq!(
            object,
            json!({
                "metadata": {"ownerReferences": [{"uid": "1", "name": "a"}, {"uid": "2"}], "finalizers": ["y"]},
                "spec": {"containers": [{"name": "c", "image": "j", "env": [{"name": "A", "value": "1"}]}]},
            })
        );
    }

    #[test]
    fn other_lists_are_replaced_and_nulls_remove() {
        let mut object = json!({"command": ["a"], "labels": {"x": "1", "y": "2"}});
        merge(&mut object, &json!({"command": ["b"], "labels": {"x": null}}));
        assert_eq!(object, json!({"command": ["b"], "labels": {"y": "2"}}));
        merge(&mut object, &json!({"labels": {"$patch": "replace", "z": "3"}}));
        assert_eq!(object["labels"], json!({"z": "3"}));
    }
}
