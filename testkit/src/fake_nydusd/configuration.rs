//! Configurations of RAFS mounts: what the daemon takes, and how it shows one afterwards.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A configuration of either version, as version 2 and without secrets, in the order in which the daemon writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    version: u32,
    id: String,
    pub(super) backend: Backend,
    pub(super) cache: Option<Cache>,
    rafs: Option<Rafs>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Backend {
    #[serde(rename = "type")]
    pub(super) kind: String,
    localdisk: Option<Value>,
    pub(super) localfs: Option<LocalFs>,
    oss: Option<Value>,
    s3: Option<Value>,
    registry: Option<Value>,
    #[serde(rename = "http-proxy")]
    http_proxy: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct LocalFs {
    blob_file: String,
    pub(super) dir: String,
    alt_dirs: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cache {
    #[serde(rename = "type")]
    kind: String,
    compressed: bool,
    validate: bool,
    prefetch: Prefetch,
    pub(super) filecache: Option<FileCache>,
    fscache: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct FileCache {
    pub(super) work_dir: String,
    disable_indexed_map: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Rafs {
    mode: String,
    batch_size: u64,
    validate: bool,
    enable_xattr: bool,
    iostats_files: bool,
    access_pattern: bool,
    latest_read_files: bool,
    prefetch: Prefetch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Prefetch {
    enable: bool,
    threads: u64,
    batch_size: u64,
    bandwidth_limit: u64,
    prefetch_all: bool,
}

impl Shown {
    /// Reads a configuration of version 1 or 2; `None` for what the daemon can't use.
    pub(super) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        if value.get("version").is_some() { Self::second(&value) } else { Self::first(&value) }
    }

    fn second(value: &Value) -> Option<Self> {
        (value["version"] == 2).then_some(())?;
        let kind = value["backend"]["type"].as_str()?;
        let backend = Backend::new(kind, &value["backend"][kind])?;
        let cache = match &value["cache"] {
            Value::Null => None,
            cache => Some(Cache::new(cache, &cache["filecache"], false)?),
        };
        let rafs = match &value["rafs"] {
            Value::Null => None,
            rafs => Some(Rafs::new(rafs, flag(rafs, "validate"), &rafs["prefetch"])?),
        };
        let id = value["id"].as_str().unwrap_or_default().to_owned();
        Some(Self { version: 2, id, backend, cache, rafs })
    }

    fn first(value: &Value) -> Option<Self> {
        let device = &value["device"];
        value["mode"].as_str()?;
        let backend = Backend::new(device["backend"]["type"].as_str()?, &device["backend"]["config"])?;
        let cache = &device["cache"];
        let cache = match cache["type"].as_str() {
            None | Some("") => None,
            Some(_) => Some(Cache::new(cache, &cache["config"], true)?),
        };
        let rafs = Rafs::new(value, flag(value, "digest_validate"), &value["fs_prefetch"])?;
        let id = device["id"].as_str().unwrap_or_default().to_owned();
        Some(Self { version: 2, id, backend, cache, rafs: Some(rafs) })
    }
}

impl Backend {
    fn new(kind: &str, config: &Value) -> Option<Self> {
        let has = |names: &[&str]| {
            names.iter().all(|name| config[*name].as_str().is_some_and(|value| !value.is_empty()))
        };
        let mut backend = Self {
            kind: kind.to_owned(),
            localdisk: None,
            localfs: None,
            oss: None,
            s3: None,
            registry: None,
            http_proxy: None,
        };
        let shown = Some(without_secrets(config.as_object()?));
        match kind {
            "localfs" if has(&["dir"]) || has(&["blob_file"]) => {
                backend.localfs = Some(serde_json::from_value(config.clone()).ok()?);
            }
            "localdisk" if has(&["device_path"]) => backend.localdisk = shown,
            "oss" if has(&["endpoint", "bucket_name"]) => backend.oss = shown,
            "s3" if has(&["region", "bucket_name"]) => backend.s3 = shown,
            "registry" if has(&["host", "repo"]) => backend.registry = shown,
            "http-proxy" if has(&["addr"]) => backend.http_proxy = shown,
            _ => return None,
        }
        Some(backend)
    }
}

/// As the daemon shows a remote backend. That of S3 it shows whole.
fn without_secrets(config: &Map<String, Value>) -> Value {
    let mut config = config.clone();
    if !config.contains_key("region") {
        for (secret, instead) in [
            ("access_key_id", Value::from("")),
            ("access_key_secret", Value::from("")),
            ("auth", Value::Null),
            ("registry_token", Value::Null),
        ] {
            config.entry(secret).and_modify(|value| *value = instead);
        }
    }
    Value::Object(config)
}

impl Cache {
    fn new(cache: &Value, config: &Value, prefetch_all: bool) -> Option<Self> {
        let kind = cache["type"].as_str().unwrap_or_default();
        let work_dir = config["work_dir"].as_str().unwrap_or(".").to_owned();
        let of_files = matches!(kind, "blobcache" | "filecache");
        (of_files || kind == "dummycache").then_some(())?;
        let filecache = FileCache { work_dir, disable_indexed_map: flag(config, "disable_indexed_map") };
        Some(Self {
            kind: kind.to_owned(),
            compressed: flag(cache, "compressed"),
            validate: flag(cache, "validate"),
            prefetch: Prefetch { prefetch_all, ..Prefetch::NONE },
            filecache: of_files.then_some(filecache),
            fscache: None,
        })
    }
}

impl Rafs {
    fn new(config: &Value, validate: bool, prefetch: &Value) -> Option<Self> {
        let mode = config["mode"].as_str().unwrap_or("direct");
        matches!(mode, "direct" | "cached").then_some(())?;
        Some(Self {
            mode: mode.to_owned(),
            batch_size: config["amplify_io"].as_u64().or(config["batch_size"].as_u64()).unwrap_or(131_072),
            validate,
            enable_xattr: flag(config, "enable_xattr"),
            iostats_files: flag(config, "iostats_files"),
            access_pattern: flag(config, "access_pattern"),
            latest_read_files: flag(config, "latest_read_files"),
            prefetch: Prefetch::new(prefetch),
        })
    }
}

impl Prefetch {
    const NONE: Self =
        Self { enable: false, threads: 0, batch_size: 0, bandwidth_limit: 0, prefetch_all: false };

    /// Of either version.
    fn new(config: &Value) -> Self {
        if !config.is_object() {
            return Self::NONE;
        }
        let number = |first: &str, second: &str, otherwise| {
            config[first].as_u64().or(config[second].as_u64()).unwrap_or(otherwise)
        };
        Self {
            enable: flag(config, "enable"),
            threads: number("threads_count", "threads", 8),
            batch_size: number("merging_size", "batch_size", 131_072),
            bandwidth_limit: number("bandwidth_rate", "bandwidth_limit", 0),
            prefetch_all: config["prefetch_all"].as_bool().unwrap_or(true),
        }
    }
}

fn flag(config: &Value, name: &str) -> bool {
    config[name].as_bool().unwrap_or_default()
}
