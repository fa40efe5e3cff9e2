//! From what is to be mounted to what the daemon is asked, without any IO.

use std::path::Path;

use runtime_core::{Error, Result, Secret, spec::ImageMountSpec};
use serde_json::Value;

use crate::{
    api::{FsType, MountRequest},
    options::NydusMountOptions,
    rafs::Document,
};

/// The request for an image.
pub(crate) fn request(spec: &ImageMountSpec) -> Result<MountRequest> {
    if !Path::new(&spec.source).is_absolute() {
        return Err(Error::invalid("spec.source", "is not an absolute path"));
    }
    let options = spec.extensions.get::<NydusMountOptions>()?;
    let config = match (&options.config, &options.raw_config) {
        (Some(config), None) => {
            let place = "extensions.nydus.config";
            config.validate().map_err(|error| error.in_field(place))?;
            let document = Document::new(config, &spec.id, !spec.prefetch.is_empty());
            document.to_json().map_err(|error| error.with_field(place))?
        }
        (None, Some(raw)) => {
            check_raw(raw, !spec.prefetch.is_empty())?;
            raw.clone()
        }
        (None, None) => {
            let message = "is missing, and so is rawConfig: the daemon must know where the data is";
            return Err(Error::invalid("extensions.nydus.config", message));
        }
        (Some(_), Some(_)) => {
            return Err(Error::invalid("extensions.nydus.rawConfig", "is there, and so is config"));
        }
    };
    Ok(MountRequest {
        fs_type: FsType::Rafs,
        source: spec.source.clone(),
        config,
        prefetch: spec.prefetch.clone(),
    })
}

/// A daemon says nothing of what is wrong with a configuration; this says what can be seen.
fn check_raw(raw: &Secret, prefetches: bool) -> Result<()> {
    const FIELD: &str = "extensions.nydus.rawConfig";
    let config: Value = serde_json::from_str(raw.expose()).map_err(|error| {
        // Not the parser's own words, which may quote it.
        Error::invalid(FIELD, format!("is no JSON at line {}, column {}", error.line(), error.column()))
    })?;
    if !config.is_object() {
        return Err(Error::invalid(FIELD, "is no JSON object"));
    }
    // Version 2, and version 1.
    let places = ["/rafs/prefetch/enable", "/fs_prefetch/enable"];
    let enabled = places.iter().any(|place| config.pointer(place).and_then(Value::as_bool) == Some(true));
    if prefetches && !enabled {
        let message =
            "fetches nothing ahead, so the daemon would pass over the files that spec.prefetch names";
        return Err(Error::invalid(FIELD, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rafs::{LocalFs, RafsConfig};

    fn spec(options: &NydusMountOptions) -> ImageMountSpec {
        let mut spec = ImageMountSpec::new("a", "/b.boot");
        spec.extensions.set(options).unwrap();
        spec
    }

    fn local() -> NydusMountOptions {
        NydusMountOptions::new(RafsConfig::new(LocalFs::new("/blobs")))
    }

    fn field(spec: &ImageMountSpec) -> String {
        request(spec).unwrap_err().field().unwrap().to_owned()
    }

    #[test]
    fn both_forms_reach_the_daemon() {
        let typed = request(&spec(&local())).unwrap();
        assert_eq!((typed.fs_type, &*typed.source), (FsType::Rafs, "/b.boot"));
        assert!(typed.config.expose().contains("\"dir\":\"/blobs\""));
        let raw = request(&spec(&NydusMountOptions::raw("{\"x\": 1}"))).unwrap();
        assert_eq!(raw.config.expose(), "{\"x\": 1}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(field(&ImageMountSpec::new("a", "/b")), "extensions.nydus.config");
        assert_eq!(field(&ImageMountSpec { source: "b".to_owned(), ..spec(&local()) }), "spec.source");
        let both = NydusMountOptions { raw_config: Some(Secret::new("{}")), ..local() };
        assert_eq!(field(&spec(&both)), "extensions.nydus.rawConfig");
        for raw in ["", "x", "[]", "1", "{"] {
            assert_eq!(field(&spec(&NydusMountOptions::raw(raw))), "extensions.nydus.rawConfig", "{raw}");
        }
        let relative = NydusMountOptions::new(RafsConfig::new(LocalFs::new("blobs")));
        assert_eq!(field(&spec(&relative)), "extensions.nydus.config.backend.localfs.dir");
    }

    #[test]
    fn what_is_to_be_fetched_ahead_is() {
        let typed = spec(&local()).with_prefetch(["/etc"]);
        assert!(request(&typed).unwrap().config.expose().contains("\"enable\":true"));
        let off = spec(&NydusMountOptions::raw("{\"rafs\":{}}")).with_prefetch(["/etc"]);
        assert_eq!(field(&off), "extensions.nydus.rawConfig");
        for on in ["{\"rafs\":{\"prefetch\":{\"enable\":true}}}", "{\"fs_prefetch\":{\"enable\":true}}"] {
            let request = request(&spec(&NydusMountOptions::raw(on)).with_prefetch(["/etc"])).unwrap();
            assert_eq!(request.prefetch, ["/etc"]);
        }
    }

    #[test]
    fn secrets_are_in_no_debug_text_and_no_error() {
        let secret = spec(&NydusMountOptions::raw("{\"auth\": \"hunter2\" x}"));
        let error = request(&secret).unwrap_err();
        assert!(!format!("{secret:?} {error:?} {error:#}").contains("hunter2"));
    }
}
