//! What the server fills in where a client says nothing.

mod pod;
mod qos;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::store::Resource;

/// Completes an object before it is validated.
pub(super) fn apply(resource: Resource, object: &mut Value) {
    match resource {
        Resource::Pods => pod::complete(object),
        Resource::Secrets => secret(object),
        Resource::Nodes => {
            set(object, "spec", json!({}));
            set(object, "status", json!({}));
        }
        _ => {}
    }
}

/// What a new object begins with, whatever the client says.
pub(super) fn begin(resource: Resource, object: &mut Value) {
    if resource == Resource::Pods {
        object["status"] = json!({"phase": "Pending", "qosClass": qos::class(&object["spec"])});
    }
}

/// Sets a field that is missing.
fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if object[field].is_null() {
        object[field] = value.into();
    }
}

fn secret(object: &mut Value) {
    set(object, "type", "Opaque");
    let Some(Value::Object(texts)) = object.as_object_mut().and_then(|fields| fields.remove("stringData"))
    else {
        return;
    };
    for (key, value) in texts {
        let text = value.as_str().unwrap_or_default();
        object["data"][key] = STANDARD.encode(text).into();
    }
}
