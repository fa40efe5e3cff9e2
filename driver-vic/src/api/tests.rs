//! Requests as they go over the wire, and answers in the forms that the server has.

use hyper::Method;
use runtime_core::{Context, ErrorKind};
use serde_json::{Value, json};
use testkit::scripted::{Answer, Scripted};

use super::{
    Handle, LogRange, Target,
    models::{ContainerInfo, OfHandle},
};
use crate::{client::Client, path::Path};

async fn server(answer: impl Fn() -> Answer + Send + Sync + 'static) -> (Scripted, Client) {
    let server = Scripted::start(move |_, _| answer()).await.unwrap();
    let client = Client::new(server.url.strip_prefix("http://").unwrap());
    (server, client)
}

fn handle() -> Handle {
    Handle("h".to_owned())
}

#[tokio::test]
async fn bodies_go_with_get_and_delete_too() {
    let (server, client) = server(|| Answer::json(200, json!({"id": "t", "state": "running"}))).await;
    let cx = Context::background();
    assert_eq!(client.inspect_task(&cx, &handle(), "t").await.unwrap().state, "running");
    let body = OfHandle { handle: handle() };
    client.call::<Value>(&cx, Method::DELETE, Path::of(["tasks"]), Some(&body)).await.unwrap();
    let asked = server.asked();
    assert_eq!((asked[0].line.as_str(), asked[1].line.as_str()), ("GET /tasks", "DELETE /tasks"));
    assert_eq!(serde_json::from_str::<Value>(&asked[0].body).unwrap(), json!({"handle": "h", "id": "t"}));
    assert_eq!(asked[1].body, r#"{"handle":"h"}"#);
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn states_and_handles_are_bare_strings_and_logs_always_say_since() {
    let (server, client) = server(|| Answer::json(200, "\"h\"")).await;
    let cx = Context::background();
    assert_eq!(client.set_state(&cx, &handle(), Target::Running).await.unwrap(), handle());
    client.commit(&cx, &handle(), Some(7)).await.unwrap();
    drop(client.logs(&cx, "c", &LogRange::default()).await.unwrap());
    let asked = server.asked();
    assert_eq!((asked[0].line.as_str(), asked[0].body.as_str()), ("PUT /containers/h/state", "\"RUNNING\""));
    assert_eq!(asked[1].line, "PUT /containers/h?wait_time=7");
    assert_eq!(asked[2].line, "GET /containers/c/logs?follow=false&since=0&timestamp=true");
}

#[tokio::test]
async fn what_is_null_or_missing_has_its_default() {
    for body in ["[]", "null"] {
        let (_server, client) = server(move || Answer::json(200, body)).await;
        assert_eq!(client.list(&Context::background()).await.unwrap(), []);
    }
    let info = json!({"containerConfig": {"containerId": "c", "annotations": null}, "endpoints": null, "processConfig": null});
    let info: ContainerInfo = serde_json::from_value(info).unwrap();
    assert_eq!(info.container_config.container_id, "c");
    assert!(info.endpoints.is_empty() && info.process_config.status.is_empty());
}

#[tokio::test]
async fn a_create_says_not_found_of_everything_that_fails() {
    let (_server, client) = server(|| Answer::json(404, r#"{"message":"no resources"}"#)).await;
    let config = super::models::CreateConfig {
        name: "n".to_owned(),
        num_cpus: 1,
        memory_mib: 512,
        hostname: "h".to_owned(),
        annotations: Default::default(),
    };
    let refusal = client.create(&Context::background(), &config).await.unwrap_err();
    assert_eq!((refusal.error.kind(), refusal.error.message()), (ErrorKind::Failed, "no resources"));
}

#[tokio::test]
async fn a_lost_connection_and_a_deadline_are_told_apart_from_refusals() {
    let (_server, client) = server(|| Answer::Cut).await;
    let refusal = client.ping(&Context::background()).await.unwrap_err();
    assert!(refusal.is_lost() && refusal.error.is_transient(), "{refusal:?}");
    let (_server, client) = server(|| Answer::Silence).await;
    let cx = Context::background().with_timeout(std::time::Duration::from_millis(50));
    let refusal = client.ping(&cx).await.unwrap_err();
    assert!(refusal.is_lost() && refusal.error.kind() == ErrorKind::DeadlineExceeded);
    // A port at which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let refusal = Client::new(&address).ping(&Context::background()).await.unwrap_err();
    assert!(!refusal.is_lost() && refusal.error.kind() == ErrorKind::Unavailable, "{refusal:?}");
}
