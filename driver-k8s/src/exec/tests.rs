//! Commands through a shell, with a server on loopback that plays the container.

use futures::{SinkExt, StreamExt};
use hyper::{Request, body::Incoming};
use runtime_core::{TerminalSize, helpers::signal::Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::testing::loopback::{Answer, Loopback, ServerSocket, main, reply, running, web_socket};

const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;
const MISSING: &str =
    r#"{"metadata":{},"status":"Failure","message":"no such file","reason":"InternalError","code":500}"#;

async fn tell(socket: &mut ServerSocket, channel: u8, text: &str) {
    let frame = [&[channel], text.as_bytes()].concat();
    socket.send(Message::Binary(frame.into())).await.unwrap();
}

/// The next of what the client sends on channels.
async fn heard(socket: &mut ServerSocket) -> Vec<u8> {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(bytes) if !bytes.is_empty() => return bytes.to_vec(),
            Message::Close(_) => return Vec::new(),
            _ => {}
        }
    }
}

/// Reads what is to be run, becomes it as process 7 that started at 99, and runs `cat`.
async fn shell(mut socket: ServerSocket, nonce: String) {
    let mut header = String::new();
    while !header.ends_with("x\n") {
        header.push_str(std::str::from_utf8(&heard(&mut socket).await[1..]).unwrap());
    }
    assert!(header.contains("\neSECRET=hunter2\n") && header.contains("\nacat\n"), "{header}");
    tell(&mut socket, 1, &format!("noise<wharf:{nonce}:ready:7:99>")).await;
    loop {
        match heard(&mut socket).await.split_first() {
            Some((0, text)) => tell(&mut socket, 1, std::str::from_utf8(text).unwrap()).await,
            Some((255, _)) => break tell(&mut socket, 3, SUCCESS).await,
            _ => return,
        }
    }
    drop(socket.close(None).await);
}

/// A container with a shell and without a toolbox.
async fn container(request: Request<Incoming>) -> Answer {
    if request.uri().path().ends_with("/pods/p") {
        return reply(200, running().to_string());
    }
    let query = url::form_urlencoded::parse(request.uri().query().unwrap().as_bytes());
    let words = query.filter(|(key, _)| key == "command").map(|(_, word)| word.into_owned());
    let command: Vec<String> = words.collect();
    web_socket(request, "v5.channel.k8s.io", async move |mut socket| {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        match words[..] {
            ["/bin/sh", "-c", _, "wharf", nonce] => shell(socket, nonce.to_owned()).await,
            ["/bin/sh", ..] => tell(&mut socket, 3, SUCCESS).await,
            _ => tell(&mut socket, 3, MISSING).await,
        }
    })
}

/// What the scripts that signal were told so far.
fn commands(server: &Loopback) -> Vec<String> {
    let last = |target: &String| target.split("&command=").skip(5).collect::<Vec<_>>().join(" ");
    server.requests_of("exec").iter().map(last).filter(|words| words.contains(' ')).collect()
}

#[tokio::test]
async fn a_command_is_told_what_it_is_over_its_input_and_never_by_url() {
    let server = Loopback::new(container).await;
    let (cx, key) = (Context::background(), main());
    let spec = ExecSpec::new(["cat"]).with_env("SECRET", "hunter2").with_stdin();
    for _ in 0..2 {
        let mut session = server.driver.begin(&cx, &key, &spec).await.unwrap();
        let mut stdin = session.stdin.take().unwrap();
        stdin.write_all(b"own input").await.unwrap();
        stdin.shutdown().await.unwrap();
        let mut text = String::new();
        session.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "own input");
        assert!(session.wait().await.unwrap().success());
        let too_late = session.resize(TerminalSize::new(1, 1)).await.unwrap_err();
        assert_eq!(too_late.kind(), ErrorKind::InvalidState);
    }
    let requests = server.requests.lock().unwrap().join("\n");
    assert!(!requests.contains("hunter2") && !requests.contains("SECRET"), "{requests}");
    // The container is asked for its helper once: for the toolbox, and for the shell. Its life is looked at each time.
    assert_eq!(server.requests_of("exec").len(), 4);
}

#[tokio::test]
async fn a_session_that_is_dropped_ends_its_command() {
    let server = Loopback::new(container).await;
    let (cx, key) = (Context::background(), main());
    let spec = ExecSpec::new(["cat"]).with_env("SECRET", "hunter2").with_stdin();
    let session = server.driver.begin(&cx, &key, &spec).await.unwrap();
    session.signal(Signal::TERM).await.unwrap();
    drop(session);
    server.driver.tasks().wait().await;
    assert_eq!(commands(&server), ["15 7 99 process", "9 7 99 group"]);
}

#[tokio::test]
async fn a_timeout_ends_the_command() {
    let server = Loopback::new(container).await;
    let (cx, key) = (Context::background(), main());
    let spec = ExecSpec::new(["cat"]).with_env("SECRET", "hunter2").with_stdin();
    let spec = spec.with_timeout(std::time::Duration::from_millis(50));
    let session = server.driver.begin(&cx, &key, &spec).await.unwrap();
    assert_eq!(session.wait().await.unwrap().cause, ExitCause::DeadlineExceeded);
    server.driver.tasks().wait().await;
    assert_eq!(commands(&server), ["9 7 99 group"]);
}

/// A container with nothing in it but its program.
async fn bare(request: Request<Incoming>) -> Answer {
    if request.uri().path().ends_with("/pods/p") {
        return reply(200, running().to_string());
    }
    let is_own = request.uri().query().unwrap().ends_with("command=own");
    web_socket(request, "v5.channel.k8s.io", async move |mut socket| {
        tell(&mut socket, 3, if is_own { SUCCESS } else { MISSING }).await;
    })
}

#[tokio::test]
async fn what_needs_a_helper_is_refused_where_there_is_none() {
    let server = Loopback::new(bare).await;
    let (cx, key) = (Context::background(), main());
    let spec = ExecSpec::new(["own"]);
    let session = server.driver.begin(&cx, &key, &spec).await.unwrap();
    assert!(session.wait().await.unwrap().success());
    let error = server.driver.begin(&cx, &key, &spec.with_cwd("/")).await.unwrap_err();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Unsupported, Some("cwd")));
    let spec = ExecSpec::new(["missing"]);
    let session = server.driver.begin(&cx, &key, &spec).await.unwrap();
    assert_eq!(session.wait().await.unwrap_err().kind(), ErrorKind::Failed);
}
