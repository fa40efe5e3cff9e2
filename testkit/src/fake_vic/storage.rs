//! `/storage`: stores of image layers, and the joining of layers to containers. Volumes are not here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::call::{self, Call, filled};
use super::containers::JoinedImage;
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply};

/// The layer that every first layer is over. It is not listed.
pub(super) const SCRATCH: &str = "scratch";

pub(super) struct Storage(Mutex<BTreeMap<String, Store>>);

/// Layers by id.
type Store = BTreeMap<String, Layer>;

/// A layer of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) parent: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// The engine's image that it is the top of.
    pub(super) files: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ImageStore {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct JoinConfig {
    handle: Value,
    #[serde(rename = "deltaID")]
    delta: String,
    #[serde(rename = "imageID")]
    image: String,
    #[serde(rename = "repoName")]
    repo: String,
}

impl Storage {
    /// The store that the persona makes when the server starts.
    pub(super) fn with_store(name: &str) -> Self {
        Self(Mutex::new(BTreeMap::from([(name.to_owned(), Store::new())])))
    }

    /// A layer that a persona has pulled.
    pub(super) fn insert(&self, store: &str, id: &str, layer: Layer) {
        self.lock().entry(store.to_owned()).or_default().insert(id.to_owned(), layer);
    }

    fn layer(&self, store: &str, id: &str) -> Result<Layer, Refusal> {
        let stores = self.lock();
        let store = stores.get(store).ok_or_else(|| no_store(store))?;
        store.get(id).cloned().ok_or_else(|| Refusal::coded(404, format!("layer {id} not found")))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Store>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortLayer {
    pub(super) fn create_image_store(&self, call: &Call) -> Result<Reply, Refusal> {
        let ImageStore { name } = call.body("body")?;
        filled(&name, "name")?;
        let mut stores = self.storage.lock();
        if stores.contains_key(&name) {
            return Err(Refusal::coded(409, format!("image store {name} already exists")));
        }
        stores.insert(name.clone(), Store::new());
        Ok(Reply::Json(201, json!({"code": 201, "url": store_url(&name)})))
    }

    /// Layers that are not there are left out in silence.
    pub(super) fn list_images(&self, call: &Call) -> Result<Reply, Refusal> {
        let (name, ids) = (call.first(), call.list("ids").unwrap_or_default());
        let stores = self.storage.lock();
        let store = stores.get(name).ok_or_else(|| no_store(name))?;
        let wanted = store.iter().filter(|(id, _)| ids.is_empty() || ids.contains(id));
        Ok(Reply::Json(200, wanted.map(|(id, layer)| image(name, id, layer)).collect()))
    }

    pub(super) fn get_image(&self, call: &Call) -> Result<Reply, Refusal> {
        let (store, id) = (call.first(), call.second());
        Ok(Reply::Json(200, image(store, id, &self.storage.layer(store, id)?)))
    }

    /// Takes a layer. What is in it is looked at no further: no VM can be launched from it.
    pub(super) fn write_image(&self, call: &Call, content: &[u8]) -> Result<Reply, Refusal> {
        let store = call.first();
        let [id, parent, sum] =
            [call.required_text("image_id")?, call.required_text("parent_id")?, call.required_text("sum")?];
        if let Ok(here) = self.storage.layer(store, id) {
            return Ok(Reply::Json(201, image(store, id, &here)));
        }
        let mut stores = self.storage.lock();
        let layers = stores.get_mut(store).ok_or_else(|| no_store_for_writing(store))?;
        if parent != SCRATCH && !layers.contains_key(parent) {
            return Err(Refusal::coded(500, format!("parent image {parent} not found")));
        }
        let digest: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        if sum != format!("sha256:{digest}") {
            return Err(Refusal::coded(
                500,
                format!("Failed to validate image checksum. Expected {sum}, got sha256:{digest}"),
            ));
        }
        let metadata = call.text("metadatakey").zip(call.text("metadataval"));
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let layer =
            Layer { parent: parent.to_owned(), metadata: metadata.into_iter().collect(), files: None };
        let told = image(store, id, &layer);
        layers.insert(id.to_owned(), layer);
        Ok(Reply::Json(201, told))
    }

    /// Removes a layer that nothing is over, with those below it that are over nothing any more.
    pub(super) fn delete_image(&self, call: &Call) -> Result<Reply, Refusal> {
        let (name, id) = (call.first(), call.second());
        let kept = call.list("keepNodes").ok_or_else(|| call::missing("keepNodes", "query"))?;
        self.storage.layer(name, id)?;
        let mut stores = self.storage.lock();
        let layers = stores.get_mut(name).ok_or_else(|| no_store(name))?;
        let mut deleted = Vec::new();
        let mut next = id.to_owned();
        while let Some(layer) = layers.get(&next).cloned().filter(|_| !kept.contains(&next)) {
            let is_parent = layers.values().any(|layer| layer.parent == next);
            if is_parent || self.is_in_use(&next) {
                if deleted.is_empty() {
                    return Err(Refusal::coded(423, format!("image {id} is in use")));
                }
                break;
            }
            layers.remove(&next);
            deleted.push(image(name, &next, &layer));
            next = layer.parent;
        }
        Ok(Reply::Json(200, deleted.into()))
    }

    /// Gives a container the files of a layer, with a disk for what is written over them. Whether the disk's name is
    /// taken is found out when the VM is made.
    pub(super) fn image_join(&self, call: &Call) -> Result<Reply, Refusal> {
        let config: JoinConfig = call.body("config")?;
        let key = call::handle(&config.handle)?;
        filled(&config.delta, "deltaID")?;
        let layer = self.storage.layer(call.first(), call.second());
        self.with_handle(key, Refusal::coded(500, "Failed to get the Handle"), |handle| {
            let joined = JoinedImage {
                delta: config.delta,
                layer: call.second().to_owned(),
                image: config.image,
                repo: config.repo,
                files: layer?.files,
            };
            handle.config.images.push(joined);
            handle.changed = true;
            Ok(Reply::handle_object(key))
        })
    }

    fn is_in_use(&self, layer: &str) -> bool {
        let uses = |machine: &std::sync::Arc<super::containers::Machine>| {
            machine.live().config.images.iter().any(|image| image.layer == layer)
        };
        self.machines.all().iter().any(uses)
    }
}

fn no_store(name: &str) -> Refusal {
    Refusal::coded(404, format!("store ({name}) not found"))
}

/// A write has no 404 of its own.
fn no_store_for_writing(name: &str) -> Refusal {
    Refusal::coded(500, format!("store ({name}) not found"))
}

fn store_url(name: &str) -> String {
    format!("http://localhost:2377/storage/images/{name}")
}

fn image(store: &str, id: &str, layer: &Layer) -> Value {
    let (store_url, Layer { parent, metadata, .. }) = (store_url(store), layer);
    let parent = if parent == SCRATCH { SCRATCH.to_owned() } else { format!("{store_url}/{parent}") };
    json!({
        "ID": id,
        "Store": store_url,
        "SelfLink": format!("{store_url}/{id}"),
        "Parent": parent,
        "Metadata": metadata,
    })
}
