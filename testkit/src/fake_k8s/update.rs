//! Replacing and patching.

use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::call::{Call, check_place, with_warnings};
use super::decode::FieldValidation;
use super::patch::Patch;
use super::problems::Problems;
use super::route::Place;
use super::store::{Part, Resource, check_identity};
use super::{Refusal, create, decode, defaults, validate};

/// Replaces an object, or its status. A lease that is missing is made.
pub(super) fn replace(call: &Call<'_>, place: &Place, name: &str, part: Part) -> Result<Answer, Refusal> {
    call.refuse_trial()?;
    let given = call.json()?;
    check_place(place, Some(name), &given)?;
    if place.resource == Resource::Leases {
        match call.cluster.store.get(place.resource, &place.namespace, name) {
            Err(_) => return replace_missing(call, place, name, given),
            Ok(_) => check_version_is_said(place, name, &given)?,
        }
    }
    change(call, place, name, part, |object| {
        *object = given;
        Ok(())
    })
}

/// Patches an object, or its status. An object that is applied and missing is made.
pub(super) fn patch(call: &Call<'_>, place: &Place, name: &str, part: Part) -> Result<Answer, Refusal> {
    call.refuse_trial()?;
    let patch = Patch::read(decode::media_type(&call.parts.headers), &call.body)?;
    if let Patch::Apply(configuration) = &patch {
        check_manager(call)?;
        let missing = call.cluster.store.get(place.resource, &place.namespace, name).is_err();
        if missing && part == Part::Object {
            let mut configuration = configuration.clone();
            configuration["metadata"]["name"] = name.into();
            return create::create_object(call, place, configuration);
        }
    }
    change(call, place, name, part, |object| patch.change(object))
}

fn change(
    call: &Call<'_>,
    place: &Place,
    name: &str,
    part: Part,
    change: impl FnOnce(&mut Value) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let Place { resource, namespace } = place;
    let field_validation = call.field_validation()?;
    let mut warnings = Vec::new();
    let changed = call.cluster.store.patch(part, *resource, namespace, name, |object| {
        let old = object.clone();
        change(object)?;
        // A conflict is told before what is invalid.
        check_identity(object, &old, *resource, name)?;
        if part == Part::Object {
            warnings = settle(*resource, object, &old, field_validation)?;
        }
        Ok(())
    })?;
    Ok(with_warnings(answer::json(200, &*changed), &warnings))
}

/// Decodes, completes and validates a changed object; the warnings.
fn settle(
    resource: Resource,
    object: &mut Value,
    old: &Value,
    field_validation: FieldValidation,
) -> Result<Vec<String>, Refusal> {
    let mut given = object.take();
    if resource.has_status()
        && let Some(fields) = given.as_object_mut()
    {
        // The store puts back the one there was.
        fields.remove("status");
    }
    let decoded = decode::object(resource, given, field_validation)?;
    *object = decoded.object;
    defaults::apply(resource, object);
    validate::updated(resource, object, old)?;
    Ok(decoded.warnings)
}

/// A lease is made by an update if it is missing, but not if the update means a certain one.
fn replace_missing(call: &Call<'_>, place: &Place, name: &str, mut given: Value) -> Result<Answer, Refusal> {
    let uid = given["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    if !uid.is_empty() {
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: /registry/leases/{}/{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: ",
            place.namespace,
        );
        return Err(Refusal::conflict(place.resource, name, &why));
    }
    given["metadata"]["resourceVersion"] = Value::Null;
    create::create_object(call, place, given)
}

/// Leases are never replaced blindly.
fn check_version_is_said(place: &Place, name: &str, given: &Value) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if given["metadata"]["resourceVersion"].as_str().is_none_or(str::is_empty) {
        problems.invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
    }
    problems.refuse(place.resource.plural(), place.resource.group(), name)
}

fn check_manager(call: &Call<'_>) -> Result<(), Refusal> {
    let mut problems = Problems::default();
    if call.query.text("fieldManager").is_empty() {
        problems.required("fieldManager", "is required for apply patch");
    }
    problems.refuse("PatchOptions", "meta.k8s.io", "")
}
