//! Exec, attach, port-forward and logs over HTTP.

use std::sync::Weak;

use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::fake_k8s::{Body, Nodes, PodRequest, PodSubresource};
use crate::streaming::dial::{Channels, request};

const V5: &str = "v5.channel.k8s.io";
const V4: &str = "v4.channel.k8s.io";

/// A server in front of a bench, as the API server is; what it answers on.
async fn serve(bench: &Bench) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (store, kubelets) = (bench.store.clone(), Arc::downgrade(&bench.kubelets));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (store, kubelets) = (store.clone(), Weak::clone(&kubelets));
            let service = service_fn(move |request| {
                let (store, kubelets) = (store.clone(), Weak::clone(&kubelets));
                async move { Ok::<_, std::convert::Infallible>(answer(&store, &kubelets, request).await) }
            });
            tokio::spawn(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades(),
            );
        }
    });
    format!("http://{address}")
}

async fn answer(
    store: &Store,
    kubelets: &Weak<Kubelets>,
    request: Request<hyper::body::Incoming>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut parts = path.trim_start_matches('/').split('/');
    let (name, subresource) = (parts.next().unwrap(), parts.next().unwrap());
    let subresource = match subresource {
        "exec" => PodSubresource::Exec,
        "attach" => PodSubresource::Attach,
        "portforward" => PodSubresource::PortForward,
        _ => PodSubresource::Log,
    };
    let pod = store.get(Resource::Pods, "default", name).unwrap();
    let kubelets = kubelets.upgrade().unwrap();
    match kubelets.serve(PodRequest { pod, subresource, request }).await {
        Ok(answer) => answer,
        Err(refusal) => {
            let body = Full::from(refusal.status().to_string()).map_err(|never| match never {});
            let mut answer = Response::new(body.boxed_unsync());
            *answer.status_mut() = StatusCode::from_u16(refusal.code).unwrap();
            answer
        }
    }
}

async fn running(spec: Value) -> (Bench, String) {
    let bench = Bench::new().await;
    bench.create("rec", spec);
    bench.until_phase("rec", "Running").await;
    let url = serve(&bench).await;
    (bench, url)
}

/// What comes, by channel, in one text each; and the code of the goodbye.
async fn rest(channels: &mut Channels) -> ([String; 3], Option<u16>) {
    let (all, goodbye) = tokio::time::timeout(LONG, channels.rest()).await.expect("it ends");
    let text =
        |channel| String::from_utf8_lossy(&all.get(&channel).cloned().unwrap_or_default()).into_owned();
    ([1, 2, 3].map(text), goodbye.map(|it| it.code.into()))
}

#[tokio::test]
async fn recorded_commands() {
    let Some(recordings) = recordings() else {
        eprintln!("no recordings here: nothing is compared");
        return;
    };
    let mut spec = script("sleep 1000");
    spec["containers"][0]["name"] = "maincontainer".into();
    let (bench, url) = running(spec).await;
    for case in read(recordings.join("exec.json")) {
        let (path, name) = (case["path"].as_str().unwrap(), case["name"].as_str().unwrap());
        let frames = case["frames"].as_array().unwrap();
        // Those of the init container and of what is missing are other tests'.
        if frames.is_empty() || path.contains("initcontainer") {
            continue;
        }
        let query = path.split_once('?').unwrap().1;
        let offered = case["subprotocols_offered"][0].as_str().unwrap();
        let (mut channels, chosen) = Channels::open(&format!("{url}/rec/exec?{query}"), offered).await;
        assert_eq!(chosen.as_deref(), case["subprotocol_chosen"].as_str(), "{name}");
        for frame in frames.iter().filter(|frame| frame["dir"] == "client") {
            match frame["channel"].as_u64().unwrap() {
                255 => channels.send(255, &[0]).await,
                channel => channels.send(channel as u8, frame["text"].as_str().unwrap().as_bytes()).await,
            }
        }
        let want = [1, 2, 3].map(|channel| {
            let texts = frames.iter().filter(|frame| frame["dir"] == "server" && frame["channel"] == channel);
            texts.map(|frame| frame["text"].as_str().unwrap()).collect::<String>()
        });
        if offered == V4 {
            // It never ends: an empty message, and what was sent.
            channels.next().await;
            let Some(Message::Binary(back)) = channels.next().await else { panic!("{name}") };
            assert_eq!(&back[1..], want[0].as_bytes());
            continue;
        }
        let (got, goodbye) = rest(&mut channels).await;
        assert_eq!((&got[0], &got[1]), (&want[0], &want[1]), "{name}");
        assert_eq!(without_ids(&got[2]), without_ids(&want[2]), "{name}");
        assert_eq!(goodbye, Some(1000), "{name}");
    }
    bench.finish().await;
}

