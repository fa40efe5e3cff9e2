//! The mount options of nydus-overlayfs: how a snapshotter tells a runtime where an image is.
//!
//! Beside the options of an overlay there is `extraoption=`, standard base64 of a JSON object. A runtime that mounts images
//! itself reads it; the others leave it to the helper `nydus-overlayfs`.

use std::{fmt, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use runtime_core::{Error, ErrorKind, Result, Secret, spec::ImageMountSpec};
use serde::{Deserialize, Serialize};

use crate::options::NydusMountOptions;

const KEY: &str = "extraoption=";

/// What `extraoption=` says.
///
/// ```
/// use driver_nydus::{ExtraOption, RafsVersion};
///
/// let extra = ExtraOption::new("/image/bootstrap", "{}", "/snapshots/1", RafsVersion::V6);
/// let option = extra.to_option()?;
/// let options = ["lowerdir=/a:/b", option.expose()];
/// assert_eq!(ExtraOption::parse(options)?, extra);
/// # Ok::<(), runtime_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExtraOption {
    /// The image's bootstrap.
    pub source: String,
    /// The configuration of the mount as the daemon takes it, which may hold credentials.
    pub config: Secret,
    /// The directory of the snapshot.
    #[serde(rename = "snapshotdir")]
    pub snapshot_dir: PathBuf,
    /// The form of the image.
    pub fs_version: RafsVersion,
}

/// The forms of RAFS images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RafsVersion {
    /// The older one, for FUSE alone.
    V5,
    /// The one that EROFS can read too.
    V6,
}

impl ExtraOption {
    /// What `extraoption=` shall say.
    #[must_use]
    pub fn new(
        source: impl Into<String>,
        config: impl Into<Secret>,
        snapshot_dir: impl Into<PathBuf>,
        fs_version: RafsVersion,
    ) -> Self {
        Self { source: source.into(), config: config.into(), snapshot_dir: snapshot_dir.into(), fs_version }
    }

    /// Finds and reads it among the options of a mount. What it says beside the four fields is passed over.
    ///
    /// # Errors
    /// `InvalidArgument`, in the field `extraoption` or one below it, if it is not there, there twice, no base64, no JSON, or
    /// lacks a field. No part of it is in the error, since it may hold credentials.
    pub fn parse<'a>(options: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut found = options.into_iter().filter_map(|option| option.strip_prefix(KEY));
        let encoded = found.next().ok_or_else(|| invalid("is not among the mount's options"))?;
        if found.next().is_some() {
            return Err(invalid("is among the mount's options more than once"));
        }
        let json = STANDARD.decode(encoded).map_err(|_| invalid("is not standard base64"))?;
        let read: Fields = serde_json::from_slice(&json).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            invalid(format!("is not a JSON object of texts ({place})"))
        })?;
        let fs_version = match &*said("fs_version", read.fs_version)? {
            "v5" => RafsVersion::V5,
            "v6" => RafsVersion::V6,
            _ => return Err(Error::invalid("extraoption.fs_version", "is neither v5 nor v6")),
        };
        Ok(Self {
            source: said("source", read.source)?,
            config: Secret::new(said("config", read.config)?),
            snapshot_dir: said("snapshotdir", read.snapshotdir)?.into(),
            fs_version,
        })
    }

    /// The option, `extraoption=` and all. It can be read by whoever sees it, credentials included.
    ///
    /// # Errors
    /// `InvalidArgument` for a field that is empty, or not UTF-8.
    pub fn to_option(&self) -> Result<Secret> {
        let texts = [("source", self.source.as_str()), ("config", self.config.expose())];
        for (name, value) in texts {
            said(name, Some(value.to_owned()))?;
        }
        let dir = self.snapshot_dir.to_str().map(str::to_owned);
        said(
            "snapshotdir",
            Some(dir.ok_or_else(|| Error::invalid("extraoption.snapshotdir", "is not UTF-8"))?),
        )?;
        let json = serde_json::to_vec(self)
            .map_err(|_| Error::new(ErrorKind::InvalidArgument, "extraoption can't be written as JSON"))?;
        Ok(Secret::new(format!("{KEY}{}", STANDARD.encode(json))))
    }

    /// The image as this driver mounts it.
    ///
    /// # Errors
    /// None that a caller could cause.
    pub fn to_mount(&self, id: impl Into<String>) -> Result<ImageMountSpec> {
        let mut spec = ImageMountSpec::new(id, &self.source);
        spec.extensions.set(&NydusMountOptions::raw(self.config.clone()))?;
        Ok(spec)
    }
}

