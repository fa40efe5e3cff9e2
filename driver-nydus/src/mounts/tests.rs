//! Mounts on a daemon that is a few lines: what it has mounted, and when it answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use runtime_core::Secret;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{Mutex as Turn, Notify},
    task::AbortHandle,
};

use super::*;
use crate::api::{Client, FsType};

/// A daemon. It does one thing after the other, as the real one does.
struct Daemon {
    dir: TempDir,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Default)]
struct Shared {
    /// By mountpoint, with the time.
    mounted: Mutex<BTreeMap<String, String>>,
    turn: Turn<()>,
    /// What mounts are refused with.
    refusal: Mutex<Option<String>>,
    /// Mounts wait for this, after they are done.
    slow: Mutex<Option<Arc<Notify>>>,
    entered: Notify,
}

impl Daemon {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("boot"), "").unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let shared = Arc::<Shared>::default();
        let of_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&of_task)));
            }
        });
        Self { dir, shared, task: task.abort_handle() }
    }

    fn live(&self) -> Live {
        let client = Client::new(self.dir.path().join("s"));
        Live { client, files: None }
    }

    fn request(&self) -> MountRequest {
        MountRequest {
            fs_type: FsType::Rafs,
            source: self.dir.path().join("boot").to_str().unwrap().to_owned(),
            config: Secret::new("{\"auth\":\"hunter2\"}"),
            prefetch: Vec::new(),
        }
    }

    fn mounted(&self) -> Vec<String> {
        self.shared.mounted.lock().unwrap().keys().cloned().collect()
    }

    fn refuse(&self, message: &str) {
        *self.shared.refusal.lock().unwrap() = Some(message.to_owned());
    }

    fn slow_down(&self) -> Arc<Notify> {
        let go_on = Arc::new(Notify::new());
        *self.shared.slow.lock().unwrap() = Some(Arc::clone(&go_on));
        go_on
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: UnixStream, shared: Arc<Shared>) {
    let mut buffer = vec![0; 65536];
    while let Ok(length) = stream.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let Some((method, rest)) = text.split_once(' ') else { return };
        let path = rest.split(' ').next().unwrap();
        let mountpoint = path.split_once("mountpoint=").map(|(_, place)| place.to_owned());
        let turn = shared.turn.lock().await;
        let answer = answer(method, mountpoint, &shared);
        let slow = if method == "POST" { shared.slow.lock().unwrap().take() } else { None };
        if let Some(go_on) = slow {
            shared.entered.notify_one();
            go_on.notified().await;
        }
        drop(turn);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(method: &str, mountpoint: Option<String>, shared: &Shared) -> String {
    const DONE: &str = "HTTP/1.1 204 \r\n\r\n";
    let mut mounted = shared.mounted.lock().unwrap();
    let known = |place: &Option<String>| place.as_ref().is_some_and(|place| mounted.contains_key(place));
    let refused = shared.refusal.lock().unwrap().clone().filter(|_| matches!(method, "POST" | "PUT"));
    match (method, mountpoint) {
        _ if refused.is_some() => refusal(&refused.unwrap()),
        ("POST", place) if known(&place) => refusal("exists already"),
        ("POST", Some(place)) => {
            let now = Timestamp::now().to_string().replace('T', " ").replace('Z', " +00:00:00");
            mounted.insert(place, now);
            DONE.to_owned()
        }
        ("PUT", place) if known(&place) => DONE.to_owned(),
        ("DELETE", place) if known(&place) => {
            mounted.remove(&place.unwrap());
            DONE.to_owned()
        }
        ("GET", _) => {
            let mounts = mounted.iter().map(|(place, time)| {
                let mount =
                    serde_json::json!({"backend_type": "Rafs", "mountpoint": place, "mounted_time": time});
                (place.clone(), mount)
            });
            let mounts: serde_json::Map<_, _> = mounts.collect();
            body(200, &serde_json::json!({"state": "RUNNING", "backend_collection": mounts}).to_string())
        }
        _ => refusal("doesn't exist"),
    }
}

fn refusal(message: &str) -> String {
    body(500, &serde_json::json!({"code": "UNDEFINED", "message": message}).to_string())
}

fn body(status: u16, text: &str) -> String {
    format!("HTTP/1.1 {status} \r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

fn cx() -> Context {
    Context::background().with_timeout(Duration::from_secs(20))
}

fn pod() -> PodId {
    PodId::new("p")
}

async fn mount_on(daemon: &Daemon, id: &str) -> Result<ImageMount> {
    mount(&cx(), &Janitor::default(), daemon.live(), &pod(), id, daemon.request()).await
}

#[tokio::test]
async fn a_mount_is_told_listed_and_taken_away() {
    let daemon = Daemon::start();
    let mounted = mount_on(&daemon, "a").await.unwrap();
    assert_eq!((&*mounted.id, &*mounted.mountpoint), ("a", "/rafs/a/lowerdir"));
    assert_eq!(mounted.path, None);
    let live = Live { files: Some("/mnt".into()), ..daemon.live() };
    let listed = list(&cx(), &live, &pod()).await.unwrap();
    assert_eq!(listed[0].path.as_deref(), Some(std::path::Path::new("/mnt/rafs/a/lowerdir")));
    daemon.shared.mounted.lock().unwrap().insert("/containers".to_owned(), String::new());
    let listed = list(&cx(), &daemon.live(), &pod()).await.unwrap();
    assert_eq!(listed.iter().map(|mount| &*mount.id).collect::<Vec<_>>(), ["a"]);
    assert!(listed[0].mounted_at.unwrap() >= mounted.mounted_at.unwrap());
    unmount(&cx(), &daemon.live(), "a").await.unwrap();
    unmount(&cx(), &daemon.live(), "a").await.unwrap();
}

#[tokio::test]
async fn an_id_in_use_is_so_and_its_mount_stays() {
    let daemon = Daemon::start();
    mount_on(&daemon, "a").await.unwrap();
    assert_eq!(mount_on(&daemon, "a").await.unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(daemon.mounted(), ["/rafs/a/lowerdir"]);
}

#[tokio::test]
async fn a_refusal_is_told_without_secrets() {
    let daemon = Daemon::start();
    daemon.refuse("hunter2 is wrong");
    let error = mount_on(&daemon, "a").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Failed, "[redacted] is wrong"));
    assert_eq!(error.leftovers(), []);
    assert!(!format!("{error:?} {error:#}").contains("hunter2"));
}

#[tokio::test]
async fn a_dropped_mount_is_undone() {
    let daemon = Daemon::start();
    let go_on = daemon.slow_down();
    let janitor = Janitor::default();
    let (cx, pod) = (cx(), pod());
    tokio::select! {
        biased;
        _ = mount(&cx, &janitor, daemon.live(), &pod, "a", daemon.request()) => unreachable!("it waits"),
        () = daemon.shared.entered.notified() => {}
    }
    assert_eq!(daemon.mounted(), ["/rafs/a/lowerdir"]);
    go_on.notify_one();
    janitor.settle(&cx).await.unwrap();
    assert_eq!(daemon.mounted(), [""; 0]);
}

#[tokio::test]
async fn a_mount_that_outlasts_its_deadline_is_undone() {
    let daemon = Daemon::start();
    let go_on = daemon.slow_down();
    let janitor = Janitor::default();
    let short = Context::background().with_timeout(Duration::from_millis(50));
    let error = mount(&short, &janitor, daemon.live(), &pod(), "a", daemon.request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    go_on.notify_one();
    janitor.settle(&cx()).await.unwrap();
    assert_eq!(daemon.mounted(), [""; 0]);
}

#[tokio::test]
async fn undoing_leaves_what_was_mounted_before() {
    let daemon = Daemon::start();
    mount_on(&daemon, "a").await.unwrap();
    let attempt = Attempt::new("a").on(daemon.live());
    attempt.undo(&cx()).await.unwrap();
    assert_eq!(daemon.mounted(), ["/rafs/a/lowerdir"]);
}

#[tokio::test]
async fn with_the_daemon_all_its_mounts_are_gone() {
    let daemon = Daemon::start();
    let attempt = Attempt::new("a").on(daemon.live());
    std::fs::remove_file(daemon.dir.path().join("s")).unwrap();
    attempt.undo(&cx()).await.unwrap();
    unmount(&cx(), &daemon.live(), "a").await.unwrap();
    assert_eq!(list(&cx(), &daemon.live(), &pod()).await.unwrap(), []);
}

#[tokio::test]
async fn mounting_anew_needs_a_mount() {
    let daemon = Daemon::start();
    let (live, request) = (daemon.live(), daemon.request());
    let missing = remount(&cx(), &live, &pod(), "a", &request).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    mount_on(&daemon, "a").await.unwrap();
    remount(&cx(), &live, &pod(), "a", &request).await.unwrap();
    daemon.refuse("no");
    let failed = remount(&cx(), &live, &pod(), "a", &request).await.unwrap_err();
    assert_eq!((failed.kind(), failed.message()), (ErrorKind::Failed, "no"));
    let ahead = MountRequest { prefetch: vec!["/x".to_owned()], ..request };
    let refused = remount(&cx(), &live, &pod(), "a", &ahead).await.unwrap_err();
    assert_eq!((refused.kind(), refused.field()), (ErrorKind::Unsupported, Some("spec.prefetch")));
}

#[tokio::test]
async fn sources_are_files() {
    let daemon = Daemon::start();
    for source in ["/nowhere", "/dev/null", "/tmp"] {
        let request = MountRequest { source: source.to_owned(), ..daemon.request() };
        let janitor = Janitor::default();
        let error = mount(&cx(), &janitor, daemon.live(), &pod(), "a", request).await.unwrap_err();
        assert_eq!(error.field(), Some("spec.source"), "{source}");
    }
    assert_eq!(daemon.mounted(), [""; 0]);
}

#[test]
fn what_was_left_behind_can_be_taken_up_again() {
    let attempt = Attempt::new("a+b");
    let leftover = attempt.leftover(&pod());
    assert_eq!(left(&leftover).unwrap(), (pod(), attempt.clone()));
    let mark = attempt.began.to_string();
    for (id, mark) in [("p", &*mark), ("p/", &mark), ("p/a/b", &mark), ("p/..", &mark), ("p/a", "x")] {
        let other = Leftover::marked(Object::image(id), mark);
        assert_eq!(left(&other).unwrap_err().field(), Some("leftovers"), "{id}");
    }
    assert!(left(&Leftover::new(Object::image("p/a"))).is_err());
}
