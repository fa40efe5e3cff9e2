use serde_json::json;

use super::client::{Ask, ask, fake, send};
use crate::fake_k8s::{cut, refuse};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn a_request_is_refused_before_or_after_its_effect() {
    let fake = fake();
    fake.faults().inject(refuse("POST configmaps", 503, None));
    fake.faults().inject(refuse("POST configmaps", 500, None).late());
    let body = || Some(json!({"metadata": {"name": "a"}}));
    assert_eq!(ask(&fake, "POST", MAPS, body()).await.status, 503);
    assert_eq!(ask(&fake, "GET", &format!("{MAPS}/a"), None).await.status, 404);
    assert_eq!(ask(&fake, "POST", MAPS, body()).await.status, 500);
    assert_eq!(ask(&fake, "GET", &format!("{MAPS}/a"), None).await.status, 200);
}

#[tokio::test]
async fn clients_are_told_when_to_come_back() {
    let fake = fake();
    fake.faults().inject(refuse("*", 429, Some(3)));
    let refused = ask(&fake, "GET", MAPS, None).await;
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (429, "3"));
}

#[tokio::test]
async fn connections_are_cut() {
    let fake = fake();
    fake.faults().inject(cut("LIST configmaps"));
    let asked = || Ask { method: "GET", path: MAPS, content_type: "", body: None, token: Some(fake.token()) };
    assert!(send(&fake, asked()).await.is_err());
    assert_eq!(send(&fake, asked()).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_server_that_is_down_comes_back_where_it_was() {
    let fake = fake();
    ask(&fake, "POST", MAPS, Some(json!({"metadata": {"name": "a"}}))).await;
    fake.stop().await;
    let address = fake.url().trim_start_matches("https://").to_owned();
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    fake.start_again().unwrap();
    assert_eq!(ask(&fake, "GET", &format!("{MAPS}/a"), None).await.status, 200);
}

#[tokio::test]
async fn the_clock_can_be_wrong() {
    let fake = fake();
    fake.clock().set_offset_seconds(-3600);
    let made = ask(&fake, "POST", MAPS, Some(json!({"metadata": {"name": "a"}}))).await;
    let stamped: jiff::Timestamp =
        made.json()["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
    let behind = jiff::Timestamp::now().duration_since(stamped);
    assert!(behind.as_secs() > 3590, "{behind:?}");
    assert_eq!(made.headers.get_all("date").iter().count(), 1);
}
