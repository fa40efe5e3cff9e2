//! What is wrong with an object, field by field, in the real server's words.

use std::fmt::Display;

use serde_json::{Value, json};

use super::Refusal;
use super::refusal::details;

/// The problems found so far. All are told at once.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    reason: &'static str,
    field: String,
    message: String,
}

impl Problems {
    pub(super) fn required(&mut self, field: impl Display, why: &str) {
        let message =
            if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        self.add("FieldValueRequired", field, message);
    }

    pub(super) fn invalid(&mut self, field: impl Display, value: &Value, why: impl Display) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {}: {why}", shown(value)));
    }

    pub(super) fn invalid_text(&mut self, field: impl Display, value: &str, why: impl Display) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {value:?}: {why}"));
    }

    pub(super) fn duplicate(&mut self, field: impl Display, value: &Value) {
        self.add("FieldValueDuplicate", field, format!("Duplicate value: {}", shown(value)));
    }

    pub(super) fn unsupported(&mut self, field: impl Display, value: &str, supported: &[&str]) {
        let supported: Vec<_> = supported.iter().map(|value| format!("{value:?}")).collect();
        let message = format!("Unsupported value: {value:?}: supported values: {}", supported.join(", "));
        self.add("FieldValueNotSupported", field, message);
    }

    pub(super) fn forbidden(&mut self, field: impl Display, why: &str) {
        self.add("FieldValueForbidden", field, format!("Forbidden: {why}"));
    }

    pub(super) fn not_found(&mut self, field: impl Display, value: &str) {
        self.add("FieldValueNotFound", field, format!("Not found: {value:?}"));
    }

    pub(super) fn too_long(&mut self, field: impl Display, bytes: usize) {
        self.add("FieldValueTooLong", field, format!("Too long: may not be more than {bytes} bytes"));
    }

    /// Refuses with all problems, if there are any.
    pub(super) fn refuse(self, kind: &str, group: &str, name: &str) -> Result<(), Refusal> {
        let mut told: Vec<String> = Vec::new();
        for problem in &self.0 {
            let text = format!("{}: {}", problem.field, problem.message);
            if !told.contains(&text) {
                told.push(text);
            }
        }
        let told = match told.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut details = details(name, group, kind);
        details["causes"] = self.0.iter().map(Problem::cause).collect();
        let message = format!("{qualified} {name:?} is invalid: {told}");
        Err(Refusal { details: Some(details), ..Refusal::new(422, "Invalid", message) })
    }

    fn add(&mut self, reason: &'static str, field: impl Display, message: String) {
        self.0.push(Problem { reason, field: field.to_string(), message });
    }
}

impl Problem {
    fn cause(&self) -> Value {
        json!({"reason": self.reason, "message": self.message, "field": self.field})
    }
}

/// A value as Go shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_problems_are_told_at_once() {
        let mut problems = Problems::default();
        problems.required("spec.containers[0].image", "");
        problems.duplicate("spec.containers[1].name", &json!("a"));
        let refusal = problems.refuse("Pod", "", "p").unwrap_err();
        assert_eq!(
            refusal.message,
            "Pod \"p\" is invalid: [spec.containers[0].image: Required value, spec.containers[1].name: Duplicate value: \"a\"]"
        );
        let causes = &refusal.status()["details"]["causes"];
        assert_eq!(
            causes[1],
            json!({"reason": "FieldValueDuplicate", "message": "Duplicate value: \"a\"", "field": "spec.containers[1].name"})
        );
    }

    #[test]
    fn no_problems_are_no_refusal() {
        Problems::default().refuse("Pod", "", "p").unwrap();
    }
}
