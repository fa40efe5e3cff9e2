//! What nydusd 2.2 answered, as it is read.

use std::path::Path;

use runtime_core::{Context, ErrorKind, PodId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use super::*;
use crate::{api::Client, live::Live};

/// A daemon that answers one call with success, after it sent its state if it can.
async fn answer_once(api: UnixListener, supervisor: Option<&Path>) {
    let (mut stream, _) = api.accept().await.unwrap();
    let mut request = vec![0; 4096];
    let length = stream.read(&mut request).await.unwrap();
    assert!(request[..length].starts_with(b"PUT /api/v1/daemon/fuse/sendfd "));
    if let Some(supervisor) = supervisor {
        UnixStream::connect(supervisor).await.unwrap().write_all(b"state").await.unwrap();
    }
    stream.write_all(b"HTTP/1.1 204 \r\n\r\n").await.unwrap();
}

async fn send_state(can: bool) -> runtime_core::Result<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let (api, place) = (dir.path().join("api"), dir.path().join("supervisor"));
    let supervisor = UnixListener::bind(&place).unwrap();
    let listener = UnixListener::bind(&api).unwrap();
    let daemon = Daemon::new(PodId::new("p"), Live { client: Client::new(api), files: None });
    let cx = Context::background();
    let serve = answer_once(listener, can.then_some(&*place));
    let (sent, ()) = futures::join!(daemon.send_state(&cx, &supervisor), serve);
    let mut state = Vec::new();
    sent?.read_to_end(&mut state).await.unwrap();
    Ok(state)
}

#[tokio::test]
async fn a_state_that_is_sent_arrives_and_one_that_is_not_is_told() {
    assert_eq!(send_state(true).await.unwrap(), b"state");
    assert_eq!(send_state(false).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn what_is_counted_for_an_image() {
    let text = r#"{"files_account_enabled":true,"access_pattern_enabled":true,"record_latest_read_files_enabled":true,
        "measure_latency":true,"id":"/rafs/v5/lowerdir","nr_opens":0,"data_read":300000,
        "block_count_read":[0,0,0,3,1,1,0,0],"fop_hits":[0,0,0,0,5,0,0,0,0,1,0,0,0,0,0],
        "fop_errors":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],
        "fop_cumulative_latency_total":[0,0,0,0,595,0,0,0,0,0,0,0,0,0,0],"read_latency_dist":[4,1,0,0,0,0,0,0]}"#;
    let metrics: ImageMetrics = serde_json::from_str(text).unwrap();
    assert_eq!(metrics.data_read, 300_000);
    assert_eq!(metrics.fop_hits.of(FileOperation::Read), 5);
    assert_eq!(metrics.fop_hits.of(FileOperation::Lookup), 1);
    assert_eq!((metrics.fop_hits.total(), metrics.fop_errors.total()), (6, 0));
    assert_eq!(metrics.fop_cumulative_latency_total.of(FileOperation::BatchForget), 0);
}

#[test]
fn what_is_counted_for_files() {
    let text = r#"{"1":{"total_fops":1,"data_read":0,"fop_hits":[0,0,0,0,0,0,0,0,0,1]},
        "2":{"total_fops":5,"data_read":300000,"block_count_read":[0,0,0,3,1,1,0,0]}}"#;
    let metrics: std::collections::BTreeMap<u64, FileMetrics> = serde_json::from_str(text).unwrap();
    assert_eq!((metrics[&2].data_read, metrics[&1].fop_hits.of(FileOperation::Lookup)), (300_000, 1));
    let ranges: Vec<InodeRange> = serde_json::from_str("[[2],[5,9]]").unwrap();
    assert_eq!((ranges[0].first, ranges[0].last, ranges[1].last), (2, 2, 9));
    assert!(serde_json::from_str::<InodeRange>("[]").is_err());
    assert!(serde_json::from_str::<InodeRange>("[2,1]").is_err());
    let pattern =
        r#"[{"ino":2,"nr_read":5,"first_access_time_secs":1795235860,"first_access_time_nanos":533179256}]"#;
    let pattern: Vec<AccessedFile> = serde_json::from_str(pattern).unwrap();
    assert_eq!((pattern[0].ino, pattern[0].first_access_time_secs), (2, 1_795_235_860));
}

#[test]
fn what_is_counted_for_caches_and_backends() {
    let cache = r#"{"underlying_files":["8353"],"store_path":"/cache","partial_hits":8,"whole_hits":0,"total":10,
        "prefetch_data_amount":300000,"prefetch_workers":2,"data_all_ready":false,"later":[{}]}"#;
    let cache: CacheMetrics = serde_json::from_str(cache).unwrap();
    assert_eq!((cache.total, cache.prefetch_data_amount), (10, 300_000));
    let backend = r#"{"backend_type":"localfs","read_count":2,"read_errors":0,"read_amount_total":304128,
        "read_latency_sizes_dist":[[0],[1]]}"#;
    let backend: BackendMetrics = serde_json::from_str(backend).unwrap();
    assert_eq!((&*backend.backend_type, backend.read_amount_total), ("localfs", 304_128));
}

#[test]
fn errors_and_bootstraps() {
    let none = r#"{"max_errors":500,"total_errors":0,"max_size":51200,"total_size":0,"errors":[]}"#;
    assert_eq!(serde_json::from_str::<DaemonErrors>(none).unwrap().max_errors, 500);
    let v6 =
        r#"{"magic":3774210530,"version":1536,"chunk_size":1048576,"inodes_count":4,"flags":{"bits":148}}"#;
    let info: BootstrapInfo = serde_json::from_str(v6).unwrap();
    assert_eq!((info.version, info.inodes_count), (0x600, 4));
}
