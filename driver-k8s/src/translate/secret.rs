//! The secret that belongs to a pod: credentials for its images, and values of variables where these are kept out of the pod.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1 as k8s};
use runtime_core::{
    Error, ErrorKind, Result, Secret,
    spec::{PodSpec, RegistryCredentials},
};
use serde::{Deserialize, Serialize};

use super::names;

/// The type of a secret with registry credentials, and their key in it.
const DOCKER_TYPE: &str = "kubernetes.io/dockerconfigjson";
const DOCKER_KEY: &str = ".dockerconfigjson";
const OPAQUE: &str = "Opaque";

/// Docker Hub, as images name it and as Docker's configuration does.
const HUB: &str = "docker.io";
const HUB_KEY: &str = "https://index.docker.io/v1/";

#[derive(Serialize, Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, Login>,
}

#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Login {
    username: String,
    password: Secret,
}

/// The data of the secret that a pod needs; none if it needs no secret.
pub(super) fn data(spec: &PodSpec, with_env: bool) -> Result<BTreeMap<String, ByteString>> {
    let mut data = BTreeMap::new();
    if !spec.pull_secrets.is_empty() {
        data.insert(DOCKER_KEY.to_owned(), ByteString(docker_config(&spec.pull_secrets)?));
    }
    if with_env {
        for (_, container) in spec.all_containers() {
            for (index, variable) in container.env.iter().enumerate() {
                let value = variable.value.expose().as_bytes().to_vec();
                data.insert(names::env_key(&container.name, index), ByteString(value));
            }
        }
    }
    Ok(data)
}

/// The secret's type, by its data.
pub(super) fn type_of(data: &BTreeMap<String, ByteString>) -> &'static str {
    if data.contains_key(DOCKER_KEY) { DOCKER_TYPE } else { OPAQUE }
}

fn docker_config(credentials: &[RegistryCredentials]) -> Result<Vec<u8>> {
    let mut auths = BTreeMap::new();
    for (index, one) in credentials.iter().enumerate() {
        let refused = |field: &str, why: &str| {
            Err(Error::new(ErrorKind::Unsupported, why).with_field(format!("pullSecrets[{index}].{field}")))
        };
        if !one.identity_token.is_empty() {
            return refused("identityToken", "kubelets know user names and passwords alone");
        }
        if !one.registry_token.is_empty() {
            return refused("registryToken", "kubelets know user names and passwords alone");
        }
        let key = if one.registry == HUB { HUB_KEY } else { &one.registry };
        let login = Login { username: one.username.clone(), password: one.password.clone() };
        if auths.insert(key.to_owned(), login).is_some() {
            return refused("registry", "a pod's secret has one entry a registry");
        }
    }
    serde_json::to_vec(&DockerConfig { auths }).map_err(|error| Error::invalid("pullSecrets", error))
}

/// A variable's value from a key of a secret.
pub(super) fn reference(secret: &str, key: &str) -> k8s::EnvVarSource {
    let selector = k8s::SecretKeySelector { key: key.to_owned(), name: secret.to_owned(), optional: None };
    k8s::EnvVarSource { secret_key_ref: Some(selector), ..Default::default() }
}

/// What such a secret holds.
#[derive(Debug)]
pub(super) struct Values {
    name: String,
    values: BTreeMap<String, Secret>,
    pub(super) credentials: Vec<RegistryCredentials>,
}

impl Values {
    pub(super) fn of(secret: &k8s::Secret) -> Result<Self> {
        let text = |bytes: &ByteString| String::from_utf8(bytes.0.clone()).ok().map(Secret::new);
        let data = secret.data.iter().flatten();
        let mut values: BTreeMap<_, _> =
            data.filter_map(|(key, bytes)| Some((key.clone(), text(bytes)?))).collect();
        let credentials = match values.remove(DOCKER_KEY) {
            None => Vec::new(),
            Some(config) => credentials(&config)?,
        };
        Ok(Self { name: secret.metadata.name.clone().unwrap_or_default(), values, credentials })
    }

    pub(super) fn value_of(&self, source: &k8s::EnvVarSource) -> Option<Secret> {
        let selector = source.secret_key_ref.as_ref().filter(|selector| selector.name == self.name)?;
        self.values.get(&selector.key).cloned()
    }
}

fn credentials(config: &Secret) -> Result<Vec<RegistryCredentials>> {
    let config: DockerConfig = serde_json::from_str(config.expose())
        // The error of the reader may show what it read.
        .map_err(|_| Error::new(ErrorKind::Protocol, "the pod's secret holds no Docker configuration"))?;
    let of = |(key, login): (String, Login)| {
        let registry = if key == HUB_KEY { HUB.to_owned() } else { key };
        RegistryCredentials::basic(registry, login.username, login.password)
    };
    Ok(config.auths.into_iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_as_kubelets_read_them() {
        let spec = PodSpec::new("p")
            .with_pull_secret(RegistryCredentials::basic("docker.io", "me", "hunter2"))
            .with_pull_secret(RegistryCredentials::basic("r:5000", "you", "hunter3"));
        let data = data(&spec, false).unwrap();
        assert_eq!(type_of(&data), DOCKER_TYPE);
        let text = String::from_utf8(data[DOCKER_KEY].0.clone()).unwrap();
        assert_eq!(
            text,
            r#"{"auths":{"https://index.docker.io/v1/":{"username":"me","password":"hunter2"},"r:5000":{"username":"you","password":"hunter3"}}}"#
        );
        let secret = k8s::Secret { data: Some(data), ..Default::default() };
        let values = Values::of(&secret).unwrap();
        assert_eq!(values.credentials, spec.pull_secrets);
        assert!(!format!("{values:?}").contains("hunter"), "{values:?}");
    }

    #[test]
    fn what_kubelets_do_not_know_is_refused() {
        let mut token = RegistryCredentials::default();
        token.registry = "r".into();
        token.identity_token = "t".into();
        let twice = RegistryCredentials::basic("r", "a", "b");
        for (list, field) in [
            (vec![token], "pullSecrets[0].identityToken"),
            (vec![twice.clone(), twice], "pullSecrets[1].registry"),
        ] {
            let mut spec = PodSpec::new("p");
            spec.pull_secrets = list;
            assert_eq!(data(&spec, false).unwrap_err().field(), Some(field));
        }
    }
}
