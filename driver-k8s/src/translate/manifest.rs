//! Kubernetes manifests: a Pod as YAML, and the spec that says the same.
//!
//! A manifest of common fields runs on any driver; what only Kubernetes knows becomes [`K8sPodOptions`](crate::K8sPodOptions),
//! which other drivers refuse by name. Two things are Kubernetes' own and stay so: `restartPolicy` is `Always` where nothing is
//! said, and `$(NAME)` is replaced by the variable's value. One is not: a pod gets no token of its service account unless
//! `automountServiceAccountToken` is `true`.

use k8s_openapi::api::core::v1 as k8s;
use runtime_core::{Error, ErrorKind, Result, spec::PodSpec};
use serde::Deserialize;
use serde_json::Value;

use super::{ARCH_LABEL, objects, pod_spec};
use crate::strict;

/// Where a pod goes if its spec says nothing: nowhere yet.
const NO_NAMESPACE: &str = "";

/// Reads the manifest of a Pod, `apiVersion: v1`. A secret that [`to_yaml`] wrote before it is read as well.
///
/// # Errors
/// `InvalidArgument` names the field, from the manifest's root on: another kind of object, a field that Kubernetes doesn't
/// have, a value of the wrong form, an amount that is none, and what can't be said of a pod before it is made.
pub fn from_yaml(manifest: &str) -> Result<PodSpec> {
    let (mut pod, mut secret) = (None, None);
    for document in serde_yaml_ng::Deserializer::from_str(manifest) {
        let value = Value::deserialize(document).map_err(|error| Error::invalid("manifest", error))?;
        if value.is_null() {
            continue;
        }
        match member(&value, "kind") {
            "Pod" if pod.is_none() => pod = Some(read::<k8s::Pod>(value)?),
            "Secret" if secret.is_none() => secret = Some(read_secret(value)?),
            kind @ ("Pod" | "Secret") => {
                return Err(Error::invalid("kind", format!("there is more than one {kind}")));
            }
            kind => return Err(Error::invalid("kind", format!("is {kind:?} and not \"Pod\""))),
        }
    }
    let pod = pod.ok_or_else(|| Error::invalid("manifest", "there is no Pod in it"))?;
    let metadata = &pod.metadata;
    if metadata.name.is_none() {
        let message = match metadata.generate_name {
            Some(_) => "is needed; names are not made up",
            None => "must not be empty",
        };
        return Err(Error::invalid("metadata.name", message));
    }
    let is_its_own = |secret: &k8s::Secret| {
        let kept = super::kept::Kept::of(&pod).and_then(|kept| kept.secret);
        kept.is_some() && kept == secret.metadata.name
    };
    if secret.as_ref().is_some_and(|secret| !is_its_own(secret)) {
        return Err(Error::invalid("kind", "is \"Secret\", and not the one that belongs to the Pod"));
    }
    pod_spec(pod, secret.as_ref())
}

/// Writes a spec as a manifest, as it would be created. Credentials come as a Secret before the Pod: the manifest is as
/// secret as they and the values of environment variables are.
///
/// # Errors
/// `InvalidArgument` or `Unsupported` names what Kubernetes can't carry.
pub fn to_yaml(spec: &PodSpec) -> Result<String> {
    let mut made = objects(spec, spec.namespace.as_deref().unwrap_or(NO_NAMESPACE), None, ARCH_LABEL)?;
    let secret_metadata = made.secret.as_mut().map(|secret| &mut secret.metadata);
    for metadata in secret_metadata.into_iter().chain([&mut made.pod.metadata]) {
        metadata.namespace.clone_from(&spec.namespace);
    }
    let unwritable =
        |error| Error::new(ErrorKind::Unexpected, "the manifest can't be written").with_source(error);
    let mut text = String::new();
    if let Some(secret) = &made.secret {
        text = serde_yaml_ng::to_string(secret).map_err(unwritable)?;
        text.push_str("---\n");
    }
    text.push_str(&serde_yaml_ng::to_string(&made.pod).map_err(unwritable)?);
    Ok(text)
}

fn read<T: serde::de::DeserializeOwned + serde::Serialize>(value: Value) -> Result<T> {
    let version = member(&value, "apiVersion");
    if version != "v1" {
        return Err(Error::invalid("apiVersion", format!("is {version:?} and not \"v1\"")));
    }
    strict::read(value).map_err(|problem| problem.into_error("manifest"))
}

/// An error of a secret's form must not show what is in it.
fn read_secret(value: Value) -> Result<k8s::Secret> {
    read(value).map_err(|error| match error.field() {
        Some("apiVersion") => error,
        field => Error::invalid(field.unwrap_or("manifest").to_owned(), "is no part of a Secret"),
    })
}

fn member<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
