//! Creating: read, complete, validate, keep.

use serde_json::Value;

use super::answer::{self, Answer};
use super::call::{Call, check_place, with_warnings};
use super::route::Place;
use super::store::{MANAGED_FIELDS, Resource, generate_name};
use super::{Refusal, decode, defaults, validate};

/// Creates what the body holds.
pub(super) fn create(call: &Call<'_>, place: &Place) -> Result<Answer, Refusal> {
    call.refuse_trial()?;
    create_object(call, place, call.json()?)
}

/// Creates an object that has been read, but not decoded.
pub(super) fn create_object(call: &Call<'_>, place: &Place, mut given: Value) -> Result<Answer, Refusal> {
    let Place { resource, namespace } = place;
    if resource.has_status()
        && *resource != Resource::Nodes
        && let Some(fields) = given.as_object_mut()
    {
        fields.remove("status");
    }
    if let Some(metadata) = given.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove(MANAGED_FIELDS);
    }
    let decoded = decode::object(*resource, given, call.field_validation()?)?;
    let mut object = decoded.object;
    check_place(place, None, &object)?;
    if object["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
        return Err(Refusal::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    generate_name(&mut object);
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    call.cluster.store.admit(*resource, namespace, &name)?;
    defaults::apply(*resource, &mut object);
    if *resource == Resource::Pods {
        admit_account(call, namespace, &name, &object)?;
    }
    validate::new(*resource, &object)?;
    defaults::begin(*resource, &mut object);
    let created = call.cluster.store.create(*resource, namespace, object)?;
    Ok(with_warnings(answer::json(201, &*created), &decoded.warnings))
}

/// A pod needs its service account.
fn admit_account(call: &Call<'_>, namespace: &str, name: &str, pod: &Value) -> Result<(), Refusal> {
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    match call.cluster.store.get(Resource::ServiceAccounts, namespace, account) {
        Ok(_) => Ok(()),
        Err(missing) => {
            let why = format!("error looking up service account {namespace}/{account}: {}", missing.message);
            Err(Refusal::forbidden(Resource::Pods, name, &why))
        }
    }
}
