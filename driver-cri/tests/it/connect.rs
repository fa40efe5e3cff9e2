//! Endpoints that are no CRI runtime.

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use driver_cri::{Config, connect, connect_url};
use runtime_core::{Context, Driver, Error, ErrorKind, Object};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UnixListener},
};

use testkit::{
    engine::Fault,
    proxy::{self, Action as ProxyAction, Direction, Endpoint as ProxyEndpoint, FaultProxy, Rule},
};

use crate::bench::Bench;

async fn refused(path: &Path) -> Error {
    let error = connect(Config::unix(path)).await.unwrap_err();
    assert_eq!(error.object(), Some(&Object::endpoint(path.to_str().unwrap())), "{error}");
    error
}

#[tokio::test]
async fn files_that_are_no_sockets() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(&dir.path().join("missing.sock")).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient(), "the runtime may come");

    let error = refused(dir.path()).await;
    assert_eq!((error.kind(), error.field()), (ErrorKind::InvalidArgument, Some("url")));
    assert!(error.to_string().contains("is a directory"), "{error}");

    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(refused(&file).await.kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    drop(UnixListener::bind(&path).unwrap());
    let error = refused(&path).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.is_transient());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    assert_eq!(connect(Config::tcp(address)).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_socket_without_permission() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        // Root may connect to everything.
        return;
    }
    assert_eq!(refused(&path).await.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_server_of_another_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut preface = [0; 14];
                if stream.read_exact(&mut preface).await.is_ok() {
                    let answer = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    // Until the client has enough of it.
                    drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
                }
            });
        }
    });
    let error = refused(&path).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("does not speak gRPC"), "{error}");
    server.abort();
}

#[tokio::test]
async fn a_grpc_server_without_cri() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.sock");
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(UnixListener::bind(&path).unwrap());
    let server = tokio::spawn(
        tonic::transport::Server::builder()
            .add_routes(tonic::service::Routes::default())
            .serve_with_incoming(incoming),
    );
    let error = refused(&path).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    server.abort();
}

#[tokio::test]
async fn a_runtime_says_who_it_is() {
    let bench = Bench::new().await;
    let health = bench.driver.ping(&bench.cx).await.unwrap();
    assert_eq!((health.system.as_str(), health.protocol.as_deref()), ("containerd", Some("v1")));
    assert!(health.is_ok());
    let url = format!("cri://{}?log_root=/tmp", bench.fake.socket().display());
    let driver = connect_url(url.parse().unwrap()).await.unwrap();
    assert_eq!(driver.info().name, "cri");
    assert!(driver.info().endpoint.starts_with('/'));
    bench.finish().await;
}

#[tokio::test]
async fn a_runtime_that_is_not_there_yet_is_asked_again() {
    let bench = Bench::new().await;
    for call in ["Version", "Status"] {
        let early = || Fault::fail(call, "Unknown", "server is not initialized yet");
        bench.fake.engine().faults().inject(early());
        let error = refused(bench.fake.socket()).await;
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{error}");
        bench.fake.engine().faults().inject(early());
        let error = bench.driver.ping(&bench.cx).await.unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Unavailable, true), "{error}");
    }
    bench.driver.ping(&bench.cx).await.unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn a_restarted_runtime_needs_no_new_client() {
    let bench = Bench::new().await;
    let (pod, _) = bench.run_one("sleep 1000").await;
    bench.fake.restart().await.unwrap();
    // The end of the old connection may be noticed by the first call after it.
    let mut tries = 0;
    while let Err(error) = bench.driver.ping(&Context::background()).await {
        assert!(error.is_transient(), "{error:?}");
        tries += 1;
        assert!(tries < 3, "{error:?}");
    }
    bench.pods().status(&bench.cx, &pod).await.unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn a_connection_that_answers_nothing_is_given_up() {
    let bench = Bench::new().await;
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("proxy.sock");
    let upstream = ProxyEndpoint::Unix(bench.fake.socket().to_owned());
    let options = proxy::Options::default();
    let proxy = FaultProxy::start(ProxyEndpoint::Unix(socket.clone()), upstream, options).await.unwrap();
    let driver = connect(Config::unix(&socket).with_log_root(bench.log_root())).await.unwrap();
    driver.ping(&bench.cx).await.unwrap();

    // The connections there are go silent; new ones are as good as ever.
    let so_far = proxy.counters().connections;
    for number in 1..=so_far {
        proxy.add(Rule::nth(number, Direction::ToClient, ProxyAction::HangAfter(0)));
    }
    let hasty = bench.cx.clone().with_timeout(Duration::from_millis(200));
    assert_eq!(driver.ping(&hasty).await.unwrap_err().kind(), ErrorKind::DeadlineExceeded);
    driver.ping(&bench.cx.clone().with_timeout(Duration::from_secs(20))).await.unwrap();
    bench.finish().await;
}
