//! Images: pull, list, status, remove, and the space they take.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::StatusCode;
use jiff::Timestamp;
use k8s_cri::v1::*;
use serde_json::json;
use tonic::Status;

use super::fake::Fake;
use super::ids::{self, Found};
use super::refusal;
use crate::engine::{Asked, Credentials, EngineError, HOST_IMAGE, ImageRecord, PullError, Reference};

impl Fake {
    /// All of them, whatever the filter says: containerd ignores it.
    pub(super) async fn list_images(&self, _: ListImagesRequest) -> Result<ListImagesResponse, Status> {
        Ok(ListImagesResponse { images: self.images().map(|record| image(&record)).collect() })
    }

    pub(super) async fn image_status(
        &self,
        request: ImageStatusRequest,
    ) -> Result<ImageStatusResponse, Status> {
        let reference = request.image.unwrap_or_default().image;
        let Some(record) = self.resolve_image(&reference) else { return Ok(ImageStatusResponse::default()) };
        let info = if request.verbose { info(&record) } else { HashMap::new() };
        Ok(ImageStatusResponse { image: Some(image(&record)), info })
    }

    pub(super) async fn pull_image(&self, request: PullImageRequest) -> Result<PullImageResponse, Status> {
        let text = request.image.unwrap_or_default().image;
        let reference = Reference::parse(&text).map_err(|_| {
            Status::unknown(format!("failed to parse image reference {text:?}: invalid reference format"))
        })?;
        let credentials = request.auth.as_ref().map(credentials).transpose()?.flatten();
        let pulled = self.engine.pull(&text, credentials).finish().await;
        let record = pulled.map_err(|error| match error {
            EngineError::Pull { error, .. } => pull_failed(&reference, &error),
            error => refusal::from_engine(error),
        })?;
        Ok(PullImageResponse { image_ref: record.id.clone() })
    }

    pub(super) async fn remove_image(
        &self,
        request: RemoveImageRequest,
    ) -> Result<RemoveImageResponse, Status> {
        if let Some(record) = self.resolve_image(&request.image.unwrap_or_default().image) {
            self.engine.remove_image(&record.id).await.map_err(refusal::from_engine)?;
        }
        Ok(RemoveImageResponse {})
    }

    pub(super) async fn image_fs_info(&self, _: ImageFsInfoRequest) -> Result<ImageFsInfoResponse, Status> {
        let (bytes, files) = self.engine.image_usage().await.map_err(refusal::from_engine)?;
        let usage = FilesystemUsage {
            timestamp: nanoseconds(Timestamp::now()),
            fs_id: Some(FilesystemIdentifier {
                mountpoint: self.engine.snapshotter_dir().to_string_lossy().into_owned(),
            }),
            used_bytes: Some(UInt64Value { value: bytes }),
            inodes_used: Some(UInt64Value { value: files }),
        };
        Ok(ImageFsInfoResponse { image_filesystems: vec![usage], ..Default::default() })
    }

    /// An image by name, digest or a prefix of its id that fits no other; the empty prefix fits them all.
    pub(super) fn resolve_image(&self, reference: &str) -> Option<Arc<ImageRecord>> {
        if !reference.is_empty()
            && let Ok(record) = self.engine.image(reference)
        {
            return Some(record);
        }
        let prefix = format!("sha256:{}", reference.strip_prefix("sha256:").unwrap_or(reference));
        let all: Vec<_> = self.images().collect();
        match ids::find(all.iter().map(|record| record.id.as_str()), &prefix) {
            Found::One(id) => self.engine.image(id).ok(),
            Found::None | Found::Many | Found::EmptyPrefix => None,
        }
    }

    /// The images but the engine's own, which can be used by its name and is not shown.
    fn images(&self) -> impl Iterator<Item = Arc<ImageRecord>> {
        let own = |record: &Arc<ImageRecord>| record.tags.iter().any(|tag| tag == HOST_IMAGE);
        self.engine.images().into_iter().filter(move |record| !own(record))
    }
}

