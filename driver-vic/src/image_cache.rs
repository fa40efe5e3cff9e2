//! What the persona knows of images, as it keeps it in the port layer's key-value store.

use std::collections::BTreeMap;

use runtime_core::{
    Error, ErrorKind, ImageId, ImageStatus, Result,
    helpers::{digest::Digest, image_ref::ImageReference},
    spec::Bytes,
};
use serde::Deserialize;

use crate::{api::models::nullable, error::unreadable};

/// The key.
pub(crate) const KEY: &str = "docker.images";

/// All images, by the names they were pulled under. Their own order is no matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ImageCache(Vec<ImageConfig>);

/// The store's value.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Stored {
    #[serde(rename = "CacheByID", deserialize_with = "nullable")]
    by_id: BTreeMap<String, ImageConfig>,
    #[serde(deserialize_with = "nullable")]
    cache_by_name: BTreeMap<String, ImageConfig>,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ImageConfig {
    /// The id of its topmost layer, by which the store has it.
    #[serde(rename = "id")]
    pub(crate) layer: String,
    /// 64 hex digits, without algorithm.
    pub(crate) image_id: String,
    /// The repository.
    pub(crate) name: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) tags: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) digests: Vec<String>,
    /// The whole reference.
    pub(crate) registry: String,
    #[serde(rename = "Size")]
    pub(crate) size: i64,
    #[serde(deserialize_with = "nullable")]
    pub(crate) config: RunConfig,
    /// The names that it was pulled under.
    #[serde(skip)]
    pub(crate) names: Vec<ImageReference>,
}

/// How an image wants to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RunConfig {
    pub(crate) user: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) env: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) cmd: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) entrypoint: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) stop_signal: String,
}

impl ImageCache {
    /// Reads the store's value.
    ///
    /// # Errors
    /// `Protocol` when it is none of that form.
    pub(crate) fn read(value: &str) -> Result<Self> {
        let stored: Stored =
            serde_json::from_str(value).map_err(|error| unreadable(&error).with_context("key", KEY))?;
        let mut images = stored.by_id;
        for (name, image) in stored.cache_by_name {
            let known = images.entry(image.id()).or_insert(image);
            known.names.extend(name.parse::<ImageReference>());
        }
        let finished = images.into_values().map(|mut image| {
            image.names.extend(image.told_names());
            image.names.sort_by_cached_key(ToString::to_string);
            image.names.dedup();
            image
        });
        Ok(Self(finished.collect()))
    }

    /// The image of this name, however it was written when it was pulled.
    ///
    /// # Errors
    /// `Protocol` for one whose record lacks what is needed to run it.
    pub(crate) fn find(&self, reference: &ImageReference) -> Result<Option<&ImageConfig>> {
        let Some(image) = self.0.iter().find(|image| image.is_named(reference)) else { return Ok(None) };
        if image.layer.is_empty() || image.image_id.is_empty() {
            let message = format!("the persona's record of {reference} has no layer or no id");
            return Err(Error::new(ErrorKind::Protocol, message));
        }
        Ok(Some(image))
    }

    pub(crate) fn all(&self) -> &[ImageConfig] {
        &self.0
    }
}

impl ImageConfig {
    /// Its id with the algorithm.
    pub(crate) fn id(&self) -> String {
        format!("sha256:{}", self.image_id)
    }

    pub(crate) fn is_named(&self, wanted: &ImageReference) -> bool {
        // What is wanted by tag and digest is known by digest.
        let by_digest = wanted.digest().map(|digest| wanted.pinned(digest.clone()));
        let wanted = by_digest.as_ref().unwrap_or(wanted);
        self.names.contains(wanted)
    }

    pub(crate) fn status(&self) -> ImageStatus {
        let mut status = ImageStatus::new(ImageId::new(self.id()));
        let (digests, tags): (Vec<_>, Vec<_>) = self.names.iter().partition(|name| name.digest().is_some());
        status.tags = tags.into_iter().map(ToString::to_string).collect();
        status.digests = digests.into_iter().map(ToString::to_string).collect();
        status.size = u64::try_from(self.size).ok().filter(|size| *size > 0).map(Bytes);
        status.user = Some(self.config.user.clone()).filter(|user| !user.is_empty());
        status
    }

    /// The names in its own record: repository and tags, digests, and the whole reference.
    fn told_names(&self) -> Vec<ImageReference> {
        let repository = self.name.parse::<ImageReference>().ok();
        let tags = self.tags.iter().map(|tag| match tag.contains('/') || tag.contains(':') {
            true => tag.clone(),
            false => format!("{}:{tag}", self.name),
        });
        let tags = tags.filter(|_| repository.is_some()).filter_map(|name| name.parse().ok());
        let digests = self.digests.iter().filter_map(|digest| match digest.split_once('@') {
            Some(_) => digest.parse::<ImageReference>().ok(),
            None => Some(repository.as_ref()?.pinned(digest.parse::<Digest>().ok()?)),
        });
        tags.chain(digests).chain(self.registry.parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn image(id: &str, name: &str, tag: &str) -> Value {
        json!({
            "id": "1".repeat(64), "image_id": id, "name": name, "tags": [tag], "digests": null,
            "registry": format!("{name}:{tag}"), "Size": 7,
            "config": {"Cmd": ["sh"], "Env": null, "Entrypoint": null, "User": "me"},
        })
    }

    fn cache() -> ImageCache {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let stored = json!({
            "IDIndex": {},
            "CacheByID": {
                format!("sha256:{a}"): image(&a, "busybox", "latest"),
                format!("sha256:{b}"): image(&b, "localhost:5000/team/app", "1"),
            },
            "CacheByName": {"busybox": image(&a, "busybox", "latest")},
        });
        ImageCache::read(&stored.to_string()).unwrap()
    }

    #[test]
    fn names_are_compared_in_full_form() {
        let cache = cache();
        let find = |name: &str| cache.find(&name.parse().unwrap()).unwrap().map(|image| &image.image_id[..1]);
        for (name, expected) in [
            ("busybox", Some("a")),
            ("busybox:latest", Some("a")),
            ("docker.io/library/busybox", Some("a")),
            ("busybox:1", None),
            ("localhost:5000/team/app:1", Some("b")),
            ("team/app:1", None),
        ] {
            assert_eq!(find(name), expected, "{name}");
        }
        let status = cache.all()[0].status();
        assert_eq!(status.tags, ["docker.io/library/busybox:latest"]);
        assert_eq!((status.size, status.user.as_deref()), (Some(Bytes(7)), Some("me")));
    }

    #[test]
    fn digests_are_names_too() {
        let digest = format!("sha256:{}", "c".repeat(64));
        let mut one = image(&"a".repeat(64), "busybox", "latest");
        one["digests"] = json!([digest]);
        let stored = json!({"CacheByID": {"sha256:a": one}, "CacheByName": null});
        let cache = ImageCache::read(&stored.to_string()).unwrap();
        for name in [format!("busybox@{digest}"), format!("busybox:7@{digest}")] {
            assert!(cache.find(&name.parse().unwrap()).unwrap().is_some(), "{name}");
        }
    }

    #[test]
    fn records_that_lack_what_is_needed_are_refused() {
        let mut broken = image(&"a".repeat(64), "busybox", "latest");
        broken["id"] = json!("");
        let stored = json!({"CacheByName": {"busybox": broken}});
        let cache = ImageCache::read(&stored.to_string()).unwrap();
        let error = cache.find(&"busybox".parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(ImageCache::read("7").unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(ImageCache::read("{}").unwrap(), ImageCache::default());
    }
}
