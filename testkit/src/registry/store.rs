//! What the registry holds: blobs, and repositories of manifests, tags and uploads. No IO.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use bytes::{Bytes, BytesMut};
use runtime_core::helpers::digest::DigestError;
use serde_json::Value;

use super::refusal::{Code, Refusal};
use crate::image::{Blob, Digest, digest_of};

/// The content of the whole registry. A blob is stored once, and seen only through repositories that have it.
#[derive(Debug, Default)]
pub(super) struct Store {
    blobs: HashMap<Digest, Bytes>,
    repositories: BTreeMap<String, Repository>,
    last_upload: u64,
}

#[derive(Debug, Default)]
struct Repository {
    blobs: BTreeSet<Digest>,
    manifests: BTreeMap<Digest, Blob>,
    tags: BTreeMap<String, Digest>,
    uploads: HashMap<String, BytesMut>,
}

/// Some names in their order, and whether there are more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) names: Vec<String>,
    pub(super) has_more: bool,
}

impl Store {
    /// The manifest of a tag or a digest.
    pub(super) fn manifest(&self, name: &str, reference: &str) -> Result<&Blob, Refusal> {
        let repository = self.repository(name)?;
        let unknown = || Code::ManifestUnknown.refuse(format!("manifest unknown: {name} has no {reference}"));
        let digest = repository.resolve(reference).ok_or_else(unknown)?;
        repository.manifests.get(&digest).ok_or_else(unknown)
    }

    /// Takes a manifest as it is, without a look at what it refers to.
    pub(super) fn insert_manifest(&mut self, name: &str, tag: Option<&str>, manifest: Blob) {
        let repository = self.repositories.entry(name.to_owned()).or_default();
        if let Some(tag) = tag {
            repository.tags.insert(tag.to_owned(), manifest.digest.clone());
        }
        repository.manifests.insert(manifest.digest.clone(), manifest);
    }

    /// Takes a manifest that a client sends: under a tag or its digest, and only if the repository has all
    /// that it refers to.
    pub(super) fn put_manifest(
        &mut self,
        name: &str,
        reference: &str,
        manifest: Blob,
    ) -> Result<(), Refusal> {
        let tag = match reference.parse::<Digest>() {
            Ok(digest) if digest == manifest.digest => None,
            Ok(_) => return Err(Code::DigestInvalid.refuse("the content has another digest")),
            Err(_) if is_tag(reference) => Some(reference),
            Err(_) => return Err(Code::ManifestInvalid.refuse(format!("invalid tag {reference:?}"))),
        };
        let document: Value = serde_json::from_slice(&manifest.data)
            .map_err(|error| Code::ManifestInvalid.refuse(format!("the manifest is not JSON: {error}")))?;
        let nothing = Repository::default();
        let repository = self.repositories.get(name).unwrap_or(&nothing);
        if let Some(missing) = repository.missing(&document)? {
            return Err(Code::ManifestBlobUnknown.refuse(format!("{name} has no {missing}")));
        }
        self.insert_manifest(name, tag, manifest);
        Ok(())
    }

    /// Removes a tag, or a manifest with all its tags.
    pub(super) fn delete_manifest(&mut self, name: &str, reference: &str) -> Result<(), Refusal> {
        self.manifest(name, reference)?;
        let repository = self.repository_mut(name)?;
        match reference.parse::<Digest>() {
            Ok(digest) => {
                repository.manifests.remove(&digest);
                repository.tags.retain(|_, tagged| *tagged != digest);
            }
            Err(_) => drop(repository.tags.remove(reference)),
        }
        Ok(())
    }

    /// The content of a blob that the repository has.
    pub(super) fn blob(&self, name: &str, digest: &Digest) -> Result<&Bytes, Refusal> {
        let has = self.repository(name)?.blobs.contains(digest);
        let data = self.blobs.get(digest).filter(|_| has);
        data.ok_or_else(|| {
            Code::BlobUnknown.refuse(format!("blob unknown to registry: {name} has no {digest}"))
        })
    }

