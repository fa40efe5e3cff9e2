//! A container's environment: from values, config maps, secrets and fields of the pod.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_cri::v1::KeyValue;
use k8s_openapi::api::core::v1::{Container, EnvVar, ResourceFieldSelector};
use runtime_core::helpers::quantity::Quantity;
use serde_json::Value;

use super::fields;
use crate::fake_k8s::store::{Resource, Store};

/// Where a pod's references lead.
pub(super) struct Sources<'a> {
    pub(super) store: &'a Store,
    pub(super) pod: &'a Value,
    pub(super) ip: Option<&'a str>,
}

impl Sources<'_> {
    /// The environment of a container, in order.
    ///
    /// # Errors
    /// The message of `CreateContainerConfigError`.
    pub(super) fn environment(&self, container: &Container) -> Result<Vec<KeyValue>, String> {
        let mut env = Environment::default();
        for source in container.env_from.iter().flatten() {
            let prefix = source.prefix.as_deref().unwrap_or_default();
            let found = if let Some(map) = &source.config_map_ref {
                self.config_map(&map.name, map.optional)?
            } else if let Some(secret) = &source.secret_ref {
                self.secret(&secret.name, secret.optional)?
            } else {
                None
            };
            for (key, value) in found.unwrap_or_default() {
                env.set(format!("{prefix}{key}"), String::from_utf8_lossy(&value).into_owned());
            }
        }
        for variable in container.env.iter().flatten() {
            if let Some(value) = self.value(variable, container, &env)? {
                env.set(variable.name.clone(), value);
            }
        }
        Ok(env.all.into_iter().map(|(key, value)| KeyValue { key, value }).collect())
    }

    /// A config map's content. `None`: it is missing and may be.
    pub(super) fn config_map(
        &self,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<BTreeMap<String, Vec<u8>>>, String> {
        let Some(object) = self.object(Resource::ConfigMaps, name, optional)? else { return Ok(None) };
        let mut content: BTreeMap<_, _> =
            strings(&object["data"]).map(|(key, value)| (key, value.into_bytes())).collect();
        content.extend(decoded(&object["binaryData"]));
        Ok(Some(content))
    }

    /// The same of a secret.
    pub(super) fn secret(
        &self,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<BTreeMap<String, Vec<u8>>>, String> {
        let object = self.object(Resource::Secrets, name, optional)?;
        Ok(object.map(|object| decoded(&object["data"]).collect()))
    }

    fn object(
        &self,
        resource: Resource,
        name: &str,
        optional: Option<bool>,
    ) -> Result<Option<std::sync::Arc<Value>>, String> {
        let namespace = self.pod["metadata"]["namespace"].as_str().unwrap_or_default();
        match self.store.get(resource, namespace, name) {
            Ok(object) => Ok(Some(object)),
            Err(_) if optional == Some(true) => Ok(None),
            Err(_) => Err(format!("{} {name:?} not found", resource.singular())),
        }
    }

    fn value(
        &self,
        variable: &EnvVar,
        container: &Container,
        env: &Environment,
    ) -> Result<Option<String>, String> {
        let Some(from) = &variable.value_from else {
            return Ok(Some(env.expand(variable.value.as_deref().unwrap_or_default())));
        };
        let namespace = self.pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let pick = |found: Option<BTreeMap<String, Vec<u8>>>, key: &str, optional, place: String| match found
            .and_then(|mut content| content.remove(key))
        {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
            None if optional == Some(true) => Ok(None),
            None => Err(format!("couldn't find key {key} in {place}")),
        };
        if let Some(wanted) = &from.config_map_key_ref {
            let place = format!("ConfigMap {namespace}/{}", wanted.name);
            return pick(
                self.config_map(&wanted.name, wanted.optional)?,
                &wanted.key,
                wanted.optional,
                place,
            );
        }
        if let Some(wanted) = &from.secret_key_ref {
            let place = format!("Secret {namespace}/{}", wanted.name);
            return pick(self.secret(&wanted.name, wanted.optional)?, &wanted.key, wanted.optional, place);
        }
        if let Some(wanted) = &from.field_ref {
            return fields::value(self.pod, &wanted.field_path, self.ip).map(Some);
        }
        if let Some(wanted) = &from.resource_field_ref {
            return resource(container, wanted).map(Some);
        }
        Err(format!("the fake can't honour env {}: an unknown source", variable.name))
    }
}

/// Names and values; the last of a name counts, at the place of the first.
#[derive(Debug, Default)]
pub(super) struct Environment {
    all: Vec<(String, String)>,
    places: HashMap<String, usize>,
}

impl Environment {
    fn set(&mut self, name: String, value: String) {
        match self.places.get(&name).and_then(|at| self.all.get_mut(*at)) {
            Some(slot) => slot.1 = value,
            None => {
                self.places.insert(name.clone(), self.all.len());
                self.all.push((name, value));
            }
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.places.get(name).and_then(|at| self.all.get(*at)).map(|(_, value)| value.as_str())
    }

    /// Replaces `$(NAME)`. What is unknown stays, and `$$` is a dollar.
    fn expand(&self, text: &str) -> String {
        expand(text, |name| self.get(name))
    }
}

/// Replaces `$(NAME)` by what `get` knows. What is unknown stays, and `$$` is a dollar.
pub(super) fn expand<'a>(text: &str, get: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        if let Some(after) = from.strip_prefix("$$") {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = from.strip_prefix("$(").and_then(|from| from.split_once(')')) {
            match get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            expanded.push('$');
            rest = from.strip_prefix('$').unwrap_or_default();
        }
    }
    expanded + rest
}

