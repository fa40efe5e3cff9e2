//! Deleting one object, or many.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::DeleteOptions as Given;

use super::Refusal;
use super::answer::{self, Answer};
use super::call::Call;
use super::problems::Problems;
use super::read;
use super::route::Place;
use super::store::{DeleteOptions, List, Propagation};

/// Deletes an object.
pub(super) fn delete(call: &Call<'_>, place: &Place, name: &str) -> Result<Answer, Refusal> {
    let options = options(call)?;
    let deleted = call.cluster.store.delete(place.resource, &place.namespace, name, &options)?;
    Ok(if place.resource.returns_deleted() {
        answer::json(200, &*deleted.object)
    } else {
        answer::json(200, &answer::deleted(place.resource, &deleted.object))
    })
}

/// Deletes all that the selectors choose; the answer lists it.
pub(super) fn delete_collection(call: &Call<'_>, place: &Place) -> Result<Answer, Refusal> {
    let options = options(call)?;
    let selection = read::selection(place, call.query)?;
    let items = call.cluster.store.delete_all(place.resource, &selection, &options);
    let version = call.cluster.store.version();
    let list = List { version, items, continue_token: None, remaining: None };
    Ok(answer::list(place.resource, &list))
}

/// From the body, or else from the query.
fn options(call: &Call<'_>) -> Result<DeleteOptions, Refusal> {
    call.refuse_trial()?;
    let mut given = if call.body.is_empty() { Given::default() } else { read_body(call)? };
    if call.body.is_empty() {
        given.grace_period_seconds = call.query.number("gracePeriodSeconds")?;
        given.propagation_policy =
            Some(call.query.text("propagationPolicy").to_owned()).filter(|policy| !policy.is_empty());
    }
    if given.dry_run.as_ref().is_some_and(|stages| !stages.is_empty()) {
        return Err(Refusal::bad_request("the fake can't honour dryRun"));
    }
    let propagation = propagation(given.propagation_policy.as_deref())?;
    let preconditions = given.preconditions.unwrap_or_default();
    Ok(DeleteOptions {
        grace_seconds: given.grace_period_seconds,
        uid: preconditions.uid,
        resource_version: preconditions.resource_version,
        propagation,
    })
}

fn read_body(call: &Call<'_>) -> Result<Given, Refusal> {
    let mut given = call.json()?;
    if let Some(fields) = given.as_object_mut() {
        // Their kind is in whichever group the client likes.
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    serde_json::from_value(given).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn propagation(policy: Option<&str>) -> Result<Propagation, Refusal> {
    match policy {
        None | Some("Background" | "Foreground") => Ok(Propagation::Background),
        Some("Orphan") => Ok(Propagation::Orphan),
        Some(other) => {
            let mut problems = Problems::default();
            problems.unsupported("propagationPolicy", other, &["Background", "Foreground", "Orphan"]);
            problems.refuse("DeleteOptions", "meta.k8s.io", "").map(|()| Propagation::Background)
        }
    }
}
