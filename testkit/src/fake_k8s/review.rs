//! What the caller may do.

use serde_json::{Value, json};

use super::Refusal;
use super::answer::{self, Answer};
use super::call::Call;
use super::problems::Problems;
use super::route::AUTHORIZATION;

/// Answers a review of a kind.
pub(super) fn review(call: &Call<'_>, kind: &str) -> Result<Answer, Refusal> {
    let given = call.json()?;
    let spec = given["spec"].clone();
    let status = if kind == "SelfSubjectRulesReview" {
        json!({
            "resourceRules": call.cluster.access.rules(),
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version"]}],
            "incomplete": false,
        })
    } else {
        json!({"allowed": is_allowed(call, &spec)?})
    };
    let answered = json!({
        "kind": kind,
        "apiVersion": format!("{AUTHORIZATION}/v1"),
        "metadata": {},
        "spec": spec,
        "status": status,
    });
    Ok(answer::json(201, &answered))
}

fn is_allowed(call: &Call<'_>, spec: &Value) -> Result<bool, Refusal> {
    let attributes = &spec["resourceAttributes"];
    if !spec["nonResourceAttributes"].is_null() && attributes.is_null() {
        return Ok(true);
    }
    if !attributes.is_object() {
        let mut problems = Problems::default();
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        problems.invalid("spec.resourceAttributes", &Value::Null, why);
        problems.refuse("SelfSubjectAccessReview", AUTHORIZATION, "")?;
    }
    let text = |field: &str| attributes[field].as_str().unwrap_or_default();
    let resource = match text("subresource") {
        "" => text("resource").to_owned(),
        subresource => format!("{}/{subresource}", text("resource")),
    };
    Ok(call.cluster.access.allows(text("verb"), &resource))
}
