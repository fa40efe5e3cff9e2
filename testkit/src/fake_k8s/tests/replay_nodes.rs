//! What nodes answered in the recordings: logs, attaching, ports and a large output, asked of pods on the engine.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::{ask, websocket};
use super::replay::{differences, recordings};
use crate::engine::{Engine, EngineOptions, HOST_IMAGE, Isolation};
use crate::fake_k8s::{FakeK8s, FakeK8sOptions};
use crate::streaming::dial::Channels;

const PODS: &str = "/api/v1/namespaces/default/pods";
const LONG: Duration = Duration::from_secs(60);

/// What the recorded server on port 8080 answered ends in this.
const BODY: &str = "ok\n";

struct Bench {
    engine: Engine,
    fake: FakeK8s,
}

impl Bench {
    /// The recorded pod, which has written what the recorded one had.
    async fn new() -> Self {
        let options = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
        let engine = Engine::start(options).await.unwrap();
        let fake = FakeK8s::start(engine.clone(), &FakeK8sOptions::default()).unwrap();
        let script = "for i in 0 1 2 3 4; do echo line $i; done; for i in 0 1 2 3 4; do echo err $i >&2; done; exec sleep 1000";
        let container = json!({
            "name": "maincontainer", "image": HOST_IMAGE, "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", script],
        });
        let pod = json!({"metadata": {"name": "rec2"}, "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container],
        }});
        let made = ask(&fake, "POST", PODS, Some(pod)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let bench = Self { engine, fake };
        bench.until("/log", |log| log.matches("err ").count() == 5).await;
        bench
    }

    /// Asks below the pod until the answer is as wanted.
    async fn until(&self, path: &str, fits: impl Fn(&str) -> bool) {
        let deadline = tokio::time::Instant::now() + LONG;
        let mut wait = Duration::from_millis(1);
        loop {
            let answered = ask(&self.fake, "GET", &format!("{PODS}/rec2{path}"), None).await;
            if answered.status == 200 && fits(&answered.text) {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{path}: {}", answered.text);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(50));
        }
    }

    async fn finish(self) {
        self.fake.shutdown().await;
        self.engine.shutdown().await.unwrap();
    }
}

fn recorded(file: &str) -> Option<Vec<Value>> {
    let text = std::fs::read_to_string(recordings()?.join(file)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn logs() {
    let Some(exchanges) = recorded("rest-more.json") else { return };
    let bench = Bench::new().await;
    // The recorded lines were old when those of the last second were asked for.
    bench.until("/log?sinceSeconds=1", str::is_empty).await;
    let logs = exchanges.iter().filter(|it| it["name"].as_str().unwrap().starts_with("log: "));
    let mut compared = 0;
    for exchange in logs {
        let (name, response) = (exchange["name"].as_str().unwrap(), &exchange["response"]);
        let answered = ask(&bench.fake, "GET", exchange["request"]["path"].as_str().unwrap(), None).await;
        assert_eq!(json!(answered.status), response["status"], "{name}: {}", answered.text);
        assert_eq!(json!(answered.content_type), response["content_type"], "{name}");
        match &response["body"] {
            Value::String(text) => {
                let mut lines = [text.as_str(), &answered.text].map(|text| text.lines().collect::<Vec<_>>());
                lines
                    .iter_mut()
                    .for_each(|lines| lines.iter_mut().for_each(|line| *line = without_time(line)));
                assert_eq!(lines[0], lines[1], "{name}");
                assert_eq!(text.ends_with('\n'), answered.text.ends_with('\n'), "{name}");
            }
            status => {
                let mut told = Vec::new();
                differences(status, &answered.json(), "body", &mut told);
                assert!(told.is_empty(), "{name}: {told:?}");
            }
        }
        compared += 1;
    }
    assert_eq!(compared, 9);
    bench.finish().await;
}

/// A line without the time before it, if there is one of the recorded form.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, rest)) if time.len() == 30 && time.ends_with('Z') => rest,
        _ => line,
    }
}

/// The node has what a real one has, in the same places.
#[tokio::test]
async fn the_node() {
    let Some(exchanges) = recorded("rest-more.json") else { return };
    let bench = Bench::new().await;
    let exchange = exchanges.iter().find(|it| it["name"] == "node").unwrap();
    let answered = ask(&bench.fake, "GET", "/api/v1/nodes/node1", None).await;
    assert_eq!(json!(answered.status), exchange["response"]["status"]);
    let (recorded, found) = (&exchange["response"]["body"], answered.json());
    for path in ["/kind", "/apiVersion", "/metadata/name", "/metadata/labels", "/spec"] {
        let (was, is) = (recorded.pointer(path), found.pointer(path));
        assert!(is.is_some() && was.map(shape) == is.map(shape), "{path}: {was:?} recorded, {is:?} found");
    }
    let was = recorded["status"].as_object().unwrap();
    let status = was.iter().filter(|(key, value)| shape(value) != shape(&found["status"][key.as_str()]));
    let other: Vec<_> = status
        .map(|(key, value)| format!("{key}: {value} recorded, {}", found["status"][key.as_str()]))
        .collect();
    assert!(other.is_empty(), "{other:#?}");
    bench.finish().await;
}

