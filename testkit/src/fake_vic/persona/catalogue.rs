//! What the persona knows of images, as it keeps it in the port layer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::engine::{ImageConfig, ImageRecord, Reference};
use crate::fake_vic::port_layer::PortLayer;
use crate::fake_vic::storage::{Layer, SCRATCH};

/// Where the descriptions are, and where the names.
const IMAGES: &str = "docker.images";
const REPOSITORIES: &str = "docker.repositories";

/// The descriptions of images, by id and by the name that they were pulled by.
#[derive(Default)]
pub(in crate::fake_vic) struct Catalogue(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_id: Map<String, Value>,
    by_name: Map<String, Value>,
    repositories: Map<String, Value>,
    layers: Map<String, Value>,
}

impl Catalogue {
    pub(super) fn count(&self) -> usize {
        self.lock().by_id.len()
    }

    /// An image that was pulled, under the name that it was pulled by: tag or not, as the client has written it.
    pub(super) fn add(&self, port_layer: &PortLayer, name: &str, record: &ImageRecord) {
        let mut known = self.lock();
        let layer = layer_id(record);
        let is_new = !known.by_id.contains_key(&record.id);
        if is_new {
            let (parent, files) = (SCRATCH.to_owned(), Some(record.id.clone()));
            let metadata = [("metaData".to_owned(), json!({"id": layer}).to_string())].into();
            let top = Layer { parent, metadata, files };
            port_layer.storage.insert(&port_layer.options.host_uuid, &layer, top);
        }
        let described = describe(name, &layer, record);
        known.by_id.insert(record.id.clone(), described.clone());
        if is_new || !port_layer.options.bugs.second_name_is_lost {
            known.by_name.insert(name.to_owned(), described);
        }
        if let Ok(reference) = Reference::parse(name)
            && let Some(tagged) = reference.tagged()
        {
            let names = known.repositories.entry(reference.name()).or_insert_with(|| json!({}));
            names[tagged.as_str()] = hex(&record.id).into();
            known.layers.insert(layer, tagged.into());
        }
        let images = json!({"IDIndex": {}, "CacheByID": known.by_id, "CacheByName": known.by_name});
        let repositories = json!({"Repositories": known.repositories, "Layers": known.layers});
        let mut texts = port_layer.kv.lock();
        texts.insert(IMAGES.to_owned(), images.to_string());
        texts.insert(REPOSITORIES.to_owned(), repositories.to_string());
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The id of an image's top layer, which is not the image's. An image is one layer here.
fn layer_id(record: &ImageRecord) -> String {
    Sha256::digest(format!("layer of {}", record.id)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An id without what kind of digest it is.
fn hex(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

/// The description of an image, in the form of docker's first version, with more beside it.
fn describe(name: &str, layer: &str, record: &ImageRecord) -> Value {
    let ImageConfig { env, entrypoint, cmd, working_dir, user, labels, stop_signal, architecture, os } =
        &record.config;
    let reference = Reference::parse(name).ok();
    let tag = reference.as_ref().and_then(|reference| reference.tag.clone());
    let repository = name.split('@').next().unwrap_or(name);
    let repository = match repository.rsplit_once(':') {
        Some((before, after)) if !after.contains('/') => before,
        _ => repository,
    };
    let digests: Vec<_> = record.digests.iter().filter_map(|digest| digest.split_once('@')).collect();
    let digests: Vec<_> = digests.into_iter().map(|(_, digest)| digest).collect();
    json!({
        "id": layer,
        "parent": SCRATCH,
        "created": record.created_at.to_string(),
        "container_config": {},
        "docker_version": "18.03.1-ce",
        "config": {
            "Hostname": "",
            "User": user.as_deref().unwrap_or_default(),
            "Tty": false,
            "OpenStdin": false,
            "Env": if env.is_empty() { Value::Null } else { json!(env) },
            "Cmd": if cmd.is_empty() { Value::Null } else { json!(cmd) },
            "Image": "",
            "Volumes": null,
            "WorkingDir": working_dir.as_deref().unwrap_or_default(),
            "Entrypoint": if entrypoint.is_empty() { Value::Null } else { json!(entrypoint) },
            "Labels": if labels.is_empty() { Value::Null } else { json!(labels) },
            "StopSignal": stop_signal.as_deref().unwrap_or_default(),
        },
        "architecture": architecture,
        "os": os,
        "Size": record.size_bytes,
        "image_id": hex(&record.id),
        "digests": digests,
        "tags": [tag.unwrap_or_default()],
        "name": repository,
        "diff_ids": {},
        "history": [],
        "registry": name,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn record() -> ImageRecord {
        ImageRecord {
            id: format!("sha256:{}", "a".repeat(64)),
            tags: Vec::new(),
            digests: vec![format!("localhost:5000/app@sha256:{}", "b".repeat(64))],
            size_bytes: 5,
            created_at: Timestamp::UNIX_EPOCH,
            config: ImageConfig { cmd: vec!["/run".into()], ..ImageConfig::default() },
        }
    }

    #[test]
    fn a_description_tells_layer_and_image_apart() {
        let record = record();
        let told = describe("localhost:5000/app:1", &layer_id(&record), &record);
        assert_eq!(told["image_id"], "a".repeat(64));
        assert_ne!(told["id"], told["image_id"]);
        assert_eq!(told["id"].as_str().unwrap().len(), 64);
        assert_eq!((&told["name"], &told["tags"][0]), (&json!("localhost:5000/app"), &json!("1")));
        assert_eq!(told["digests"][0], format!("sha256:{}", "b".repeat(64)));
        assert_eq!(told["config"]["Cmd"], json!(["/run"]));
        assert_eq!(told["config"]["Entrypoint"], Value::Null);
    }

    #[test]
    fn a_name_with_no_tag_stays_as_it_is() {
        let told = describe("localhost:5000/app", "l", &record());
        assert_eq!(
            (&told["registry"], &told["name"]),
            (&json!("localhost:5000/app"), &json!("localhost:5000/app"))
        );
    }
}
