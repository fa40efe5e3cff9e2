//! The client against a server that answers with any bytes.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use runtime_core::{Context, ErrorKind};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::AbortHandle,
};

use super::{Client, DaemonState, MountRequest, error::Outcome};

const IDLE: &str = r#"{"state":"RUNNING","backend_collection":{}}"#;
const MOUNTED: &str =
    r#"{"state":"RUNNING","backend_collection":{"/m":{"backend_type":"Rafs","mountpoint":"/m"}}}"#;
const DONE: &str = "HTTP/1.1 204 \r\nServer: Nydus API\r\nConnection: keep-alive\r\n\r\n";

/// What the server does with a request.
enum Reply {
    /// These bytes, and it goes on with the connection.
    Bytes(Vec<u8>),
    /// These bytes, and the connection ends.
    Last(Vec<u8>),
    /// Nothing, for ever.
    Hang,
}

/// A server on a socket. It is given the number of the connection and the head of the request.
struct Server {
    dir: TempDir,
    accepted: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Server {
    fn start(reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let (accepted, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (of_task, asked_task, reply) = (Arc::clone(&accepted), Arc::clone(&asked), Arc::new(reply));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = of_task.fetch_add(1, Ordering::SeqCst);
                connections.spawn(serve(stream, number, Arc::clone(&asked_task), Arc::clone(&reply)));
            }
        });
        Self { dir, accepted, asked, task: task.abort_handle() }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn client(&self) -> Client {
        Client::new(self.socket())
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: UnixStream,
    number: usize,
    asked: Arc<AtomicUsize>,
    reply: Arc<impl Fn(usize, &str) -> Reply>,
) {
    while let Some(head) = read_request(&mut stream).await {
        asked.fetch_add(1, Ordering::SeqCst);
        match reply(number, &head) {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Reply::Last(bytes) => {
                drop(stream.write_all(&bytes).await);
                return;
            }
            Reply::Hang => std::future::pending().await,
        }
    }
}

/// Reads a request with its body; the head comes back.
async fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

/// As the real server writes it.
fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} \r\nServer: Nydus API\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn refusal(status: u16, message: &str) -> Vec<u8> {
    answer(status, &serde_json::json!({ "code": "UNDEFINED", "message": message }).to_string())
}

fn cx() -> Context {
    Context::background().with_timeout(Duration::from_secs(20))
}

fn request() -> MountRequest {
    MountRequest::directory("/share")
}

#[tokio::test]
async fn one_connection_carries_all_calls() {
    let server = Server::start(|_, head| match head.split(' ').next() {
        Some("GET") => Reply::Bytes(answer(200, IDLE)),
        _ => Reply::Bytes(DONE.into()),
    });
    let client = server.client();
    for _ in 0..20 {
        assert_eq!(client.info(&cx()).await.unwrap().state, DaemonState::Running);
        client.mount(&cx(), "/m", &request()).await.unwrap();
        client.clone().unmount(&cx(), "/m").await.unwrap();
    }
    assert_eq!((server.accepted(), server.asked()), (1, 60));
}

#[tokio::test]
async fn calls_at_once_are_bounded_and_one_connection_is_kept() {
    let server = Server::start(|_, _| Reply::Bytes(answer(200, IDLE)));
    let client = server.client();
    let calls = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.info(&cx()).await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.asked(), 50);
    let before = server.accepted();
    client.info(&cx()).await.unwrap();
    assert_eq!(server.accepted(), before, "the kept one is used");
}

#[tokio::test]
async fn mountpoints_are_encoded() {
    let server = Server::start(|_, head| {
        assert!(head.starts_with("POST /api/v1/mount?mountpoint=/rafs/a%2Bb%20%25/lowerdir HTTP/1.1\r\n"));
        assert!(head.contains("host: localhost\r\n"));
        Reply::Bytes(DONE.into())
    });
    server.client().mount(&cx(), "/rafs/a+b %/lowerdir", &request()).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Last(answer(200, IDLE)),
        _ => Reply::Bytes(answer(200, IDLE)),
    });
    let client = server.client();
    client.info(&cx()).await.unwrap();
    client.mount(&cx(), "/m", &request()).await.unwrap();
    assert_eq!((server.accepted(), server.asked()), (2, 2));
}

#[tokio::test]
async fn a_daemon_that_has_just_died_fails_a_call_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let client = Client::new(socket);
    let daemon = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await.unwrap();
        stream.write_all(&answer(200, IDLE)).await.unwrap();
        stream
    };
    let (cx, request) = (cx(), request());
    let (told, stream) = tokio::join!(client.info(&cx), daemon);
    told.unwrap();
    // Nothing moves the kept connection now, so only the call itself can find out.
    drop((stream, listener));
    let call = tokio::time::timeout(Duration::from_secs(10), client.mount(&cx, "/m", &request));
    let failure = call.await.unwrap().unwrap_err();
    assert_eq!((failure.outcome, failure.error.kind()), (Outcome::Gone, ErrorKind::Unavailable));
}

