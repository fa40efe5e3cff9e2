//! Which objects a list or a watch is about.

use serde_json::Value;

use super::{Resource, fields, labels};
use crate::fake_k8s::Refusal;

/// Which objects of a resource: those of one namespace, by label, by field. The default is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    namespace: Option<String>,
    labels: Vec<labels::Requirement>,
    fields: Vec<fields::Requirement>,
}

impl Selection {
    /// All objects of a namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..Self::default() }
    }

    /// As the query of a request says: `namespace` from the path, and both selectors.
    ///
    /// # Errors
    /// 400 for a selector that can't be read, or for a field that the resource can't be selected by.
    pub fn parse(
        resource: Resource,
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Self, Refusal> {
        let parsed_labels = labels::parse(labels).map_err(Refusal::bad_request)?;
        let parsed_fields = fields::parse(resource, fields).map_err(|why| {
            Refusal::bad_request(format!(
                "Unable to find {:?} that match label selector {labels:?}, field selector {fields:?}: {why}",
                group_version_resource(resource),
            ))
        })?;
        Ok(Self { namespace: namespace.map(str::to_owned), labels: parsed_labels, fields: parsed_fields })
    }

    /// Of these, the object of this name.
    #[must_use]
    pub fn only(mut self, name: &str) -> Self {
        self.fields.push(fields::Requirement::name(name));
        self
    }

    /// The one namespace that is looked at.
    pub(super) fn only_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether it leaves out objects of its namespace.
    pub(super) fn is_partial(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    /// Whether an object belongs to it.
    #[must_use]
    pub fn fits(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        self.namespace.as_ref().is_none_or(|namespace| metadata["namespace"].as_str() == Some(namespace))
            && self.labels.iter().all(|requirement| requirement.fits(&metadata["labels"]))
            && self.fields.iter().all(|requirement| requirement.fits(object))
    }
}

/// As Go prints it: `/v1, Resource=pods`.
fn group_version_resource(resource: Resource) -> String {
    format!("{}/v1, Resource={}", resource.group(), resource.plural())
}
