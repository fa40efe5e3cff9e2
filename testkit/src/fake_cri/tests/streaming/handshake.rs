//! URLs, and what is said before the streams.

use super::*;
use crate::fake_cri::StreamingOptions;
use crate::streaming::dial::{ask_spdy, ask_websocket, request};

#[tokio::test]
async fn what_the_calls_refuse() {
    let mut stage = Stage::new().await;
    let runtime = &mut stage.bench.runtime;
    let id = stage.id.clone();
    let exec = |tty, stderr| ExecRequest { container_id: id.clone(), tty, stderr, ..Default::default() };
    let words = "tty and stderr cannot both be true";
    assert_refused(runtime.exec(exec(true, true)).await, Code::InvalidArgument, words);
    let words = "one of stdin, stdout, or stderr must be set";
    assert_refused(runtime.exec(exec(false, false)).await, Code::InvalidArgument, words);
    let attach = AttachRequest { container_id: id.clone(), ..Default::default() };
    let words = "one of stdin, stdout, and stderr must be set";
    assert_refused(runtime.attach(attach).await, Code::InvalidArgument, words);
    let exec = ExecRequest { container_id: "x".into(), stdout: true, ..Default::default() };
    let words = "failed to find container \"x\" in store: not found";
    assert_refused(runtime.exec(exec).await, Code::NotFound, words);
    let attach = AttachRequest { container_id: "x".into(), stdout: true, ..Default::default() };
    let words = "failed to find container in store: not found";
    assert_refused(runtime.attach(attach).await, Code::NotFound, words);
    let forward = PortForwardRequest { pod_sandbox_id: "x".into(), port: vec![80] };
    let words = "failed to find sandbox \"x\": not found";
    assert_refused(runtime.port_forward(forward).await, Code::NotFound, words);

    let created = stage.bench.create(&stage.sandbox, shell("d", "sleep 1000")).await;
    let runtime = &mut stage.bench.runtime;
    let exec = ExecRequest { container_id: created.clone(), stdout: true, ..Default::default() };
    let words = "container is in CONTAINER_CREATED state";
    assert_refused(runtime.exec(exec).await, Code::Unknown, words);
    let attach = AttachRequest { container_id: created, stdout: true, ..Default::default() };
    assert_refused(runtime.attach(attach).await, Code::Unknown, words);
    let stop = StopPodSandboxRequest { pod_sandbox_id: stage.sandbox.clone() };
    runtime.stop_pod_sandbox(stop).await.unwrap();
    let forward = PortForwardRequest { pod_sandbox_id: stage.sandbox.clone(), port: vec![80] };
    assert_refused(runtime.port_forward(forward).await, Code::Unknown, "sandbox container is not running");
    stage.finish().await;
}

#[tokio::test]
async fn a_url_works_once_and_for_its_kind() {
    let mut stage = Stage::new().await;
    let url = stage.exec(&["true"], "o").await;
    let token = url.rsplit_once('/').unwrap().1;
    assert_eq!(token.len(), 8);
    // Whatever comes of the request.
    let answered = request("GET", &url, &[]).await;
    assert_eq!(answered.status(), 400);
    assert_eq!(answered.body().await, "unable to upgrade: X-Stream-Protocol-Version is required\n");
    let answered = ask_spdy(&url, &[V4]).await;
    assert_eq!((answered.status(), answered.body().await), (404, "404 page not found\n".to_owned()));
    let url = stage.exec(&["true"], "o").await;
    assert_eq!(ask_spdy(&url.replace("/exec/", "/attach/"), &[V4]).await.status(), 404);
    assert_eq!(ask_spdy(&url, &[V4]).await.status(), 404);
    let base = url.split_once("/exec").unwrap().0;
    for path in ["/", "/exec", "/exec/a/b", "/nope/x"] {
        let answered = request("GET", &format!("{base}{path}"), &[]).await;
        assert_eq!((answered.status(), answered.body().await), (404, "404: Page Not Found".to_owned()));
    }
    assert_eq!(request("DELETE", &url, &[]).await.status(), 405);
    // After a restart nobody knows what was granted.
    let url = stage.exec(&["true"], "o").await;
    stage.bench.fake.restart().await.unwrap();
    let (runtime, _) = connect(&stage.bench.fake).await;
    stage.bench.runtime = runtime;
    let now = stage.exec(&["true"], "o").await;
    let host = now.split_once("/exec").unwrap().0;
    let old = format!("{host}/exec/{}", url.rsplit_once('/').unwrap().1);
    assert_eq!(ask_spdy(&old, &[V4]).await.status(), 404);
    assert_eq!(ask_spdy(&now, &[V4]).await.status(), 101);
    stage.finish().await;
}

#[tokio::test]
async fn protocols_are_negotiated() {
    let mut stage = Stage::new().await;
    for (wanted, want) in [
        ("v5.channel.k8s.io", None),
        ("v5.channel.k8s.io,v4.channel.k8s.io", Some(V4)),
        ("nope", None),
        ("base64.channel.k8s.io", Some("base64.channel.k8s.io")),
        ("", Some("")),
    ] {
        let answered = ask_websocket(&stage.exec(&["true"], "o").await, wanted).await;
        assert_eq!(answered.status(), if want.is_some() { 101 } else { 403 }, "{wanted:?}");
        assert_eq!(answered.header("sec-websocket-protocol").as_deref(), want, "{wanted:?}");
    }
    for (wanted, want) in [
        (vec!["v5.channel.k8s.io", V4], Some(V4)),
        (vec!["v3.channel.k8s.io,v4.channel.k8s.io"], Some("v3.channel.k8s.io")),
        (vec!["channel.k8s.io"], Some("channel.k8s.io")),
        (vec!["v5.channel.k8s.io"], None),
    ] {
        let answered = ask_spdy(&stage.exec(&["true"], "o").await, &wanted).await;
        assert_eq!(answered.status(), if want.is_some() { 101 } else { 403 }, "{wanted:?}");
        assert_eq!(answered.header("x-stream-protocol-version").as_deref(), want, "{wanted:?}");
        if want.is_none() {
            assert_eq!(answered.header("x-accepted-stream-protocol-versions").as_deref(), Some(V4));
            let words =
                "client supports [v5.channel.k8s.io], server accepts [v4.channel.k8s.io v3.channel.k8s.io ";
            assert!(answered.body().await.contains(words));
        }
    }
    stage.finish().await;
}

#[tokio::test]
async fn other_runtimes_speak_other_protocols() {
    let streaming = StreamingOptions { websocket_v5: true, spdy: false };
    let mut stage = Stage::with(FakeCriOptions { streaming, ..Default::default() }).await;
    let answered = ask_spdy(&stage.exec(&["true"], "o").await, &[V4]).await;
    assert_eq!(answered.status(), 400);
    let url = stage.shell("cat; echo end", "io").await;
    let (mut channels, protocol) = Channels::open(&url, "v5.channel.k8s.io,v4.channel.k8s.io").await;
    assert_eq!(protocol.as_deref(), Some("v5.channel.k8s.io"));
    channels.send(0, b"hello\n").await;
    channels.send(255, &[0]).await;
    assert_eq!(all(&mut channels).await, ["hello\nend\n", "", SUCCESS]);
    stage.finish().await;
}