fn image(record: &ImageRecord) -> Image {
    let user = record.config.user.as_deref().unwrap_or_default();
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    let uid = user.parse().ok();
    Image {
        id: record.id.clone(),
        repo_tags: record.tags.clone(),
        repo_digests: record.digests.clone(),
        size: record.size_bytes,
        uid: uid.map(|value| Int64Value { value }),
        username: if uid.is_some() { String::new() } else { user.to_owned() },
        ..Default::default()
    }
}

fn info(record: &ImageRecord) -> HashMap<String, String> {
    let config = &record.config;
    let info = json!({
        "imageSpec": {
            "architecture": config.architecture,
            "os": config.os,
            "config": {
                "User": config.user,
                "Env": config.env,
                "Entrypoint": config.entrypoint,
                "Cmd": config.cmd,
                "WorkingDir": config.working_dir,
                "Labels": config.labels,
                "StopSignal": config.stop_signal,
            },
        },
    });
    HashMap::from([("info".into(), info.to_string())])
}

/// What to show the registry: a name and password, or both in `auth`. An empty message is nobody.
fn credentials(auth: &AuthConfig) -> Result<Option<Credentials>, Status> {
    // containerd parses the address as a URL, and takes what stands before a colon for its scheme.
    let address = &auth.server_address;
    if address.contains(':') && !address.contains("://") {
        return Err(Status::unknown(format!(
            "parse server address: parse \"{address}\": first path segment in URL cannot contain colon"
        )));
    }
    if !auth.username.is_empty() {
        let AuthConfig { username, password, .. } = auth.clone();
        return Ok(Some(Credentials { username, password }));
    }
    if !auth.identity_token.is_empty() || !auth.registry_token.is_empty() {
        return Err(refusal::unsupported("auth by token"));
    }
    if auth.auth.is_empty() {
        return Ok(None);
    }
    let decoded = BASE64_STANDARD.decode(&auth.auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let (username, password) = pair.ok_or_else(|| Status::unknown("invalid decoded auth"))?;
    Ok(Some(Credentials {
        username: username.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
    }))
}

fn pull_failed(reference: &Reference, error: &PullError) -> Status {
    let pull = format!("failed to pull and unpack image \"{reference}\"");
    let resolve = format!("{pull}: failed to resolve reference \"{reference}\"");
    let copy = format!("{pull}: failed to copy: httpReadSeeker: failed open");
    let Reference { registry, repository, tag, digest } = reference;
    let object = digest.as_ref().or(tag.as_ref()).map_or("", String::as_str);
    match error {
        PullError::NotFound { what } => match what.strip_prefix("blobs/") {
            Some(digest) => Status::not_found(format!(
                "{copy}: could not fetch content descriptor {digest} from remote: not found"
            )),
            None => Status::not_found(format!("{resolve}: {reference}: not found")),
        },
        PullError::Status { asked, status } => {
            let reason = StatusCode::from_u16(*status).ok().and_then(|code| code.canonical_reason());
            let status = format!("{status} {}", reason.unwrap_or_default());
            Status::unknown(match asked {
                Asked::Blob(digest) => format!(
                    "{copy}: unexpected status code http://{registry}/v2/{repository}/blobs/{digest}: {status}"
                ),
                Asked::Token { anonymous } => format!(
                    "{resolve}: failed to authorize: failed to fetch {} token: unexpected status: {status}",
                    if *anonymous { "anonymous" } else { "oauth" }
                ),
                _ => format!(
                    "{resolve}: pulling from host {registry} failed with status code [manifests {object}]: {status}"
                ),
            })
        }
        PullError::Unreachable { why } => Status::unknown(format!(
            "{resolve}: failed to do request: Head \"http://{registry}/v2/{repository}/manifests/{object}\": dial tcp: \
             {why}"
        )),
        PullError::DigestMismatch { part: "diff", .. } => Status::unknown(format!(
            "{pull}: failed to extract layer: wrong diff id calculated on extraction"
        )),
        PullError::DigestMismatch { part, expected, got } => Status::failed_precondition(format!(
            "{pull}: failed commit on ref \"{part}-{expected}\": unexpected commit digest {got}, expected {expected}: \
             failed precondition"
        )),
        PullError::Cut { .. } => {
            Status::unknown(format!("{pull}: failed to read expected number of bytes: unexpected EOF"))
        }
        error => Status::unknown(format!("{pull}: {error}")),
    }
}

fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}
