//! Byte for byte.

use serde::Deserialize;
use serde_json::Value;

use super::*;

/// A request that was sent to nydusd 2.2.0 in virtio-fs mode, in its turn, and the answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Call {
        method: String,
        target: String,
        body: Option<String>,
        answer: String,
    },
    /// Bytes on a connection of their own.
    Raw {
        name: String,
        raw: String,
        answer: String,
    },
}

#[tokio::test]
async fn every_answer_is_that_of_the_real_daemon() {
    let directory = tempfile::tempdir().unwrap();
    let fake = start(directory.path(), &[]);
    let mut kept = UnixStream::connect(fake.socket()).await.unwrap();
    let recording = include_str!("../nydusd-2.2.0.jsonl");
    for line in recording.lines() {
        match serde_json::from_str(line).unwrap() {
            Recorded::Call { method, target, body, answer } => {
                let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
                if let Some(body) = &body {
                    let length = body.len();
                    request += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
                }
                request += &format!("\r\n{}", body.unwrap_or_default());
                let ours = exchange(&mut kept, request.as_bytes()).await;
                if target == "/api/v1/daemon" && answer.contains("mounted_time") {
                    compare_mounts(&ours, &answer);
                } else {
                    assert_eq!(ours, answer, "{request}");
                }
            }
            Recorded::Raw { name, raw, answer } => {
                let mut stream = UnixStream::connect(fake.socket()).await.unwrap();
                assert_eq!(exchange(&mut stream, raw.as_bytes()).await, answer, "{name}");
            }
        }
    }
    assert!(recording.lines().count() > 80);
}

/// Times differ, and the real daemon writes mounts in no order.
fn compare_mounts(ours: &str, theirs: &str) {
    let parts = |answer: &str| {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head: Vec<_> =
            head.lines().filter(|line| !line.starts_with("Content-Length")).map(str::to_owned).collect();
        let mut body: Value = serde_json::from_str(body).unwrap();
        for mount in body["backend_collection"].as_object_mut().unwrap().values_mut() {
            let time = mount["mounted_time"].take();
            let time = time.as_str().unwrap();
            assert!(time.ends_with(" +00:00:00") && time.as_bytes()[19] == b'.', "{time}");
        }
        (head, body)
    };
    assert_eq!(parts(ours), parts(theirs));
    // The order of the fields, which comparing values doesn't see.
    let fields = |answer: &str| {
        let mount = answer.rsplit("\"/containers\":").next().unwrap_or_default().to_owned();
        mount
            .split(['{', ','])
            .filter_map(|part| Some(part.split_once(':')?.0.to_owned()))
            .take(4)
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(ours), fields(theirs));
}