    /// Takes a blob whose digest is known to be right.
    pub(super) fn insert_blob(&mut self, name: &str, digest: Digest, data: Bytes) {
        self.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.clone());
        self.blobs.insert(digest, data);
    }

    /// Takes a blob that a client sends.
    pub(super) fn put_blob(&mut self, name: &str, digest: &str, data: Bytes) -> Result<Digest, Refusal> {
        let stated = parse_digest(digest)?;
        if stated != digest_of(&data) {
            return Err(Code::DigestInvalid.refuse("provided digest did not match uploaded content"));
        }
        self.insert_blob(name, stated.clone(), data);
        Ok(stated)
    }

    /// Removes a blob from the repository.
    pub(super) fn delete_blob(&mut self, name: &str, digest: &Digest) -> Result<(), Refusal> {
        self.blob(name, digest)?;
        self.repository_mut(name)?.blobs.remove(digest);
        Ok(())
    }

    /// Gives a repository a blob that another one has; whether it did.
    pub(super) fn mount(&mut self, name: &str, from: &str, digest: &Digest) -> bool {
        let found = self.blob(from, digest).is_ok();
        if found {
            self.repositories.entry(name.to_owned()).or_default().blobs.insert(digest.clone());
        }
        found
    }

    /// Begins an upload and returns its id.
    pub(super) fn start_upload(&mut self, name: &str) -> String {
        self.last_upload += 1;
        let id = format!("upload-{}", self.last_upload);
        self.repositories.entry(name.to_owned()).or_default().uploads.insert(id.clone(), BytesMut::new());
        id
    }

    /// What an upload has so far. Data goes on at its end.
    pub(super) fn upload(&mut self, name: &str, id: &str) -> Result<&mut BytesMut, Refusal> {
        let unknown = || Code::BlobUploadUnknown.refuse(format!("{name} has no upload {id}"));
        self.repositories
            .get_mut(name)
            .and_then(|repository| repository.uploads.get_mut(id))
            .ok_or_else(unknown)
    }

    /// Ends an upload and returns what it got.
    pub(super) fn end_upload(&mut self, name: &str, id: &str) -> Result<Bytes, Refusal> {
        let data = std::mem::take(self.upload(name, id)?).freeze();
        self.repository_mut(name)?.uploads.remove(id);
        Ok(data)
    }

    /// The tags of a repository, after `last`.
    pub(super) fn tags(&self, name: &str, last: Option<&str>, count: Option<usize>) -> Result<Page, Refusal> {
        Ok(page(&self.repository(name)?.tags, last, count))
    }

    /// The names of the repositories, after `last`.
    pub(super) fn catalog(&self, last: Option<&str>, count: Option<usize>) -> Page {
        page(&self.repositories, last, count)
    }

    fn repository(&self, name: &str) -> Result<&Repository, Refusal> {
        self.repositories.get(name).ok_or_else(|| unknown_name(name))
    }

    fn repository_mut(&mut self, name: &str) -> Result<&mut Repository, Refusal> {
        self.repositories.get_mut(name).ok_or_else(|| unknown_name(name))
    }
}

impl Repository {
    fn resolve(&self, reference: &str) -> Option<Digest> {
        reference.parse().ok().or_else(|| self.tags.get(reference).cloned())
    }

    /// The first thing a manifest or index refers to that is not here.
    fn missing(&self, document: &Value) -> Result<Option<String>, Refusal> {
        let invalid = || Code::ManifestInvalid.refuse("neither a manifest nor an index");
        let list = |field: &str| document.get(field).and_then(Value::as_array);
        let (descriptors, is_index) = match (document.get("config"), list("layers"), list("manifests")) {
            (Some(config), Some(layers), None) => {
                (std::iter::once(config).chain(layers).collect::<Vec<_>>(), false)
            }
            (None, None, Some(manifests)) => (manifests.iter().collect(), true),
            _ => return Err(invalid()),
        };
        for descriptor in descriptors {
            let digest = descriptor
                .get("digest")
                .and_then(Value::as_str)
                .and_then(|digest| digest.parse().ok())
                .ok_or_else(invalid)?;
            let has =
                if is_index { self.manifests.contains_key(&digest) } else { self.blobs.contains(&digest) };
            if !has {
                return Ok(Some(digest.to_string()));
            }
        }
        Ok(None)
    }
}

/// Reads a digest that a client sends.
pub(super) fn parse_digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error: DigestError| Code::DigestInvalid.refuse(error.to_string()))
}

fn unknown_name(name: &str) -> Refusal {
    Code::NameUnknown.refuse(format!("repository name not known to registry: {name}"))
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.len() <= 128
        && text.as_bytes().first().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(&byte) || matches!(byte, b'.' | b'-'))
}

