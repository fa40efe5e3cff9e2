//! Interaction: the streams of tasks.

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::*;

const RAW: &[(&str, &str)] = &[("content-type", "application/raw-stream")];

/// A body that is sent piece by piece.
fn pieces() -> (mpsc::UnboundedSender<&'static str>, client::RequestBody) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames = stream::unfold(receiver, async |mut receiver: mpsc::UnboundedReceiver<&'static str>| {
        let piece = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), receiver))
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

impl Bench {
    async fn interactive(&self, script: &str, more: Value) -> String {
        let id = self.made_with(script, more).await;
        self.start(&id).await;
        self.until(&id, |info| info["endpoints"][0]["address"] != "").await;
        self.change(&id, async |handle| {
            self.ask("POST", "/interaction/binding", json!({"handle": handle, "id": id})).await.ok();
        })
        .await;
        id
    }
}

#[tokio::test]
async fn what_goes_in_comes_out() {
    let bench = Bench::new().await;
    let id = bench.interactive("exec cat", json!({"openStdin": true})).await;
    let to = bench.fake.port_layer();
    let stdout = format!("/interaction/{id}/stdout");
    let out = client::open(to, "GET", &stdout, &[], client::full("")).await.unwrap();
    assert_eq!(out.status().as_u16(), 200, "before there is anything to read");
    assert_eq!(out.headers()["content-type"], "application/octet-stream");
    let mut out = out.into_body();
    let (input, body) = pieces();
    let target = format!("/interaction/{id}/stdin");
    let sending = client::open(to, "POST", &target, RAW, body);
    // The primer in pieces, and not for the task.
    for piece in ["v1", "c#>he", "llo\n"] {
        input.send(piece).unwrap();
    }
    let mut said = Vec::new();
    let reading = async {
        while said != b"hello\n" {
            let frame = out.frame().await.unwrap().unwrap();
            said.extend_from_slice(frame.data_ref().unwrap());
        }
        drop(input);
    };
    let (sent, ()) = tokio::join!(sending, reading);
    assert_eq!(sent.unwrap().status().as_u16(), 200, "it ends with the client's stream");
    assert_eq!(bench.state(&id).await, "Running", "and the task's input doesn't");
    bench.call("DELETE", &target).await.ok();
    bench.stopped(&id).await;
    assert_eq!(bench.call("DELETE", &target).await.status, 404);
    assert_eq!(bench.get(&stdout).await.without_words(), 404, "after some time");
    bench.finish().await;
}

#[tokio::test]
async fn without_a_primer_all_of_it_is_the_tasks() {
    let bench = Bench::new().await;
    let id = bench.interactive("exec cat", json!({"openStdin": true})).await;
    let target = format!("/interaction/{id}/stdin");
    let to = bench.fake.port_layer();
    for text in ["v1c", "v1x\n"] {
        // The first is the beginning of a primer, and nothing comes after it.
        let sent = client::open(to, "POST", &target, RAW, client::full(text)).await.unwrap();
        assert_eq!(sent.status().as_u16(), 200);
    }
    bench.wrote(&id, "v1x\n").await;
    bench.finish().await;
}

#[tokio::test]
async fn nobody_is_there() {
    let bench = Bench::new().await;
    let id = bench.running("exec sleep 60").await;
    for stream in ["stdout", "stderr"] {
        assert_eq!(bench.get(&format!("/interaction/{id}/{stream}")).await.without_words(), 404);
        let deadline = "?deadline=2001-01-01T00:00:00Z";
        assert_eq!(bench.get(&format!("/interaction/nobody/{stream}{deadline}")).await.without_words(), 404);
    }
    let target = format!("/interaction/{id}/stdin");
    let sent = client::open(bench.fake.port_layer(), "POST", &target, RAW, client::full("x")).await.unwrap();
    assert_eq!(client::read(sent).await.unwrap().status, 404, "it is not bound");
    assert_eq!(bench.call("DELETE", &target).await.status, 404);
    // A resize is never refused.
    assert_eq!(bench.call("POST", "/interaction/nobody/resize?height=1&width=2").await.status, 200);
    bench.finish().await;
}

#[tokio::test]
async fn a_task_that_is_bound_before_it_is_started_waits() {
    let bench = Bench::with(FakeVicOptions { stream_wait: LONG, ..quick() }).await;
    let id = bench.made("echo first; echo bad >&2").await;
    let handle = bench.open(&id).await;
    bench.ask("POST", "/interaction/binding", json!({"handle": handle, "id": id})).await.ok();
    bench.commit(&handle).await.ok();
    let stderr = format!("/interaction/{id}/stderr");
    let (started, error) = tokio::join!(bench.try_start(&id), bench.get(&stderr));
    started.ok();
    assert_eq!(error.status, 200);
    bench.stopped(&id).await;
    // The next time nobody has to come.
    bench.start(&id).await;
    bench.stopped(&id).await;
    bench.finish().await;
}

#[tokio::test]
async fn the_other_streams_of_a_task_that_has_no_input() {
    let bench = Bench::new().await;
    let id = bench.interactive("exec sleep 60", json!({})).await;
    let target = format!("/interaction/{id}/stdin");
    let sent =
        client::open(bench.fake.port_layer(), "POST", &target, RAW, client::full("v1c#>x")).await.unwrap();
    assert_eq!(sent.status().as_u16(), 200, "it goes nowhere");
    bench.call("DELETE", &target).await.ok();
    bench.finish().await;
}
