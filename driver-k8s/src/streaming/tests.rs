//! Streams, with a server on loopback that answers as recorded from a 1.36 cluster.

use futures::{SinkExt, StreamExt};
use hyper::{Request, body::Incoming, header::SEC_WEBSOCKET_PROTOCOL};
use remotecommand::Channels;
use runtime_core::{AttachOptions, Context, ErrorKind, ExitCause};
use tokio::io::AsyncReadExt;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::testing::loopback::{
    Answer, Loopback, ServerSocket, main, refusal, reply, running, waiting, web_socket,
};

const PLAIN: Channels = Channels { stdin: false, tty: false };
const SUCCESS: &[u8] = br#"{"metadata":{},"status":"Success"}"#;

async fn say(mut socket: ServerSocket, frames: &[(u8, &[u8])]) {
    for (channel, bytes) in frames {
        let frame = [&[*channel], *bytes].concat();
        socket.send(Message::Binary(frame.into())).await.unwrap();
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

fn is_stream(request: &Request<Incoming>) -> bool {
    !request.uri().path().ends_with("/pods/p")
}

fn offers(request: &Request<Incoming>) -> &str {
    request.headers()[SEC_WEBSOCKET_PROTOCOL].to_str().unwrap()
}

fn command() -> Vec<String> {
    ["sh", "-c", "echo out"].map(str::to_owned).into()
}

#[tokio::test]
async fn a_command_as_recorded() {
    let answer = async |request: Request<Incoming>| {
        if !is_stream(&request) {
            return reply(200, running().to_string());
        }
        assert_eq!(offers(&request), "v5.channel.k8s.io, v4.channel.k8s.io");
        web_socket(request, "v5.channel.k8s.io", |socket| async {
            say(socket, &[(1, b""), (2, b"err\n"), (1, b"out\n"), (3, SUCCESS)]).await;
        })
    };
    let server = Loopback::new(answer).await;
    let cx = Context::background();
    let session = exec(&server.driver, &cx, &main(), &command(), (PLAIN, true)).await.unwrap();
    let output = session.into_session().output(1024).await.unwrap();
    assert_eq!((output.stdout_text().as_str(), output.stderr_text().as_str()), ("out\n", "err\n"));
    assert!(output.exit.success());
    let query =
        "container=main&stdin=false&stdout=true&stderr=true&tty=false&command=sh&command=-c&command=echo+out";
    assert_eq!(server.requests_of("exec"), [format!("/api/v1/namespaces/default/pods/p/exec?{query}")]);
}

/// What the server answers to the stream and, asked then, of the pod; and what that means.
#[tokio::test]
async fn refusals() {
    type Case = (fn() -> Answer, Option<fn() -> serde_json::Value>, ErrorKind, &'static str);
    let cases: [Case; 6] = [
        (|| refusal(404, "NotFound", "pods \"p\" not found"), None, ErrorKind::NotFound, ""),
        (
            || reply(500, "container not found (\"main\")"),
            Some(waiting),
            ErrorKind::InvalidState,
            "not running",
        ),
        (|| refusal(500, "InternalError", "dial tcp"), Some(running), ErrorKind::Unexpected, "dial tcp"),
        (|| refusal(403, "Forbidden", "no exec"), Some(running), ErrorKind::PermissionDenied, "no exec"),
        (|| refusal(400, "BadRequest", "odd"), Some(running), ErrorKind::InvalidArgument, "odd"),
        (|| reply(200, "welcome"), Some(running), ErrorKind::Protocol, "opened none"),
    ];
    for (number, (stream, then, kind, part)) in cases.into_iter().enumerate() {
        let server = Loopback::new(move |request: Request<Incoming>| async move {
            match then {
                _ if is_stream(&request) => stream(),
                Some(pod) => reply(200, pod().to_string()),
                None => refusal(404, "NotFound", "pods \"p\" not found"),
            }
        })
        .await;
        let cx = Context::background();
        let error = exec(&server.driver, &cx, &main(), &command(), (PLAIN, true)).await.unwrap_err();
        assert!(error.kind() == kind && error.message().contains(part), "{number}: {error:?}");
    }
}

#[tokio::test]
async fn input_needs_version_5_or_is_refused() {
    let answer = async |request: Request<Incoming>| match offers(&request) {
        // As servers do that know none of the offers.
        "v5.channel.k8s.io" => reply(403, ""),
        _ => web_socket(request, "v4.channel.k8s.io", |socket| async {
            say(socket, &[(3, SUCCESS)]).await;
        }),
    };
    let server = Loopback::new(answer).await;
    let (cx, key) = (Context::background(), main());
    let open = async |channels, ends| {
        let session = exec(&server.driver, &cx, &key, &command(), (channels, ends)).await?;
        session.into_session().wait().await
    };
    let error = open(Channels { stdin: true, tty: false }, true).await.unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Unsupported, Some("stdin")));
    for (stdin, tty, ends) in [(false, false, true), (true, false, false), (true, true, true)] {
        assert!(open(Channels { stdin, tty }, ends).await.unwrap().success(), "{stdin} {tty} {ends}");
    }
}

#[tokio::test]
async fn another_life_of_the_name_is_left_alone() {
    let server = Loopback::new(async |_: Request<Incoming>| {
        let mut pod = running();
        pod["metadata"]["uid"] = "u2".into();
        reply(200, pod.to_string())
    })
    .await;
    let (cx, key) = (Context::background(), main());
    let error = attach(&server.driver, &cx, &key, &AttachOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = port::forward(&server.driver, &cx, &key.pod, 80).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(server.requests.lock().unwrap().iter().all(|target| target.ends_with("/pods/p")));
}

#[tokio::test]
async fn input_of_a_container_without_is_refused() {
    let server = Loopback::new(async |_: Request<Incoming>| reply(200, running().to_string())).await;
    let options = AttachOptions::default().with_stdin();
    let error = attach(&server.driver, &Context::background(), &main(), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
}

#[tokio::test]
async fn a_pod_that_is_deleted_under_a_command_is_no_success() {
    let server = Loopback::new(async |request: Request<Incoming>| {
        web_socket(request, "v5.channel.k8s.io", |mut socket| async move {
            socket.send(Message::Binary(vec![1, b'x'].into())).await.unwrap();
        })
    })
    .await;
    let cx = Context::background();
    let session = exec(&server.driver, &cx, &main(), &command(), (PLAIN, true)).await.unwrap();
    let exit = session.into_session().wait().await.unwrap();
    assert_eq!(exit.cause, ExitCause::StreamLost);
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    let server = Loopback::new(async |request: Request<Incoming>| {
        if !is_stream(&request) {
            return reply(200, running().to_string());
        }
        web_socket(request, "v4.channel.k8s.io", |mut socket| async move {
            for frame in [&b"\0\x09\0"[..], b"\x01\x09\0", b"\x01error forwarding port 9"] {
                socket.send(Message::Binary(frame.to_vec().into())).await.unwrap();
            }
        })
    })
    .await;
    let cx = Context::background();
    let mut stream = port::forward(&server.driver, &cx, &main().pod, 9).await.unwrap();
    let error = stream.read(&mut [0; 8]).await.unwrap_err();
    assert!(error.to_string().contains("error forwarding port 9"), "{error}");
}