/// Ids differ from run to run.
fn without_ids(text: &str) -> String {
    let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split('"').map(|word| {
        let bare = word.trim_end_matches('\\');
        if is_id(&bare) { word.replace(bare, "ID") } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join("\"")
}

#[tokio::test]
async fn what_is_refused() {
    let mut spec = script("sleep 1000");
    spec["containers"].as_array_mut().unwrap().push(json!({
        "name": "waits", "image": HOST_IMAGE, "command": ["true"],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}}],
    }));
    let (bench, url) = running(spec).await;
    let ask = async |path: &str| {
        let answered = crate::streaming::dial::ask_websocket(&format!("{url}/rec/{path}"), V5).await;
        (answered.status(), answered.body().await)
    };
    let (status, body) = ask("exec?command=true&container=nope&stdout=true").await;
    assert!(status == 400 && body.contains("container nope is not valid for pod rec"), "{body}");
    let (status, body) = ask("exec?command=true&container=waits&stdout=true").await;
    assert_eq!((status, body.as_str()), (500, "container not found (\"waits\")"));
    let (status, body) = ask("exec?command=true&stdout=true").await;
    let words = "a container name must be specified for pod rec, choose one of: [main waits]";
    assert!(status == 400 && body.contains(words), "{body}");
    let log = request("GET", &format!("{url}/rec/log?container=waits"), &[]).await;
    assert_eq!(log.status(), 400);
    bench.finish().await;
}

#[tokio::test]
async fn logs_with_their_options() {
    let bench = Bench::new().await;
    bench.create("rec", script("for i in 0 1 2 3 4; do echo line $i; done"));
    bench.until_phase("rec", "Succeeded").await;
    let url = serve(&bench).await;
    let log = async |query: &str| {
        let answered = request("GET", &format!("{url}/rec/log?{query}"), &[("Connection", "close")]).await;
        let status = answered.status();
        (status, answered.body().await)
    };
    for (query, want) in [("tailLines=2", "line 3\nline 4\n"), ("limitBytes=9", "line 0\nli")] {
        let (status, body) = log(query).await;
        assert_eq!(status, 200);
        let text: String =
            body.split("\r\n").enumerate().filter(|(at, _)| at % 2 == 1).map(|(_, it)| it).collect();
        assert_eq!(text, want, "{query}: {body:?}");
    }
    let (status, body) = log("previous=true").await;
    assert_eq!(status, 400);
    assert!(body.contains("previous terminated container"), "{body}");
    bench.finish().await;
}

#[tokio::test]
async fn ports_begin_with_their_number_and_the_first_end_is_the_last() {
    let (bench, url) = running(script("sleep 1000")).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = format!("{url}/rec/portforward?ports={port}");
    let (mut channels, chosen) = Channels::open(&open, &format!("{V5}, {V4}")).await;
    assert_eq!(chosen.as_deref(), Some(V4));
    let mut server = listener.accept().await.unwrap().0;
    tokio::io::AsyncWriteExt::write_all(&mut server, b"pong").await.unwrap();
    drop(server);
    let (all, goodbye) = tokio::time::timeout(LONG, channels.rest()).await.unwrap();
    assert_eq!(all[&0], [&port.to_le_bytes()[..], b"pong"].concat());
    assert_eq!(all[&1], port.to_le_bytes());
    assert!(goodbye.is_some());
    drop(listener);
    let (mut channels, _) = Channels::open(&open, V4).await;
    let (all, goodbye) = tokio::time::timeout(LONG, channels.rest()).await.unwrap();
    assert!(String::from_utf8_lossy(&all[&1]).contains("connection refused"));
    assert!(goodbye.is_none(), "without a goodbye");
    bench.finish().await;
}

#[tokio::test]
async fn streams_are_cut_and_the_command_goes_on() {
    let (bench, url) = running(script("sleep 1000")).await;
    let exec = format!("{url}/rec/exec?command=sleep&command=1000&stdout=true");
    let (mut channels, _) = Channels::open(&exec, V5).await;
    channels.next().await;
    bench.kubelets.sever_streams();
    let (_, goodbye) = tokio::time::timeout(LONG, channels.rest()).await.unwrap();
    assert!(goodbye.is_none());
    bench.finish().await;
}
