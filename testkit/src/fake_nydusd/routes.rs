//! What the API answers to each request.

use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{
    Mode,
    answer::Answer,
    daemon::{Daemon, State},
    metrics,
    mounts::{MISSING, NO_RAFS, Order},
    request::Request,
};

/// What comes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answer(Answer),
    /// The answer, and the daemon is to end.
    End(Answer),
    /// The daemon panics, and with it the process ends by SIGABRT.
    Panic,
}

type Answered = Result<Answer, Answer>;

#[derive(Deserialize)]
struct Configuration {
    log_level: String,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Answers a request.
pub(super) fn answer(daemon: &mut Daemon, request: &Request) -> Outcome {
    let path = request.target.split('?').next().unwrap_or_default();
    // After its end the object that knows the state is gone, and the real daemon unwraps it.
    let asks_for_the_object = matches!(path, "/api/v1/daemon" | "/api/v2/daemon") && request.method == "GET";
    if asks_for_the_object && daemon.state == State::Ended {
        return Outcome::Panic;
    }
    match path {
        // Not written yet in 2.2.0.
        "/api/v2/blobs" if request.method == "GET" => return Outcome::Panic,
        "/api/v1/daemon/exit" if is(request, "PUT", false) => return Outcome::End(Answer::empty()),
        _ => {}
    }
    Outcome::Answer(route(daemon, request, path).unwrap_or_else(|refusal| refusal))
}

fn route(daemon: &mut Daemon, request: &Request, path: &str) -> Answered {
    match path {
        "/api/v1/daemon" => about(daemon, request, true),
        "/api/v2/daemon" => about(daemon, request, false),
        "/api/v1/daemon/events" => {
            get(request)?;
            Ok(Answer::ok(
                r#"{"max_errors":500,"total_errors":0,"max_size":51200,"total_size":0,"errors":[]}"#
                    .to_owned(),
            ))
        }
        "/api/v1/daemon/backend" => backend(daemon, request),
        "/api/v1/daemon/start" => {
            event(daemon, request, "Start", "Configure", |daemon| daemon.state = State::Running)
        }
        "/api/v1/daemon/fuse/takeover" => {
            event(daemon, request, "Takeover", "Upgrade", |daemon| daemon.state = State::Running)
        }
        "/api/v1/daemon/fuse/sendfd" => {
            put(request)?;
            match daemon.mode {
                Mode::Fuse => Ok(Answer::empty()),
                Mode::Virtiofs => Err(Answer::refused(501, "Upgrade(DaemonAbnormal(Unsupported))")),
            }
        }
        "/api/v1/daemon/exit" => Err(bad_request()),
        "/api/v1/mount" => mount(daemon, request),
        "/api/v1/metrics" => count(request, "GlobalMetrics", |id| metrics::global(&daemon.mounts, id)),
        "/api/v1/metrics/files" => {
            let latest = query(request, "latest").is_some_and(|latest| latest == "true");
            count(request, "FsFilesMetrics", |id| metrics::files(&daemon.mounts, id, latest))
        }
        "/api/v1/metrics/pattern" => count(request, "Pattern", |id| metrics::pattern(&daemon.mounts, id)),
        "/api/v1/metrics/backend" => {
            count(request, "BackendMetrics", |id| metrics::backend(&daemon.mounts, id, &daemon.directory))
        }
        "/api/v1/metrics/blobcache" => {
            count(request, "BlobcacheMetrics", |id| metrics::blobcache(&daemon.mounts, id, &daemon.directory))
        }
        "/api/v1/metrics/inflight" => {
            get(request)?;
            match daemon.mode {
                Mode::Fuse => Ok(Answer::empty()),
                Mode::Virtiofs => Err(Answer::refused(500, "InflightMetrics(Metrics(Daemon(Unsupported)))")),
            }
        }
        _ => Err(Answer::refused(404, "NoRoute")),
    }
}

fn about(daemon: &mut Daemon, request: &Request, with_mounts: bool) -> Answered {
    if is(request, "GET", false) {
        return Ok(Answer::ok(daemon.info(with_mounts)));
    }
    if !is(request, "PUT", true) {
        return Err(bad_request());
    }
    let configuration: Configuration = body(request)?;
    if !LEVELS.contains(&configuration.log_level.to_ascii_lowercase().as_str()) {
        return Err(Answer::refused(500, "Configure(ResponsePayloadType)"));
    }
    daemon.log_level = configuration.log_level;
    Ok(Answer::empty())
}

fn backend(daemon: &Daemon, request: &Request) -> Answered {
    get(request)?;
    let mountpoint = mountpoint(request)?;
    let refused = |why| Answer::refused(500, &format!("FsBackendInfo(Metrics(Daemon(Other({why:?}))))"));
    let mounted = daemon.mounts.get(&mountpoint).ok_or_else(|| refused(MISSING))?;
    mounted.config.as_ref().ok_or_else(|| refused(NO_RAFS))?;
    // Of the image in the recording: the fake reads none.
    Ok(Answer::ok(
        r#"{"magic":3774210530,"version":1536,"sb_size":0,"root_inode":0,"chunk_size":1048576,"inodes_count":2,"flags":{"bits":148},"inode_table_entries":0,"inode_table_offset":0,"blob_table_size":256,"blob_table_offset":4096,"extended_blob_table_offset":0,"extended_blob_table_entries":0,"prefetch_table_offset":0,"prefetch_table_entries":0,"attr_timeout":{"secs":4294967296,"nanos":0},"entry_timeout":{"secs":4294967296,"nanos":0},"is_chunk_dict":false,"meta_blkaddr":2,"root_nid":128,"chunk_table_offset":16384,"chunk_table_size":80}"#
            .to_owned(),
    ))
}

fn mount(daemon: &mut Daemon, request: &Request) -> Answered {
    let mountpoint = mountpoint(request)?;
    let done = match (request.method.as_str(), &request.body) {
        ("POST", Some(_)) => daemon.mounts.mount(&mountpoint, &body::<Order>(request)?, &daemon.directory),
        ("PUT", Some(_)) => daemon.mounts.remount(&mountpoint, &body::<Order>(request)?, &daemon.directory),
        ("DELETE", None) => daemon.mounts.unmount(&mountpoint),
        _ => return Err(bad_request()),
    };
    match done {
        Ok(()) => Ok(Answer::empty()),
        Err(why) => Err(Answer::refused(500, &format!("Mount(MountFilesystem(Other({why:?})))"))),
    }
}

fn event(
    daemon: &mut Daemon,
    request: &Request,
    name: &str,
    part: &str,
    happen: impl FnOnce(&mut Daemon),
) -> Answered {
    put(request)?;
    if daemon.state != State::Init {
        return Err(Answer::refused(400, &format!("{part}(DaemonAbnormal(UnexpectedEvent({name:?})))")));
    }
    happen(daemon);
    Ok(Answer::empty())
}

fn count(request: &Request, part: &str, read: impl FnOnce(Option<&str>) -> Option<String>) -> Answered {
    get(request)?;
    let counted = read(query(request, "id").as_deref());
    counted.map(Answer::ok).ok_or_else(|| Answer::refused(404, &format!("{part}(Metrics(Stats(NoCounter)))")))
}

fn is(request: &Request, method: &str, with_body: bool) -> bool {
    request.method == method && request.body.is_some() == with_body
}

fn get(request: &Request) -> Result<(), Answer> {
    is(request, "GET", false).then_some(()).ok_or_else(bad_request)
}

fn put(request: &Request) -> Result<(), Answer> {
    is(request, "PUT", false).then_some(()).ok_or_else(bad_request)
}

fn bad_request() -> Answer {
    Answer::refused(400, "BadRequest")
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Answer> {
    serde_json::from_slice(request.body.as_deref().unwrap_or_default())
        .map_err(|error| Answer::refused(400, &format!("ParseBody({error:?})")))
}

fn mountpoint(request: &Request) -> Result<String, Answer> {
    query(request, "mountpoint").ok_or_else(|| {
        Answer::refused(400, "QueryString(\"'mountpoint' should be specified in query string\")")
    })
}

fn query(request: &Request, key: &str) -> Option<String> {
    let url = Url::parse(&format!("http://host{}", request.target)).ok()?;
    url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}
