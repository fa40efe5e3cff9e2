//! Security contexts.

use serde_json::Value;

use super::text;
use crate::fake_k8s::problems::Problems;

pub(super) fn check_pod(spec: &Value, problems: &mut Problems) {
    let context = &spec["securityContext"];
    check_ids(context, "spec.securityContext", &["runAsUser", "runAsGroup", "fsGroup"], problems);
    check_seccomp(&context["seccompProfile"], "spec.securityContext.seccompProfile", problems);
    for (index, group) in context["supplementalGroups"].as_array().into_iter().flatten().enumerate() {
        check_id(group, format!("spec.securityContext.supplementalGroups[{index}]"), problems);
    }
}

pub(super) fn check_container(path: &str, container: &Value, problems: &mut Problems) {
    let context = &container["securityContext"];
    let path = format!("{path}.securityContext");
    check_ids(context, &path, &["runAsUser", "runAsGroup"], problems);
    check_seccomp(&context["seccompProfile"], &format!("{path}.seccompProfile"), problems);
    let mount = text(context, "procMount");
    if !matches!(mount, "" | "Default" | "Unmasked") {
        problems.unsupported(format!("{path}.procMount"), mount, &["Default", "Unmasked"]);
    }
    if context["allowPrivilegeEscalation"].as_bool() == Some(false) {
        if context["privileged"].as_bool() == Some(true) {
            let why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            problems.invalid(&path, context, why);
        }
        let added = context["capabilities"]["add"].as_array();
        if added.is_some_and(|added| added.iter().any(|it| it == "CAP_SYS_ADMIN")) {
            let why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            problems.invalid(&path, context, why);
        }
    }
}

fn check_ids(context: &Value, path: &str, fields: &[&str], problems: &mut Problems) {
    for field in fields {
        check_id(&context[*field], format!("{path}.{field}"), problems);
    }
}

fn check_id(id: &Value, path: String, problems: &mut Problems) {
    if id.as_i64().is_some_and(|number| !(0..=i64::from(i32::MAX)).contains(&number)) {
        problems.invalid(path, id, "must be between 0 and 2147483647, inclusive");
    }
}

fn check_seccomp(profile: &Value, path: &str, problems: &mut Problems) {
    if profile.is_null() {
        return;
    }
    let (kind, file) = (text(profile, "type"), text(profile, "localhostProfile"));
    match kind {
        "Localhost" if file.is_empty() => {
            problems
                .required(format!("{path}.localhostProfile"), "must be set when seccomp type is Localhost");
        }
        "Localhost" => {}
        "RuntimeDefault" | "Unconfined" if !file.is_empty() => {
            let why = "can only be set when seccomp type is Localhost";
            problems.invalid_text(format!("{path}.localhostProfile"), file, why);
        }
        "RuntimeDefault" | "Unconfined" => {}
        "" => problems.required(format!("{path}.type"), "type is required when seccompProfile is set"),
        other => {
            let supported = ["Localhost", "RuntimeDefault", "Unconfined"];
            problems.unsupported(format!("{path}.type"), other, &supported);
        }
    }
}
