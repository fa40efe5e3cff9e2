//! Writes images as one OCI archive, which runtimes import without a registry.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::json;

use super::blob::Blob;
use super::error::{Error, Result};
use super::manifest::Image;

/// Writes an archive that holds each image under its full name, as in `wharf.local/pause:1`.
pub fn write_archive(out: impl Write, images: &[(&str, &Image)]) -> Result<()> {
    let layout = json!({"imageLayoutVersion": "1.0.0"});
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": images.iter().map(|(name, image)| entry(name, image)).collect::<Vec<_>>(),
    });
    // A blob that two images share is written once.
    let blobs: BTreeMap<&str, &Blob> = images
        .iter()
        .flat_map(|(_, image)| image.blobs().chain([&image.manifest]))
        .map(|blob| (blob.digest.hex(), blob))
        .collect();
    let pack = || -> io::Result<()> {
        let mut archive = tar::Builder::new(out);
        append(&mut archive, "oci-layout", layout.to_string().as_bytes())?;
        append(&mut archive, "index.json", index.to_string().as_bytes())?;
        for (hex, blob) in blobs {
            append(&mut archive, &format!("blobs/sha256/{hex}"), &blob.data)?;
        }
        archive.into_inner()?.flush()
    };
    pack().map_err(Error::io("writing an image archive"))
}

/// Tools disagree on where the name goes: containerd reads the full one, others select by tag.
fn entry(name: &str, image: &Image) -> serde_json::Value {
    let tag = name.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    json!({
        "mediaType": image.manifest.media_type,
        "digest": image.manifest.digest,
        "size": image.manifest.data.len(),
        "platform": image.platform,
        "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": tag,
        },
    })
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, data: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(data.len() as u64);
    archive.append_data(&mut header, path, data)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::super::builder::ImageBuilder;
    use super::super::config::Platform;
    use super::super::layer::{Entry, LayerBuilder};
    use super::*;

    #[test]
    fn every_blob_is_there_once_and_the_names_are_found() {
        let layer = LayerBuilder::new().with("file", Entry::file("x")).build().unwrap();
        let builder = ImageBuilder::new(Platform::host()).layer(layer);
        let (one, two) = (builder.build().unwrap(), builder.cmd(["other"]).build().unwrap());
        let mut out = Vec::new();
        write_archive(&mut out, &[("wharf.local/one:1", &one), ("wharf.local/two:2", &two)]).unwrap();

        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(&*out).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut data = Vec::new();
            entry.read_to_end(&mut data).unwrap();
            let path = entry.path().unwrap().display().to_string();
            assert!(files.insert(path, data).is_none(), "written twice");
        }
        // Two manifests, two configs, one layer; the layout and the index.
        assert_eq!(files.len(), 2 + 2 + 1 + 2);
        let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
        assert_eq!(index["manifests"][1]["annotations"]["io.containerd.image.name"], "wharf.local/two:2");
        assert_eq!(index["manifests"][1]["annotations"]["org.opencontainers.image.ref.name"], "2");
        assert!(files.contains_key(&format!("blobs/sha256/{}", one.digest().hex())));
    }
}
