//! The configuration as a daemon reads it, what is refused, and what is never shown.

use std::time::Duration;

use runtime_core::Secret;
use serde_json::{Value, json};

use super::*;

fn document(config: &RafsConfig, prefetches: bool) -> Value {
    let text = Document::new(config, "m1", prefetches).to_json().unwrap();
    serde_json::from_str(text.expose()).unwrap()
}

#[test]
fn local_files_with_a_cache() {
    let config = RafsConfig::new(LocalFs::new("/blobs")).with_cache(BlobCache::new("/cache"));
    let expected = json!({
        "version": 2,
        "id": "m1",
        "backend": { "type": "localfs", "localfs": { "dir": "/blobs" } },
        "cache": {
            "type": "filecache", "compressed": false, "validate": false,
            "filecache": { "work_dir": "/cache", "disable_indexed_map": false },
        },
        "rafs": {
            "mode": "direct", "validate": false, "enable_xattr": false, "iostats_files": false,
            "access_pattern": false, "latest_read_files": false,
        },
    });
    assert_eq!(document(&config, false), expected);
}

#[test]
fn what_is_fetched_ahead_switches_it_on() {
    let config = RafsConfig::new(LocalFs::new("/blobs"));
    let on = json!({
        "enable": true, "threads": 8, "batch_size": 1048576, "bandwidth_limit": 0, "prefetch_all": false,
    });
    let written = document(&config, true);
    assert_eq!((&written["rafs"]["prefetch"], &written["cache"]["prefetch"]), (&on, &on));
    assert_eq!(written["cache"]["type"], "dummycache");
    let own = document(&config.with_prefetch(Prefetch::all().with_threads(2)), true);
    assert_eq!(own["rafs"]["prefetch"]["prefetch_all"], true);
    assert_eq!(own["rafs"]["prefetch"]["threads"], 2);
}

#[test]
fn each_backend_is_under_its_own_name() {
    let backends: [Backend; 6] = [
        LocalFs::file("/blob").into(),
        LocalDisk::new("/dev/vdb").into(),
        Registry::new("r.example", "a/b").into(),
        Oss::new("e", "b").into(),
        S3::new("e", "r", "b").into(),
        HttpProxy::new("http://p").into(),
    ];
    for backend in backends {
        let name = backend.name();
        let config = RafsConfig::new(backend);
        config.validate().unwrap();
        let written = document(&config, false);
        assert_eq!(written["backend"]["type"], name);
        assert!(written["backend"][name].is_object(), "{written}");
        assert_eq!(written["backend"].as_object().unwrap().len(), 2);
    }
}

/// A configuration with a secret wherever there can be one.
fn secretive() -> Vec<RafsConfig> {
    let remote = || {
        Remote::default()
            .with_timeouts(Duration::from_secs(3), Duration::from_secs(1))
            .with_retries(2)
            .with_proxy(Proxy::new("http://u:hunter2@proxy"))
            .with_mirror(Mirror::new("http://mirror").with_header("X-Key", "hunter2"))
    };
    let mut registry = Registry::new("r", "a/b").with_remote(remote());
    registry.auth = Some(Secret::new("hunter2"));
    registry.registry_token = Some(Secret::new("hunter2"));
    vec![
        RafsConfig::new(registry),
        RafsConfig::new(Oss::new("e", "b").with_access_key("id", "hunter2").with_remote(remote())),
        RafsConfig::new(S3::new("e", "r", "b").with_access_key("id", "hunter2").with_remote(remote())),
        RafsConfig::new(HttpProxy::new("/run/p.sock").with_remote(remote())),
    ]
}

#[test]
fn secrets_reach_the_daemon_and_nobody_else() {
    for config in secretive() {
        let text = Document::new(&config, "m", false).to_json().unwrap();
        assert!(text.expose().contains("hunter2"));
        assert!(!format!("{config:?} {config:#?} {text:?}").contains("hunter2"));
    }
}

#[test]
fn what_is_written_for_an_extension_comes_back() {
    let mut configs = secretive();
    configs.push(RafsConfig::new(LocalFs::new("/b")).with_cache(BlobCache::new("/c").with_validation()));
    configs.push(
        RafsConfig::new(LocalDisk::new("/dev/x")).with_cache(FsCache::new("/c")).with_file_statistics(),
    );
    configs.push(RafsConfig::new(LocalFs::new("/b")).with_prefetch(Prefetch::all()).with_xattr());
    for config in configs {
        let json = serde_json::to_value(&config).unwrap();
        assert_eq!(serde_json::from_value::<RafsConfig>(json.clone()).unwrap(), config, "{json}");
    }
}