impl RafsVersion {
    /// As snapshotters write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V5 => "v5",
            Self::V6 => "v6",
        }
    }
}

impl fmt::Display for RafsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Each is looked for by hand, so that the error names the one that is missing.
#[derive(Deserialize)]
struct Fields {
    source: Option<String>,
    config: Option<String>,
    snapshotdir: Option<String>,
    fs_version: Option<String>,
}

fn said(name: &str, value: Option<String>) -> Result<String> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::invalid(format!("extraoption.{name}"), "is missing or empty"))
}

fn invalid(message: impl fmt::Display) -> Error {
    Error::invalid("extraoption", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn encoded(json: &serde_json::Value) -> String {
        format!("{KEY}{}", STANDARD.encode(json.to_string()))
    }

    fn field(option: &str) -> String {
        ExtraOption::parse([option]).unwrap_err().field().unwrap().to_owned()
    }

    #[test]
    fn what_a_snapshotter_writes() {
        let option = encoded(&json!({
            "source": "/b", "config": "{}", "snapshotdir": "/s", "fs_version": "v6", "later": [1],
        }));
        let extra = ExtraOption::parse(["lowerdir=/a", &option, "ro"]).unwrap();
        assert_eq!(extra, ExtraOption::new("/b", "{}", "/s", RafsVersion::V6));
        let mount = extra.to_mount("a").unwrap();
        assert_eq!((&*mount.id, &*mount.source), ("a", "/b"));
        assert_eq!(mount.extensions.get::<NydusMountOptions>().unwrap(), NydusMountOptions::raw("{}"));
    }

    #[test]
    fn it_is_there_once() {
        let option = ExtraOption::new("/b", "{}", "/s", RafsVersion::V5).to_option().unwrap();
        assert!(ExtraOption::parse([option.expose()]).is_ok());
        let twice = ExtraOption::parse([option.expose(), option.expose()]).unwrap_err();
        assert!(twice.to_string().contains("more than once"), "{twice}");
        for options in [vec![], vec!["ro"], vec!["xextraoption=abc"], vec!["EXTRAOPTION=abc"]] {
            let missing = ExtraOption::parse(options).unwrap_err();
            assert!(missing.to_string().contains("not among"), "{missing}");
        }
    }

    #[test]
    fn every_field_is_needed() {
        let whole = json!({ "source": "/b", "config": "{}", "snapshotdir": "/s", "fs_version": "v5" });
        for name in ["source", "config", "snapshotdir", "fs_version"] {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(field(&encoded(&without)), format!("extraoption.{name}"));
            let mut empty = whole.clone();
            empty[name] = "".into();
            assert_eq!(field(&encoded(&empty)), format!("extraoption.{name}"));
        }
        let mut other = whole;
        other["fs_version"] = "v7".into();
        assert_eq!(field(&encoded(&other)), "extraoption.fs_version");
        let empty = ExtraOption::new("", "{}", "/s", RafsVersion::V5).to_option().unwrap_err();
        assert_eq!(empty.field(), Some("extraoption.source"));
    }

    #[test]
    fn what_is_no_option_is_said_without_showing_it() {
        for option in [
            "extraoption=".to_owned(),
            "extraoption=hunter2!".to_owned(),
            "extraoption=e30".to_owned(),
            format!("{KEY}{}", STANDARD.encode("hunter2")),
            encoded(&json!(["hunter2"])),
            encoded(&json!({ "source": ["hunter2"] })),
            encoded(&json!({ "source": 5, "config": "hunter2" })),
        ] {
            let error = ExtraOption::parse([&*option]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(!format!("{error:?} {error:#}").contains("hunter2"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(source in ".+", config in ".+", dir in "[^\0]+", v6: bool) {
            let version = if v6 { RafsVersion::V6 } else { RafsVersion::V5 };
            let extra = ExtraOption::new(source, config, dir, version);
            let option = extra.to_option().unwrap();
            prop_assert_eq!(ExtraOption::parse(["ro", option.expose()]).unwrap(), extra);
        }

        #[test]
        fn nothing_makes_it_panic(options in proptest::collection::vec("(extraoption=)?.*", 0..3)) {
            drop(ExtraOption::parse(options.iter().map(String::as_str)));
        }
    }
}
