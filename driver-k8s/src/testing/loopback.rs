//! A server on loopback that answers as a test says, and a driver that is connected to it.

use std::{
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
    server::conn::http1,
    service::service_fn,
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use remotecommand::Socket;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    config::Config,
    driver::{K8sDriver, connect},
    id::{ContainerKey, PodKey},
};

pub(crate) type Answer = Response<BoxBody<Bytes, io::Error>>;
pub(crate) type ServerSocket = Socket<TokioIo<Upgraded>>;

/// A server with its driver.
pub(crate) struct Loopback {
    pub(crate) driver: K8sDriver,
    /// The targets of all requests but those of connecting.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    _server: AbortOnDropHandle<()>,
}

impl Loopback {
    /// Answers each request as `answer` says.
    pub(crate) async fn new<F>(
        answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&requests);
        let serve = async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, noted) = (answer.clone(), Arc::clone(&noted));
                let service = service_fn(move |request: Request<Incoming>| {
                    let target = request.uri().to_string();
                    let answer: BoxFuture<'static, Answer> = match target.as_str() {
                        "/version" => {
                            let version = json!({"gitVersion": "v1.36.0", "major": "1", "minor": "36"});
                            std::future::ready(reply(200, version.to_string())).boxed()
                        }
                        "/apis/metrics.k8s.io/v1beta1" => {
                            std::future::ready(reply(404, "404 page not found\n")).boxed()
                        }
                        nodes if nodes.starts_with("/api/v1/nodes") => {
                            std::future::ready(reply(404, "404 page not found\n")).boxed()
                        }
                        _ => {
                            noted.lock().unwrap().push(target);
                            answer(request).boxed()
                        }
                    };
                    answer.map(Ok::<_, io::Error>)
                });
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection.with_upgrades());
            }
        };
        let server = AbortOnDropHandle::new(tokio::spawn(serve));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        });
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let driver = connect(Config::default().with_kubeconfig(path)).await.unwrap();
        Self { driver, requests, _server: server }
    }

    /// The requests of a subresource so far.
    pub(crate) fn requests_of(&self, subresource: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|target| target.contains(&format!("/{subresource}?"))).cloned().collect()
    }
}

pub(crate) fn reply(code: u16, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed();
    Response::builder().status(code).body(body).unwrap()
}

/// As a 1.36 server answers.
pub(crate) fn refusal(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    reply(code, status.to_string())
}

/// Opens a WebSocket, over which `talk` then talks.
pub(crate) fn web_socket<F>(
    request: Request<Incoming>,
    protocol: &str,
    talk: impl FnOnce(ServerSocket) -> F + Send + 'static,
) -> Answer
where
    F: Future<Output = ()> + Send + 'static,
{
    let accept = derive_accept_key(request.headers()["sec-websocket-key"].as_bytes());
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, accept)
        .header(SEC_WEBSOCKET_PROTOCOL, protocol);
    tokio::spawn(async move {
        let upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        talk(WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await).await;
    });
    response.body(Full::default().map_err(|never| match never {}).boxed()).unwrap()
}

/// A container `main` of a pod, both of them as all tests have them.
pub(crate) fn main() -> ContainerKey {
    let pod = PodKey { namespace: "default".to_owned(), name: "p".to_owned(), uid: "u1".to_owned() };
    pod.container("main")
}

/// The pod, in which the container has this state.
pub(crate) fn pod(phase: &str, state: &Value, restarts: i32) -> Value {
    let last_state = match restarts {
        0 => json!({}),
        _ => json!({"terminated": {"exitCode": 1}}),
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "uid": "u1"},
        "spec": {"containers": [{"name": "main", "image": "i"}]},
        "status": {"phase": phase, "containerStatuses": [{
            "name": "main", "ready": true, "restartCount": restarts, "image": "i", "imageID": "",
            "state": state, "lastState": last_state,
        }]},
    })
}

pub(crate) fn running() -> Value {
    pod("Running", &json!({"running": {}}), 0)
}

pub(crate) fn waiting() -> Value {
    pod("Pending", &json!({"waiting": {"reason": "ContainerCreating"}}), 0)
}

pub(crate) fn ended() -> Value {
    pod("Succeeded", &json!({"terminated": {"exitCode": 0}}), 0)
}