/// The keys of an object, the shape of a list's first item, else the kind of value.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.keys().cloned().collect(),
        Value::Array(items) => json!({"items": items.first().map(shape)}),
        Value::String(_) => "text".into(),
        Value::Null => Value::Null,
        _ => "value".into(),
    }
}

#[tokio::test]
async fn attaching_hears_what_is_written_from_then_on() {
    let Some(exchanges) = recorded("websocket-more.json") else { return };
    let bench = Bench::new().await;
    let exchange = exchanges.iter().find(|it| it["name"] == "attach").unwrap();
    let (mut channels, chosen) = open(&bench.fake, exchange, exchange["path"].as_str().unwrap()).await;
    assert_eq!(chosen.as_deref(), exchange["subprotocol_chosen"].as_str());
    let first = timeout(LONG, channels.next()).await.unwrap();
    assert_eq!(first, Some(Message::Binary(vec![1].into())));
    bench.finish().await;
}

#[tokio::test]
async fn ports() {
    let Some(exchanges) = recorded("websocket-more.json") else { return };
    let bench = Bench::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listening = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(BODY.as_bytes()).await.unwrap();
        }
    });
    let forwards = exchanges.iter().filter(|it| it["name"].as_str().unwrap().starts_with("port-forward"));
    let mut compared = 0;
    for exchange in forwards {
        let (name, recorded) = (exchange["name"].as_str().unwrap(), exchange["path"].as_str().unwrap());
        let answers = recorded.contains("8080");
        let port = if answers { listening } else { 9 };
        let path = recorded.replace("8080", &listening.to_string());
        let (mut channels, chosen) = open(&bench.fake, exchange, &path).await;
        assert_eq!(chosen.as_deref(), exchange["subprotocol_chosen"].as_str(), "{name}");
        let (all, goodbye) = timeout(LONG, channels.rest()).await.unwrap();
        let frames = exchange["frames"].as_array().unwrap();
        let told = frames.iter().filter(|it| it["dir"] == "server");
        let told: BTreeSet<u64> = told.filter_map(|it| it["channel"].as_u64()).collect();
        let heard: BTreeSet<u64> = all.keys().map(|channel| (*channel).into()).collect();
        assert_eq!(heard, told, "{name}");
        for (channel, bytes) in &all {
            let (number, rest) = bytes.split_at(2);
            assert_eq!(number, port.to_le_bytes(), "{name}, {channel}");
            let rest = String::from_utf8_lossy(rest);
            match (answers, channel % 2) {
                (true, 0) => assert!(rest == BODY || (*channel > 0 && rest.is_empty()), "{name}: {rest}"),
                (false, 1) => {
                    assert!(
                        rest.starts_with(&format!("error forwarding port {port} to pod ")),
                        "{name}: {rest}"
                    );
                }
                _ => assert_eq!(rest, "", "{name}, {channel}"),
            }
        }
        let closed = frames.iter().any(|frame| frame.get("close").is_some());
        assert_eq!(goodbye.map(|it| u16::from(it.code)), closed.then_some(1000), "{name}");
        compared += 1;
    }
    assert_eq!(compared, 4);
    server.abort();
    bench.finish().await;
}

#[tokio::test]
async fn a_large_output() {
    let Some(exchanges) = recorded("websocket-more.json") else { return };
    let bench = Bench::new().await;
    let exchange = exchanges.iter().find(|it| it["path"].as_str().unwrap().contains("/exec?")).unwrap();
    let (mut channels, _) = open(&bench.fake, exchange, exchange["path"].as_str().unwrap()).await;
    let (all, goodbye) = timeout(LONG, channels.rest()).await.unwrap();
    for channel in [1, 3] {
        let frames = exchange["frames"].as_array().unwrap().iter();
        let bytes: u64 = frames
            .filter(|frame| frame["dir"] == "server" && frame["channel"] == channel)
            .map(|frame| frame["bytes"].as_u64().unwrap())
            .sum();
        assert_eq!(all[&channel].len() as u64, bytes, "channel {channel}");
    }
    assert_eq!(goodbye.map(|it| u16::from(it.code)), Some(1000));
    bench.finish().await;
}

async fn open(fake: &FakeK8s, exchange: &Value, path: &str) -> (Channels<TokioIo<Upgraded>>, Option<String>) {
    let offered: Vec<_> =
        exchange["subprotocols_offered"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    websocket(fake, path, &offered.join(", ")).await
}
