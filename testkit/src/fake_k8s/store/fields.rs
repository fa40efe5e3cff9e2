//! Field selectors: `spec.nodeName=a,status.phase!=Running`.

use serde_json::Value;

use super::Resource;

/// One term of a field selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// Where the field is, as a JSON pointer.
    pointer: String,
    value: String,
    equal: bool,
}

impl Requirement {
    /// The object of this name.
    pub(super) fn name(name: &str) -> Self {
        Self { pointer: "/metadata/name".to_owned(), value: name.to_owned(), equal: true }
    }

    pub(super) fn fits(&self, object: &Value) -> bool {
        let is = match object.pointer(&self.pointer) {
            Some(Value::String(text)) => *text == self.value,
            // What is not set counts as empty; a flag that is not set, as false.
            None | Some(Value::Null) => self.value.is_empty() || self.value == "false",
            Some(Value::Bool(flag)) => self.value.parse() == Ok(*flag),
            Some(_) => false,
        };
        is == self.equal
    }
}

/// Reads a field selector; the error is the server's words.
pub(super) fn parse(resource: Resource, selector: &str) -> Result<Vec<Requirement>, String> {
    let terms = selector.split(',').filter(|term| !term.is_empty());
    terms.map(|term| requirement(resource, term)).collect()
}

fn requirement(resource: Resource, term: &str) -> Result<Requirement, String> {
    let invalid = || format!("invalid selector: '{term}'; can't understand '{term}'");
    let (field, value, equal) = if let Some((field, value)) = term.split_once("!=") {
        (field, value, false)
    } else if let Some((field, value)) = term.split_once("==") {
        (field, value, true)
    } else {
        let (field, value) = term.split_once('=').ok_or_else(invalid)?;
        (field, value, true)
    };
    if !is_known(resource, field) {
        return Err(unknown(resource, field));
    }
    let pointer = format!("/{}", field.replace('.', "/"));
    Ok(Requirement { pointer, value: value.to_owned(), equal })
}

fn is_known(resource: Resource, field: &str) -> bool {
    let own: &[&str] = match resource {
        Resource::Pods => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        Resource::Secrets => &["type"],
        Resource::Namespaces => &["status.phase"],
        Resource::Nodes => &["spec.unschedulable"],
        Resource::Events => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Resource::ConfigMaps | Resource::Leases | Resource::ServiceAccounts => &[],
    };
    field == "metadata.name" || field == "metadata.namespace" || own.contains(&field)
}

/// Kinds with fields of their own and the others are worded differently.
fn unknown(resource: Resource, field: &str) -> String {
    match resource {
        Resource::Pods | Resource::Secrets | Resource::Namespaces | Resource::Nodes | Resource::Events => {
            format!("field label not supported: {field}")
        }
        Resource::ConfigMaps | Resource::Leases | Resource::ServiceAccounts => {
            format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_a_pod() {
        let pod =
            json!({"metadata": {"name": "a"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}});
        for (selector, fits) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name==b", false),
            ("spec.nodeName=n,status.phase=Running", true),
            ("spec.nodeName=n,status.phase!=Running", false),
            ("status.podIP=", true),
            ("spec.hostNetwork=false", true),
        ] {
            let terms = parse(Resource::Pods, selector).unwrap();
            assert_eq!(terms.iter().all(|term| term.fits(&pod)), fits, "{selector}");
        }
    }

    #[test]
    fn what_is_no_field_of_it_is_refused() {
        let refused = parse(Resource::Pods, "spec.foo=1").unwrap_err();
        assert_eq!(refused, "field label not supported: spec.foo");
        let refused = parse(Resource::Leases, "spec.foo=1").unwrap_err();
        assert!(refused.starts_with("\"spec.foo\" is not a known field selector"), "{refused}");
        assert!(parse(Resource::Pods, "nonsense").is_err());
    }
}
