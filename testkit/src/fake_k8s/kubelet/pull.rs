//! The images of a pod's containers: when they are pulled, with whose credentials, and the words when that fails.

use std::sync::Arc;

use k8s_cri::v1::{AuthConfig, ImageSpec, ImageStatusRequest, PullImageRequest};
use runtime_core::helpers::docker_config::DockerConfig;
use runtime_core::helpers::image_ref::ImageReference;
use runtime_core::spec::RegistryCredentials;
use serde_json::Value;
use tonic::Status;

use super::env::Sources;
use crate::engine::{ImageRecord, Reference};
use crate::fake_cri::Runtime;

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoImage {
    /// The reason of the container's status.
    pub(super) reason: &'static str,
    /// Its message.
    pub(super) message: String,
}

/// What happened on the way.
pub(super) enum Step {
    Present,
    Pulling,
    Pulled(Arc<ImageRecord>),
}

/// Sees to it that an image is here. A `policy` that isn't said is `IfNotPresent`.
pub(super) async fn ensure(
    runtime: &Runtime,
    (image, policy): (&str, Option<&str>),
    sources: &Sources<'_>,
    tell: impl Fn(Step),
) -> Result<Arc<ImageRecord>, NoImage> {
    if Reference::parse(image).is_err() {
        let message = format!(
            "Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: invalid reference format"
        );
        return Err(NoImage { reason: "InvalidImageName", message });
    }
    let policy = policy.unwrap_or("IfNotPresent");
    let spec = ImageSpec { image: image.to_owned(), ..Default::default() };
    let asked = ImageStatusRequest { image: Some(spec.clone()), ..Default::default() };
    let here = runtime.image_status(asked).await.map_err(|status| NoImage {
        reason: "ImageInspectError",
        message: format!("Failed to inspect image {image:?}: {}", rpc(&status)),
    })?;
    if policy != "Always"
        && let Some(present) = here.image
        && let Ok(record) = runtime.engine().image(&present.id)
    {
        tell(Step::Present);
        return Ok(record);
    }
    if policy == "Never" {
        let message = format!("Container image {image:?} is not present with pull policy of Never");
        return Err(NoImage { reason: "ErrImageNeverPull", message });
    }
    tell(Step::Pulling);
    // Each that fits is tried, then nobody's.
    let mut logins: Vec<Option<AuthConfig>> = credentials(sources, image).into_iter().map(Some).collect();
    if logins.is_empty() {
        logins.push(None);
    }
    let mut refusal = None;
    for auth in logins {
        let request = PullImageRequest { image: Some(spec.clone()), auth, sandbox_config: None };
        match runtime.pull_image(request).await {
            Ok(pulled) => {
                let found =
                    runtime.engine().image(&pulled.image_ref).or_else(|_| runtime.engine().image(image));
                match found {
                    Ok(record) => {
                        tell(Step::Pulled(Arc::clone(&record)));
                        return Ok(record);
                    }
                    Err(error) => refusal = Some(Status::not_found(error.to_string())),
                }
            }
            Err(status) => refusal = Some(status),
        }
    }
    let message = refusal.as_ref().map(rpc).unwrap_or_default();
    Err(NoImage { reason: "ErrImagePull", message })
}

/// The logins of the pod's secrets that fit an image, the most specific first. A secret that is missing is passed over, as
/// by a real kubelet.
fn credentials(sources: &Sources<'_>, image: &str) -> Vec<AuthConfig> {
    let Ok(reference) = image.parse::<ImageReference>() else { return Vec::new() };
    let names = sources.pod["spec"]["imagePullSecrets"].as_array().into_iter().flatten();
    let names = names.filter_map(|secret| secret["name"].as_str());
    let mut logins = Vec::new();
    for content in names.filter_map(|name| sources.secret(name, None).ok().flatten()) {
        let text = |key: &str| content.get(key).and_then(|bytes| String::from_utf8(bytes.clone()).ok());
        let config = match (text(".dockerconfigjson"), text(".dockercfg")) {
            (Some(current), _) => DockerConfig::parse(&current),
            (None, Some(legacy)) => DockerConfig::parse_legacy(&legacy),
            (None, None) => continue,
        };
        for login in config.iter().flat_map(|config| config.stored_for(&reference)) {
            logins.push(auth(&login));
        }
    }
    logins
}

fn auth(login: &RegistryCredentials) -> AuthConfig {
    AuthConfig {
        username: login.username.clone(),
        password: login.password.expose().to_owned(),
        identity_token: login.identity_token.expose().to_owned(),
        registry_token: login.registry_token.expose().to_owned(),
        ..Default::default()
    }
}

/// As Go prints an error of a gRPC call.
pub(super) fn rpc(status: &Status) -> String {
    format!("rpc error: code = {:?} desc = {}", status.code(), status.message())
}

/// What a container's status says while it waits for the next try.
pub(super) fn back_off(image: &str, failed: &NoImage) -> NoImage {
    let NoImage { reason, message } = failed;
    NoImage {
        reason: "ImagePullBackOff",
        message: format!("Back-off pulling image {image:?}: {reason}: {message}"),
    }
}

/// The name that statuses show: with its tag, as the image's own.
pub(super) fn shown(record: &ImageRecord, asked: &str) -> String {
    let full = Reference::parse(asked).ok();
    let tagged = full.and_then(|reference| reference.tagged()).filter(|tag| record.tags.contains(tag));
    tagged.or_else(|| record.tags.first().cloned()).unwrap_or_else(|| asked.to_owned())
}

/// What `imageID` says of an image.
pub(super) fn image_id(record: &ImageRecord) -> String {
    record.digests.first().cloned().unwrap_or_else(|| record.id.clone())
}

/// The images of a node, as its status lists them.
pub(super) fn list(records: impl IntoIterator<Item = Arc<ImageRecord>>) -> Value {
    let image = |record: Arc<ImageRecord>| {
        let names: Vec<_> = record.digests.iter().chain(&record.tags).cloned().collect();
        serde_json::json!({"names": names, "sizeBytes": record.size_bytes})
    };
    records.into_iter().map(image).collect()
}