/// The first connection answers once, then takes a request and closes.
fn forgetful(number: usize, asked_before: &AtomicUsize) -> Reply {
    let before = asked_before.fetch_add(1, Ordering::SeqCst);
    if number == 0 && before == 1 { Reply::Last(Vec::new()) } else { Reply::Bytes(answer(200, MOUNTED)) }
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_where_that_is_harmless() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |number, _| forgetful(number, &count));
    let client = server.client();
    client.info(&cx()).await.unwrap();
    client.info(&cx()).await.unwrap();
    assert_eq!((server.accepted(), server.asked()), (2, 3));
}

#[tokio::test]
async fn a_lost_mount_is_not_repeated() {
    let count = AtomicUsize::new(0);
    let server = Server::start(move |number, _| forgetful(number, &count));
    let client = server.client();
    client.info(&cx()).await.unwrap();
    let failure = client.mount(&cx(), "/m", &request()).await.unwrap_err();
    assert_eq!((failure.outcome, failure.error.kind()), (Outcome::Unknown, ErrorKind::Unavailable));
    assert_eq!((server.accepted(), server.asked()), (1, 2));
}

#[tokio::test]
async fn what_is_no_answer_is_a_typed_error() {
    let half = b"HTTP/1.1 200 \r\nContent-Length: 100\r\n\r\n{\"state\":".to_vec();
    for (bytes, kind) in [
        (b"garbage\r\n\r\n".to_vec(), ErrorKind::Protocol),
        (b"\0\x01\x02\xff\xfe".repeat(1000), ErrorKind::Protocol),
        (half, ErrorKind::Protocol),
        (answer(200, "garbage"), ErrorKind::Protocol),
        (answer(200, "[]"), ErrorKind::Protocol),
        (answer(200, ""), ErrorKind::Protocol),
        (b"HTTP/1.1 204 \r\n\r\n".to_vec(), ErrorKind::Protocol),
        (Vec::new(), ErrorKind::Unavailable),
        (b"HTTP/1.1 200 \r\nConte".to_vec(), ErrorKind::Unavailable),
        (answer(500, "it broke"), ErrorKind::Failed),
        (b"HTTP/1.1 302 \r\nLocation: /\r\nContent-Length: 0\r\n\r\n".to_vec(), ErrorKind::Protocol),
    ] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let server = Server::start(move |_, _| Reply::Last(bytes.clone()));
        let error = server.client().info(&cx()).await.unwrap_err().error;
        assert_eq!(error.kind(), kind, "{shown}: {error:#}");
    }
}

#[tokio::test]
async fn answers_without_end_are_cut() {
    let announced = b"HTTP/1.1 200 \r\nContent-Length: 104857600\r\n\r\n".to_vec();
    let mut endless = b"HTTP/1.1 200 \r\n\r\n".to_vec();
    endless.resize(100 * 1024 * 1024, b' ');
    for bytes in [announced, endless] {
        let server = Server::start(move |_, _| Reply::Bytes(bytes.clone()));
        let error = server.client().info(&cx()).await.unwrap_err().error;
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:#}");
    }
}

#[tokio::test]
async fn the_deadline_ends_a_call_and_its_connection() {
    let server = Server::start(|number, _| match number {
        0 => Reply::Hang,
        _ => Reply::Bytes(answer(200, IDLE)),
    });
    let client = server.client();
    let short = Context::background().with_timeout(Duration::from_millis(50));
    assert_eq!(client.info(&short).await.unwrap_err().error.kind(), ErrorKind::DeadlineExceeded);
    client.info(&cx()).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn unmounting_what_is_not_mounted_is_done() {
    let gone = "Mount(MountFilesystem(Other(\"object or filesystem doesn't exist\")))";
    for (state, is_ok) in
        [(answer(200, IDLE), true), (answer(200, MOUNTED), false), (answer(200, "x"), false)]
    {
        let server = Server::start(move |_, head| {
            Reply::Bytes(if head.starts_with("GET") { state.clone() } else { refusal(500, gone) })
        });
        let result = server.client().unmount(&cx(), "/m").await;
        assert_eq!(result.is_ok(), is_ok, "{result:?}");
        if let Err(error) = result {
            assert_eq!((error.kind(), error.message()), (ErrorKind::Failed, gone));
        }
    }
}

#[tokio::test]
async fn sockets_that_nobody_serves() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    drop(UnixListener::bind(dir.path().join("stale")).unwrap());
    for (name, kind) in [
        ("missing", ErrorKind::Unavailable),
        ("file", ErrorKind::Unavailable),
        (".", ErrorKind::Unavailable),
        ("stale", ErrorKind::Unavailable),
        (&*"x".repeat(200), ErrorKind::InvalidArgument),
    ] {
        let error = Client::new(dir.path().join(name)).info(&cx()).await.unwrap_err().error;
        assert_eq!(error.kind(), kind, "{name}: {error:#}");
    }
}

#[tokio::test]
async fn what_is_too_long_for_the_daemon_is_not_sent() {
    let server = Server::start(|_, _| Reply::Bytes(DONE.into()));
    let request = MountRequest { prefetch: vec!["/x".repeat(30_000)], ..request() };
    let failure = server.client().mount(&cx(), "/m", &request).await.unwrap_err();
    assert_eq!((failure.outcome, failure.error.kind()), (Outcome::NotSent, ErrorKind::ResourceExhausted));
    assert_eq!(server.accepted(), 0);
}
