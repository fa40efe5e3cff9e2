//! The table, with bodies as a 1.36 server answers them.

use serde_json::json;

use super::*;

fn refusal(body: &serde_json::Value) -> Refusal {
    let code = u16::try_from(body["code"].as_u64().unwrap()).unwrap();
    Refusal::answered(StatusCode::from_u16(code).unwrap(), None, body.to_string().as_bytes())
}

fn status(code: u16, reason: &str, message: &str) -> serde_json::Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

#[test]
fn every_code_and_reason_has_its_kind() {
    use ErrorKind as K;
    for (code, reason, kind, transient) in [
        (400, "BadRequest", K::InvalidArgument, false),
        (401, "Unauthorized", K::Unauthenticated, false),
        (403, "Forbidden", K::PermissionDenied, false),
        (404, "NotFound", K::NotFound, false),
        (405, "MethodNotAllowed", K::Unsupported, false),
        (409, "AlreadyExists", K::AlreadyExists, false),
        (409, "Conflict", K::InvalidState, true),
        (410, "Gone", K::Unavailable, true),
        (410, "Expired", K::Unavailable, true),
        (413, "RequestEntityTooLarge", K::ResourceExhausted, false),
        (415, "UnsupportedMediaType", K::Unsupported, false),
        (422, "Invalid", K::InvalidArgument, false),
        (429, "TooManyRequests", K::Unavailable, true),
        (500, "InternalError", K::Unexpected, true),
        (500, "ServerTimeout", K::Unavailable, true),
        (502, "", K::Unavailable, true),
        (503, "ServiceUnavailable", K::Unavailable, true),
        (504, "Timeout", K::Unavailable, true),
        (418, "", K::Unexpected, false),
        (302, "", K::Protocol, false),
    ] {
        let refusal = refusal(&status(code, reason, "why"));
        let error = &refusal.error;
        assert_eq!((error.kind(), error.is_transient()), (kind, transient), "{code} {reason}");
        assert_eq!((refusal.code, refusal.reason.as_str()), (Some(code), reason));
        assert_eq!(error.reason().unwrap_or_default(), reason);
        assert!(error.message() == "why" && error.to_string().ends_with(&format!("code={code}")), "{error}");
        assert_eq!(refusal.is_lost(), code >= 500, "{code}");
    }
}

#[test]
fn recorded_refusals() {
    let exists = refusal(&json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "secrets \"rec-s\" already exists", "reason": "AlreadyExists",
        "details": {"name": "rec-s", "kind": "secrets"}, "code": 409,
    }));
    assert!(exists.is_already_exists() && !exists.is_conflict());
    let conflict = refusal(&json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "Operation cannot be fulfilled on pods \"rec2\": the object has been modified; please apply your \
                    changes to the latest version and try again",
        "reason": "Conflict", "details": {"name": "rec2", "kind": "pods"}, "code": 409,
    }));
    assert!(conflict.is_conflict() && !conflict.is_already_exists());
    let missing = refusal(&json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "pods \"none\" not found", "reason": "NotFound",
        "details": {"name": "none", "kind": "pods"}, "code": 404,
    }));
    assert!(missing.is_not_found());
    assert_eq!(missing.error.to_string(), "pods \"none\" not found (NotFound), code=404");
    // Plain text, as of a path that is not served.
    let plain = Refusal::answered(StatusCode::NOT_FOUND, None, b"404 page not found\n");
    assert_eq!((plain.error.kind(), plain.reason.as_str()), (ErrorKind::NotFound, ""));
    let expired = refusal(&status(410, "Expired", "too old resource version: 1 (450)"));
    assert!(expired.is_expired());
}

#[test]
fn a_refused_field_is_named() {
    let cause = |field: &str, message: &str| json!({"reason": "FieldValueInvalid", "message": message, "field": field});
    let mut body = status(422, "Invalid", "Pod \"e\" is invalid: spec.containers: Required value");
    body["details"] =
        json!({"name": "e", "kind": "Pod", "causes": [cause("spec.containers", "Required value")]});
    let error = refusal(&body).error;
    assert_eq!(error.field(), Some("spec.containers"));
    assert_eq!(error.to_string(), "spec.containers: Required value (Invalid), code=422");
    body["details"]["causes"] = json!([cause("a", "x"), cause("b", "y")]);
    let error = refusal(&body).error;
    assert_eq!(error.field(), Some("a"));
    assert!(error.message().starts_with("a: Pod \"e\" is invalid"), "{error}");
}

#[test]
fn a_namespace_that_goes_is_no_lack_of_rights() {
    let mut body = status(403, "Forbidden", "pods \"p\" is forbidden: … because it is being terminated");
    let cause = json!({"reason": "NamespaceTerminating", "message": "namespace n is being terminated", "field": "metadata.namespace"});
    body["details"] = json!({"name": "p", "kind": "pods", "causes": [cause]});
    let error = refusal(&body).error;
    assert_eq!((error.kind(), error.field(), error.is_transient()), (ErrorKind::InvalidState, None, false));
}

#[test]
fn the_server_says_when_to_come_again() {
    let mut body = status(429, "TooManyRequests", "slow down");
    body["details"] = json!({"retryAfterSeconds": 7});
    assert_eq!(refusal(&body).retry_after, Some(Duration::from_secs(7)));
    let by_header = Refusal::answered(StatusCode::SERVICE_UNAVAILABLE, Some(Duration::from_secs(2)), b"");
    assert_eq!(by_header.retry_after, Some(Duration::from_secs(2)));
    assert_eq!(by_header.error.to_string(), "the server answered 503 without a reason, code=503");
}

#[test]
fn secrets_are_taken_out_of_what_the_server_says() {
    let refusal = refusal(&status(400, "BadRequest", "bad value hunter2")).without(["hunter2"]);
    assert_eq!(refusal.error.to_string(), "bad value [redacted] (BadRequest), code=400");
}

#[test]
fn a_lost_connection_is_transient() {
    let lost = Refusal::of_transport(&std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    assert!(lost.error.is_transient() && lost.is_lost());
    let ended = Refusal::ended(Error::new(ErrorKind::DeadlineExceeded, "late"));
    assert!(ended.is_lost() && !ended.error.is_transient());
    assert!(!Refusal::unsent(Error::new(ErrorKind::Unavailable, "no")).is_lost());
}