fn page<T>(entries: &BTreeMap<String, T>, last: Option<&str>, count: Option<usize>) -> Page {
    let start = last.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = entries.range::<str, _>((start, Bound::Unbounded)).map(|(name, _)| name.clone());
    let names: Vec<String> = rest.by_ref().take(count.unwrap_or(usize::MAX)).collect();
    Page { names, has_more: rest.next().is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Entry, Image, ImageBuilder, LayerBuilder, Platform};

    fn image() -> Image {
        let layer = LayerBuilder::new().with("file", Entry::file("x")).build().unwrap();
        ImageBuilder::new(Platform::host()).layer(layer).build().unwrap()
    }

    fn pushed(name: &str) -> (Store, Image) {
        let (mut store, image) = (Store::default(), image());
        for blob in image.blobs() {
            store.put_blob(name, blob.digest.as_str(), blob.data.clone()).unwrap();
        }
        store.put_manifest(name, "1", image.manifest.clone()).unwrap();
        (store, image)
    }

    #[test]
    fn a_manifest_is_found_by_tag_and_by_digest() {
        let (store, image) = pushed("guest");
        assert_eq!(store.manifest("guest", "1").unwrap(), &image.manifest);
        assert_eq!(store.manifest("guest", image.digest().as_str()).unwrap(), &image.manifest);
        assert_eq!(store.manifest("guest", "2").unwrap_err().code, Code::ManifestUnknown);
        assert_eq!(store.manifest("other", "1").unwrap_err().code, Code::NameUnknown);
    }

    #[test]
    fn a_manifest_needs_what_it_refers_to() {
        let mut store = Store::default();
        let manifest = image().manifest;
        assert_eq!(store.put_manifest("guest", "1", manifest).unwrap_err().code, Code::ManifestBlobUnknown);
        for (data, reference, code) in [
            ("{}", "1", Code::ManifestInvalid),
            ("not json", "1", Code::ManifestInvalid),
            ("{\"manifests\": []}", "-bad", Code::ManifestInvalid),
            ("{\"manifests\": []}", digest_of(b"other").as_str(), Code::DigestInvalid),
        ] {
            let manifest = Blob::new("application/json", data);
            assert_eq!(
                store.put_manifest("guest", reference, manifest).unwrap_err().code,
                code,
                "{data} {reference}"
            );
        }
        assert!(
            store
                .put_manifest("guest", "empty", Blob::new("application/json", "{\"manifests\": []}"))
                .is_ok()
        );
    }

    #[test]
    fn repositories_do_not_see_each_others_blobs_until_mounted() {
        let (mut store, image) = pushed("guest");
        let digest = &image.config.digest;
        store.start_upload("other");
        assert_eq!(store.blob("other", digest).unwrap_err().code, Code::BlobUnknown);
        assert!(!store.mount("other", "missing", digest));
        assert!(store.mount("other", "guest", digest));
        assert_eq!(store.blob("other", digest).unwrap(), &image.config.data);
        store.delete_blob("guest", digest).unwrap();
        assert_eq!(store.blob("guest", digest).unwrap_err().code, Code::BlobUnknown);
        assert!(store.blob("other", digest).is_ok());
    }

    #[test]
    fn deleting_a_tag_leaves_the_manifest_and_deleting_the_manifest_takes_the_tags() {
        let (mut store, image) = pushed("guest");
        store.put_manifest("guest", "2", image.manifest.clone()).unwrap();
        store.delete_manifest("guest", "1").unwrap();
        assert!(store.manifest("guest", "1").is_err());
        store.delete_manifest("guest", image.digest().as_str()).unwrap();
        assert!(store.manifest("guest", "2").is_err());
        assert_eq!(store.tags("guest", None, None).unwrap().names, Vec::<String>::new());
    }

    #[test]
    fn uploads_grow_and_end() {
        let mut store = Store::default();
        let id = store.start_upload("guest");
        store.upload("guest", &id).unwrap().extend_from_slice(b"ab");
        store.upload("guest", &id).unwrap().extend_from_slice(b"c");
        assert_eq!(store.end_upload("guest", &id).unwrap(), "abc");
        assert_eq!(store.end_upload("guest", &id).unwrap_err().code, Code::BlobUploadUnknown);
        assert_eq!(
            store.put_blob("guest", digest_of(b"x").as_str(), "abc".into()).unwrap_err().code,
            Code::DigestInvalid
        );
    }

    #[test]
    fn names_come_in_pages() {
        let (mut store, image) = pushed("guest");
        for tag in ["2", "3"] {
            store.put_manifest("guest", tag, image.manifest.clone()).unwrap();
        }
        let page = store.tags("guest", None, Some(2)).unwrap();
        assert_eq!(page, Page { names: vec!["1".into(), "2".into()], has_more: true });
        let page = store.tags("guest", Some("2"), Some(2)).unwrap();
        assert_eq!(page, Page { names: vec!["3".into()], has_more: false });
        assert_eq!(store.catalog(None, None).names, ["guest"]);
    }
}
