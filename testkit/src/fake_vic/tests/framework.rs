//! What is answered before any handler sees the request.

use super::*;

async fn refusal(bench: &Bench, method: &str, target: &str, body: Option<Value>) -> (u16, i64, String) {
    let answer = bench.try_ask(method, target, body).await.unwrap();
    let said = answer.json();
    (answer.status, said["code"].as_i64().unwrap(), said["message"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_is_not_there() {
    let bench = Bench::new().await;
    let (status, code, words) = refusal(&bench, "GET", "/nothing/here", None).await;
    assert_eq!((status, code, words.as_str()), (404, 404, "path /nothing/here was not found"));
    let answer = bench.call("PATCH", "/tasks").await;
    assert_eq!((answer.status, answer.headers["allow"].to_str().unwrap()), (405, "DELETE,GET,POST"));
    assert_eq!(answer.json()["message"], "method PATCH is not allowed, but [DELETE,GET,POST] are");
    let (status, code, _) = refusal(&bench, "GET", "/storage/volumes", None).await;
    assert_eq!((status, code), (501, 501));
    bench.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_request_has_a_code() {
    let bench = Bench::new().await;
    let Draft { handle, .. } = bench.draft("c").await;
    let image = format!("/storage/{}/info/{}", bench.fake.host_uuid(), bench.layer);
    for (method, target, body, code, words) in [
        ("POST", "/tasks".to_owned(), Some(json!({"handle": handle})), 602, "path in body is required"),
        ("POST", "/tasks".into(), Some(json!({"path": "/x"})), 602, "handle in body is required"),
        ("POST", "/tasks".into(), None, 602, "config in body is required"),
        ("POST", image, Some(json!({"handle": handle, "deltaID": ""})), 602, "deltaID in body is required"),
        (
            "POST",
            "/containers?name=%21".into(),
            Some(json!({})),
            605,
            "name in query should match '/?[a-zA-Z0-9_-]+'",
        ),
        ("POST", "/containers".into(), None, 602, "createConfig in body is required"),
        (
            "PUT",
            format!("/containers/{handle}/state"),
            Some(json!("CREATED")),
            606,
            "state in body should be one of [RUNNING STOPPED]",
        ),
        (
            "PUT",
            format!("/containers/{handle}?wait_time=x"),
            None,
            601,
            "wait_time in query must be of type int32: \"x\"",
        ),
        ("POST", format!("/containers/{handle}/signal"), None, 602, "signal in query is required"),
        ("GET", format!("/containers/{handle}/wait"), None, 602, "timeout in query is required"),
        ("POST", "/interaction/x/resize?height=1".into(), None, 602, "width in query is required"),
        (
            "GET",
            "/interaction/x/stdout?deadline=soon".into(),
            None,
            601,
            "deadline in query must be of type date-time: \"soon\"",
        ),
    ] {
        let (status, found, said) = refusal(&bench, method, &target, body).await;
        assert_eq!((status, found, said.as_str()), (422, code, words), "{method} {target}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn bodies_have_to_be_json() {
    let bench = Bench::new().await;
    let to = bench.fake.port_layer();
    let send = async |target: &str, kind: &str, body: &'static str| {
        let answer = client::open(to, "POST", target, &[("content-type", kind)], client::full(body)).await;
        client::read(answer.unwrap()).await.unwrap()
    };
    let answer = send("/scopes", "text/plain", "{}").await;
    assert_eq!(
        answer.refusal(),
        (415, "unsupported media type \"text/plain\", only [application/json] are allowed".to_owned())
    );
    assert_eq!(send("/containers", "application/octet-stream", "{}").await.status, 400);
    assert_eq!(send("/containers", "application/json", "{").await.status, 400);
    assert_eq!(send("/containers", "application/json", r#"{"numCPUs": "two"}"#).await.status, 400);
    bench.finish().await;
}

#[tokio::test]
async fn trace_ids_have_a_form() {
    let bench = Bench::new().await;
    let to = bench.fake.port_layer();
    for (id, status) in [("1.2", 200), ("x", 422)] {
        let answer = client::open(to, "GET", "/_ping", &[("Op-ID", id)], client::full("")).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    bench.finish().await;
}

#[tokio::test]
async fn it_says_that_it_is_there_and_what_it_has() {
    let bench = Bench::new().await;
    let answer = bench.get("/_ping").await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "OK"));
    assert_eq!(answer.headers["content-type"], "text/plain");
    let info = bench.get("/vch/info").await.ok();
    assert_eq!((&info["cpuMhz"], &info["memory"]), (&json!(48_000), &json!(131_072)));
    assert_eq!(info.get("memUsage"), None, "zero is left out");
    let id = bench.running("exec sleep 60").await;
    assert_eq!(bench.get("/vch/info").await.ok()["memUsage"], json!(512 << 20));
    bench.stop(&id).await;
    bench.finish().await;
}

#[tokio::test]
async fn the_url_says_all() {
    let bench = Bench::new().await;
    let FakeVicOptions { host_uuid, .. } = FakeVicOptions::default();
    let (layer, persona) = (bench.fake.port_layer(), bench.fake.persona());
    assert_eq!(bench.fake.url(), format!("vic://{layer}?persona={persona}&host_uuid={host_uuid}"));
    assert!(layer.ip().is_loopback() && persona.ip().is_loopback());
    bench.finish().await;
}

#[tokio::test]
async fn texts_are_kept_by_name() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/kv/a").await.without_words(), 404);
    assert_eq!(bench.call("DELETE", "/kv/a").await.without_words(), 404);
    bench.ask("PUT", "/kv/a", json!({"Key": "a", "Value": "1"})).await.ok();
    assert_eq!(bench.get("/kv/a").await.ok(), json!({"Key": "a", "Value": "1"}));
    // It is the body's key that counts.
    bench.ask("PUT", "/kv/a", json!({"Key": "b", "Value": "2"})).await.ok();
    assert_eq!(bench.get("/kv/a").await.ok()["Value"], "1");
    assert_eq!(bench.get("/kv/b").await.ok()["Value"], "2");
    bench.call("DELETE", "/kv/a").await.ok();
    assert_eq!(bench.get("/kv/a").await.without_words(), 404);
    bench.finish().await;
}
