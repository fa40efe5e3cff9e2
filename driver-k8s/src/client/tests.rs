use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::testing::scripted::{Answer, Scripted};

fn get(target: &str) -> Request<Vec<u8>> {
    Request::get(target).body(Vec::new()).unwrap()
}

fn post(target: &str) -> Request<Vec<u8>> {
    Request::post(target).body(b"{}".to_vec()).unwrap()
}

fn soon() -> Context {
    Context::background().with_timeout(Duration::from_secs(20))
}

#[tokio::test]
async fn a_request_says_who_asks_and_for_whom() {
    let server = Scripted::start(|_, _| Answer::json(200, json!({"a": 1}))).await;
    let client = server.client().await;
    let cx = soon().with_trace_parent("00-trace");
    let answer: Value = client.call(&cx, &get("/version")).await.unwrap();
    assert_eq!(answer, json!({"a": 1}));
    let asked = &server.asked()[0];
    assert_eq!(asked.line, "GET /version");
    assert_eq!(asked.header("user-agent"), Some(AGENT));
    assert_eq!(asked.header("authorization"), Some("Bearer first"));
    assert_eq!(asked.header("traceparent"), Some("00-trace"));
    assert_eq!((client.namespace(), client.endpoint()), ("ns", server.url.as_str()));
    assert!(!format!("{client:?}").contains("first"));
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_way() {
    let proxy = Scripted::start(|_, _| Answer::Whole(403, "", String::new())).await;
    let mut surroundings = Surroundings {
        list: Some(proxy.config_of("https://c.example:6443").into()),
        ..Surroundings::default()
    };
    surroundings.proxies.https = Some(proxy.url.clone());
    let client = Client::new(Config::default(), surroundings).await.unwrap();
    let refusal = client.call::<Value>(&soon(), &get("/version")).await.unwrap_err();
    assert_eq!(refusal.error.kind(), ErrorKind::Unavailable, "{}", refusal.error);
    assert!(proxy.lines().iter().all(|line| line == "CONNECT c.example:6443"), "{:?}", proxy.lines());
    assert!(!proxy.lines().is_empty());
}

#[tokio::test]
async fn credentials_that_are_no_good_are_read_again_once() {
    let server = Scripted::start(|_, asked| match asked.header("authorization") {
        Some("Bearer second") => Answer::json(200, "{}"),
        _ => Answer::json(401, json!({"reason": "Unauthorized", "code": 401})),
    })
    .await;
    let client = server.client().await;
    let refusal = client.call::<Value>(&soon(), &post("/x")).await.unwrap_err();
    assert_eq!(refusal.error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(server.lines(), ["POST /x", "POST /x"]);
    std::fs::write(server.token_file(), "second\n").unwrap();
    client.call::<Value>(&soon(), &post("/x")).await.unwrap();
    assert_eq!(server.lines().len(), 4);
    // From then on the new ones are used.
    client.call::<Value>(&soon(), &post("/x")).await.unwrap();
    assert_eq!(server.lines().len(), 5);
}

#[tokio::test]
async fn what_the_server_has_no_time_for_is_tried_again() {
    let busy = |code| {
        move |before, _: &_| match before {
            0 | 1 => Answer::Whole(code, "retry-after: 1\r\n", String::new()),
            _ => Answer::json(200, "{}"),
        }
    };
    for code in [429, 503] {
        let server = Scripted::start(busy(code)).await;
        let started = Instant::now();
        server.client().await.call::<Value>(&soon(), &get("/x")).await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(2), "it was asked when to come again");
        assert_eq!(server.lines().len(), 3);
    }
    // A quota that somebody else has changed meanwhile.
    let conflict = json!({"kind": "Status", "reason": "Conflict", "code": 409});
    let server = Scripted::start(move |before, _| match before {
        0 | 1 => Answer::json(409, &conflict),
        _ => Answer::json(201, "{}"),
    });
    let server = server.await;
    server.client().await.call::<Value>(&soon(), &post("/x")).await.unwrap();
    assert_eq!(server.lines().len(), 3);
    // What may have been done is not done again.
    let server = Scripted::start(busy(503)).await;
    let refusal = server.client().await.call::<Value>(&soon(), &post("/x")).await.unwrap_err();
    assert!(refusal.error.is_transient() && refusal.is_lost());
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn trying_again_has_bounds() {
    let server = Scripted::start(|_, _| Answer::Whole(503, "", String::new())).await;
    let refusal = server.client().await.call::<Value>(&soon(), &get("/x")).await.unwrap_err();
    assert_eq!((refusal.code, server.lines().len()), (Some(503), 5));
    let server = Scripted::start(|_, _| Answer::Whole(503, "retry-after: 60\r\n", String::new())).await;
    server.client().await.call::<Value>(&soon(), &get("/x")).await.unwrap_err();
    assert_eq!(server.lines().len(), 1, "60 s are more than there is time for");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_where_that_does_no_harm() {
    let cut = |before, _: &_| if before == 0 { Answer::Cut } else { Answer::json(200, "{}") };
    let server = Scripted::start(cut).await;
    server.client().await.call::<Value>(&soon(), &get("/x")).await.unwrap();
    let server = Scripted::start(cut).await;
    let refusal = server.client().await.call::<Value>(&soon(), &post("/x")).await.unwrap_err();
    assert!(refusal.is_lost() && refusal.error.is_transient(), "{refusal:?}");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_deadline_ends_a_request_and_its_connection() {
    let server =
        Scripted::start(|before, _| if before == 0 { Answer::Silence } else { Answer::json(200, "{}") })
            .await;
    let client = server.client().await;
    let hasty = Context::background().with_timeout(Duration::from_millis(100));
    let refusal = client.call::<Value>(&hasty, &post("/x")).await.unwrap_err();
    assert_eq!(refusal.error.kind(), ErrorKind::DeadlineExceeded);
    assert!(refusal.is_lost());
    assert!(client.current().given_up);
    client.call::<Value>(&soon(), &post("/x")).await.unwrap();
    let connection = client.current().clone();
    assert_eq!((connection.number, connection.given_up), (1, false));
}

#[tokio::test]
async fn many_renewals_at_once_are_one() {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let server = Scripted::start(move |_, asked| match asked.header("authorization") {
        Some("Bearer second") => Answer::json(200, "{}"),
        _ => {
            count.fetch_add(1, Ordering::Relaxed);
            Answer::json(401, "{}")
        }
    })
    .await;
    let client = server.client().await;
    std::fs::write(server.token_file(), "second").unwrap();
    let cx = soon();
    let request = get("/x");
    let calls = (0..20).map(|_| client.call::<Value>(&cx, &request));
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(client.current().number, 1);
    assert!(refused.load(Ordering::Relaxed) <= 20);
}

#[tokio::test]
async fn nobody_there() {
    let server = Scripted::start(|_, _| Answer::Cut).await;
    let client = server.client().await;
    drop(server);
    let refusal = client.call::<Value>(&soon(), &get("/x")).await.unwrap_err();
    assert_eq!(refusal.error.kind(), ErrorKind::Unavailable);
    assert!(refusal.error.is_transient() && refusal.never_sent && !refusal.is_lost(), "{refusal:?}");
    assert!(refusal.error.to_string().contains("connection refused"), "{refusal:?}");
}

#[tokio::test]
async fn what_is_no_answer_of_kubernetes() {
    let server = Scripted::start(|_, _| Answer::json(200, "hello")).await;
    let refusal = server.client().await.call::<Value>(&soon(), &get("/x")).await.unwrap_err();
    assert_eq!(refusal.error.kind(), ErrorKind::Protocol);
}