#[test]
fn times_and_details_are_written_as_nydusd_has_them() {
    let written = document(&secretive()[0], false);
    let registry = &written["backend"]["registry"];
    assert_eq!((&registry["timeout"], &registry["connect_timeout"]), (&json!(3), &json!(1)));
    assert_eq!(registry["retry_limit"], 2);
    assert_eq!(registry["proxy"], json!({ "url": "http://u:hunter2@proxy" }));
    assert_eq!(registry["mirrors"], json!([{ "host": "http://mirror", "headers": { "X-Key": "hunter2" } }]));
    let with_user = Registry::new("r", "a").with_credentials("u", &Secret::new("p"));
    assert_eq!(with_user.auth.unwrap().expose(), "dTpw");
}

#[test]
fn what_nydusd_would_refuse_is_named() {
    let local = || LocalFs::new("/b");
    let remote = |remote| RafsConfig::new(Registry::new("h", "r").with_remote(remote));
    let mut scheme = Registry::new("h", "r");
    scheme.scheme = Some("ftp".to_owned());
    let mut wide = RafsConfig::new(local());
    wide.batch_size = Some(u32::MAX);
    let mut more = local();
    more.alt_dirs = vec!["/a".into(), "b".into()];
    for (config, field) in [
        (RafsConfig::new(LocalFs::default()), "backend.localfs.dir"),
        (RafsConfig::new(LocalFs::new("b")), "backend.localfs.dir"),
        (RafsConfig::new(LocalFs::file("b")), "backend.localfs.blob_file"),
        (RafsConfig::new(more), "backend.localfs.alt_dirs[1]"),
        (RafsConfig::new(LocalDisk::default()), "backend.localdisk.device_path"),
        (RafsConfig::new(Registry::new("", "r")), "backend.registry.host"),
        (RafsConfig::new(Registry::new("h", "")), "backend.registry.repo"),
        (RafsConfig::new(scheme), "backend.registry.scheme"),
        (RafsConfig::new(Oss::new("", "b")), "backend.oss.endpoint"),
        (RafsConfig::new(Oss::new("e", "")), "backend.oss.bucket_name"),
        (RafsConfig::new(S3::new("e", "", "b")), "backend.s3.region"),
        (RafsConfig::new(HttpProxy::new("p")), "backend.http-proxy.addr"),
        (remote(Remote::default().with_proxy(Proxy::default())), "backend.registry.proxy.url"),
        (remote(Remote::default().with_mirror(Mirror::default())), "backend.registry.mirrors[0].host"),
        (
            remote(Remote::default().with_timeouts(Duration::from_millis(1500), Duration::ZERO)),
            "backend.registry.timeout",
        ),
        (RafsConfig::new(local()).with_cache(BlobCache::new("")), "cache.filecache.work_dir"),
        (RafsConfig::new(local()).with_cache(FsCache::new("c")), "cache.fscache.work_dir"),
        (RafsConfig::new(local()).with_prefetch(Prefetch::all().with_threads(0)), "prefetch.threads"),
        (RafsConfig::new(local()).with_prefetch(Prefetch::all().with_threads(1025)), "prefetch.threads"),
        (wide, "batch_size"),
    ] {
        let error = config.validate().unwrap_err();
        assert_eq!(error.field(), Some(field), "{error}");
    }
}

#[test]
fn misspelt_fields_are_refused_wherever_they_are() {
    let backends = [
        json!({"localfs": {"dir": "/b"}}),
        json!({"localdisk": {"device_path": "/d"}}),
        json!({"registry": {"host": "h", "repo": "r", "skip_verify": true}}),
        json!({"oss": {"endpoint": "e", "bucket_name": "b", "retry_limit": 1}}),
        json!({"s3": {"endpoint": "e", "region": "r", "bucket_name": "b"}}),
        json!({"http-proxy": {"addr": "/s", "timeout": 3}}),
    ];
    for backend in backends {
        let config: RafsConfig = serde_json::from_value(json!({ "backend": backend })).unwrap();
        assert_eq!(serde_json::to_value(&config.backend).unwrap(), backend);
        let mut misspelt = backend.clone();
        for fields in misspelt.as_object_mut().unwrap().values_mut() {
            fields["skip_verfy"] = json!(true);
        }
        let error = serde_json::from_value::<RafsConfig>(json!({ "backend": misspelt })).unwrap_err();
        assert!(error.to_string().contains("skip_verfy"), "{error}");
    }
}
