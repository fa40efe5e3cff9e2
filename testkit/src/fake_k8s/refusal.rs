//! What is refused, and the `Status` that says so.

use serde_json::{Map, Value, json};

use super::store::Resource;

/// A refusal as the API server words it: an HTTP status and the `Status` object that comes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    /// The machine-readable reason (`NotFound`).
    pub reason: &'static str,
    /// The message, for people.
    pub message: String,
    /// `details`, if there are any: name, group, kind, uid, causes.
    pub details: Option<Value>,
    /// `metadata.continue`: where a list goes on whose token is too old.
    pub continue_token: Option<String>,
    /// The header `Retry-After`, in seconds.
    pub retry_after_seconds: Option<u32>,
}

impl Refusal {
    /// A refusal without details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
            continue_token: None,
            retry_after_seconds: None,
        }
    }

    /// 404: there is no such object.
    #[must_use]
    pub fn not_found(resource: Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::about(404, "NotFound", message, resource, name)
    }

    /// 409: an object of that name is there already.
    #[must_use]
    pub fn already_exists(resource: Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::about(409, "AlreadyExists", message, resource, name)
    }

    /// 409: the object is not at the resource version that the request names.
    #[must_use]
    pub fn modified(resource: Resource, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    /// 409, and why.
    #[must_use]
    pub fn conflict(resource: Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::about(409, "Conflict", message, resource, name)
    }

    /// 409: a precondition of a deletion does not hold. Named by kind, other than every other conflict.
    #[must_use]
    pub fn precondition(resource: Resource, name: &str, why: &str) -> Self {
        let kind = resource.kind();
        let group = resource.group();
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let message = format!("Operation cannot be fulfilled on {qualified} {name:?}: {why}");
        Self { details: Some(details(name, group, kind)), ..Self::new(409, "Conflict", message) }
    }

    /// 400, without details.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 403, and why.
    #[must_use]
    pub fn forbidden(resource: Resource, name: &str, why: &str) -> Self {
        let message = format!("{} {name:?} is forbidden: {why}", resource.qualified());
        Self::about(403, "Forbidden", message, resource, name)
    }

    /// 403: the namespace is on its way out.
    #[must_use]
    pub fn terminating(resource: Resource, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Self::forbidden(resource, name, &why);
        if let Some(Value::Object(details)) = &mut refusal.details {
            details.insert(
                "causes".to_owned(),
                json!([{
                    "reason": "NamespaceTerminating",
                    "message": format!("namespace {namespace} is being terminated"),
                    "field": "metadata.namespace",
                }]),
            );
        }
        refusal
    }

    /// 410: a watch from a version that is forgotten.
    #[must_use]
    pub fn too_old(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"))
    }

    /// 410: a list's token is too old. `token` leads to the rest of the list as it is now.
    #[must_use]
    pub fn continue_too_old(token: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can \
                       start a new list without the continue parameter, or use the continue token in this response to \
                       retrieve the remainder of the results. Continuing with the provided token results in an \
                       inconsistent list - objects that were created, modified, or deleted between the time the first \
                       chunk was returned and now may show up in the list.";
        Self { continue_token: Some(token), ..Self::new(410, "Expired", message) }
    }

    /// 504: the server has not come as far as the version asked for.
    #[must_use]
    pub fn too_new(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        Self {
            details: Some(json!({"causes": causes, "retryAfterSeconds": 1})),
            ..Self::new(504, "Timeout", message)
        }
    }

    fn about(code: u16, reason: &'static str, message: String, resource: Resource, name: &str) -> Self {
        let details = details(name, resource.group(), resource.plural());
        Self { details: Some(details), ..Self::new(code, reason, message) }
    }

    /// The `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        if let Some(token) = &self.continue_token {
            status["metadata"]["continue"] = token.as_str().into();
        }
        status
    }
}

/// The `details` of a status: what it is about. Go leaves out what is empty.
pub(super) fn details(name: &str, group: &str, kind: &str) -> Value {
    let mut details = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details.insert(key.to_owned(), value.into());
        }
    }
    Value::Object(details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_outside_the_core() {
        let lease = Refusal::not_found(Resource::Leases, "a").status();
        assert_eq!(lease["message"], "leases.coordination.k8s.io \"a\" not found");
        assert_eq!(lease["details"], json!({"name": "a", "group": "coordination.k8s.io", "kind": "leases"}));
        let pod = Refusal::not_found(Resource::Pods, "a").status();
        assert_eq!(pod["details"], json!({"name": "a", "kind": "pods"}));
    }

    #[test]
    fn preconditions_name_the_kind() {
        let refusal = Refusal::precondition(Resource::Pods, "a", "no");
        assert_eq!(refusal.message, "Operation cannot be fulfilled on Pod \"a\": no");
        assert_eq!(refusal.status()["details"], json!({"name": "a", "kind": "Pod"}));
    }
}