/// What a container may use, or asks for, divided and rounded up.
pub(super) fn resource(container: &Container, wanted: &ResourceFieldSelector) -> Result<String, String> {
    let unknown = || format!("unsupported container resource: {}", wanted.resource);
    let (kind, name) = wanted.resource.split_once('.').ok_or_else(unknown)?;
    let resources = container.resources.clone().unwrap_or_default();
    let amounts = match kind {
        "limits" => resources.limits,
        "requests" => resources.requests,
        _ => return Err(unknown()),
    };
    let parse = |text: &str| text.parse::<Quantity>().map_err(|error| error.to_string());
    let amount = amounts.and_then(|amounts| amounts.get(name).cloned());
    let amount = parse(amount.as_ref().map_or("0", |amount| &amount.0))?;
    let divisor = wanted.divisor.as_ref().map_or("1", |divisor| &divisor.0);
    let divisor = parse(if divisor == "0" { "1" } else { divisor })?;
    let of = |quantity: Quantity| match name {
        "cpu" => quantity.to_milli(),
        _ => quantity.to_bytes(),
    };
    let (amount, divisor) = match (of(amount), of(divisor)) {
        (Ok(amount), Ok(divisor)) => (amount, divisor.max(1)),
        _ => return Err(unknown()),
    };
    Ok(amount.div_ceil(divisor).to_string())
}

fn strings(object: &Value) -> impl Iterator<Item = (String, String)> {
    let fields = object.as_object().into_iter().flatten();
    fields.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
}

fn decoded(object: &Value) -> impl Iterator<Item = (String, Vec<u8>)> {
    strings(object).map(|(key, value)| (key, BASE64_STANDARD.decode(value).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let get = |name: &str| (name == "A").then_some("1");
        for (text, want) in [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
            ("100%$", "100%$"),
            ("", ""),
        ] {
            assert_eq!(expand(text, get), want, "{text:?}");
        }
    }

    #[test]
    fn the_last_value_counts_at_the_first_place() {
        let mut env = Environment::default();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3")] {
            env.set(name.into(), value.into());
        }
        assert_eq!(env.all, [("A".to_owned(), "3".to_owned()), ("B".to_owned(), "2".to_owned())]);
        assert_eq!(env.expand("$(A)$(B)"), "32");
    }
}
