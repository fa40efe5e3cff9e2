//! Networks: scopes, addresses, and the two forms of endpoints.

use super::*;
use crate::fake_vic::fault;

#[tokio::test]
async fn scopes_come_and_go() {
    let bench = Bench::new().await;
    let all = bench.get("/scopes").await.ok();
    assert_eq!((&all[0]["name"], &all[0]["subnet"]), (&json!("bridge"), &json!("172.16.0.0/16")));
    assert_eq!(bench.get("/scopes/default").await.ok()[0]["name"], "bridge");
    let made = bench.ask("POST", "/scopes", json!({"name": "n", "scopeType": "bridge"})).await;
    assert_eq!(made.status, 201);
    let made = made.ok();
    assert_eq!((&made["subnet"], &made["gateway"]), (&json!("172.17.0.0/16"), &json!("172.17.0.1")));
    let again = bench.ask("POST", "/scopes", json!({"name": "n", "scopeType": "bridge"})).await;
    assert_eq!(again.without_words(), 409);
    for bad in [
        json!({"name": "x", "scopeType": "external"}),
        json!({"name": "x", "scopeType": "bridge", "subnet": "nonsense"}),
        json!({"name": "x", "scopeType": "bridge", "subnet": "172.16.3.0/24"}),
    ] {
        assert_eq!(bench.ask("POST", "/scopes", bad).await.status, 503);
    }
    let by_id = format!("/scopes/{}", made["id"].as_str().unwrap());
    assert_eq!(bench.get(&by_id).await.ok()[0]["name"], "n");
    assert_eq!(bench.call("DELETE", "/scopes/bridge").await.status, 500);
    assert_eq!(bench.call("DELETE", "/scopes/n").await.status, 200);
    assert_eq!(bench.call("DELETE", "/scopes/n").await.status, 404);
    assert_eq!(bench.get("/scopes/n").await.status, 404);
    bench.finish().await;
}

#[tokio::test]
async fn a_part_of_an_id_that_several_have() {
    let bench = Bench::new().await;
    // Of seventeen ids two begin alike.
    for at in 0..15 {
        let body = json!({"name": format!("n{at}"), "scopeType": "bridge"});
        bench.ask("POST", "/scopes", body).await.ok();
    }
    bench
        .ask("POST", "/scopes", json!({"name": "more", "scopeType": "bridge", "subnet": "10.0.0.0/24"}))
        .await
        .ok();
    let all = bench.get("/scopes").await.ok();
    let mut begins: Vec<_> =
        all.as_array().unwrap().iter().map(|scope| scope["id"].as_str().unwrap()[..1].to_owned()).collect();
    begins.sort();
    let twice = begins.windows(2).find(|pair| pair[0] == pair[1]).unwrap()[0].clone();
    bench.dropped("GET", &format!("/scopes/{twice}"), None).await;
    bench.finish().await;
}

#[tokio::test]
async fn binding_is_at_once_and_for_all() {
    let bench = Bench::new().await;
    let id = bench.made("exec sleep 60").await;
    let bind = async |handle: &str, method: &str| {
        bench.call(method, &format!("/scopes/containers/{handle}/binding")).await.ok()
    };
    let endpoints = format!("/scopes/containers/{id}");
    assert_eq!(bench.get(&endpoints).await.refusal(), (404, "container not found".into()));
    let handle = bench.open(&id).await;
    let bound = bind(&handle, "POST").await;
    assert_eq!(bound["handle"], json!(handle));
    let endpoint = &bound["endpoints"][0];
    assert_eq!((&endpoint["address"], &endpoint["gateway"]), (&json!("172.16.0.2"), &json!("")));
    assert_eq!((&endpoint["id"], &endpoint["container"]), (&json!(id), &json!(id)));
    assert_eq!((&endpoint["scope"], &endpoint["aliases"]), (&json!("bridge"), &Value::Null));
    // No commit was needed; twice is as once, by any handle.
    assert_eq!(bench.get(&endpoints).await.ok(), bound["endpoints"]);
    assert_eq!(bench.get(&format!("/scopes/containers/{handle}")).await.ok(), bound["endpoints"]);
    let other = bench.open(&id).await;
    assert_eq!(bind(&other, "POST").await["endpoints"], bound["endpoints"]);
    // The other takes it away from both.
    assert_eq!(bind(&other, "DELETE").await["endpoints"], bound["endpoints"]);
    assert_eq!(bind(&handle, "DELETE").await["endpoints"], json!([]));
    assert_eq!(bench.get(&endpoints).await.status, 404);
    bench.finish().await;
}

#[tokio::test]
async fn the_lowest_address_is_used_again() {
    let bench = Bench::new().await;
    let [first, second] = [bench.running("exec sleep 60").await, bench.running("exec sleep 60").await];
    let address = async |id: &str| {
        let info = bench.until(id, |info| info["endpoints"][0]["address"] != "").await;
        info["endpoints"][0].clone()
    };
    let endpoint = address(&first).await;
    assert_eq!(
        (&endpoint["address"], &endpoint["gateway"]),
        (&json!("172.16.0.2/16"), &json!("172.16.0.1/16"))
    );
    assert_eq!((&endpoint["id"], &endpoint["scope"]), (&json!("192"), &json!("bridge")));
    assert_eq!(address(&second).await["address"], "172.16.0.3/16");
    bench.stop(&first).await;
    let third = bench.running("exec sleep 60").await;
    assert_eq!(address(&third).await["address"], "172.16.0.2/16");
    bench.finish().await;
}

#[tokio::test]
async fn a_container_that_is_removed_keeps_its_address() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    let handle = bench.open(&id).await;
    bench.call("POST", &format!("/scopes/containers/{handle}/binding")).await.ok();
    bench.commit(&handle).await.ok();
    bench.call("DELETE", &format!("/containers/{id}")).await.ok();
    let id = bench.made("true").await;
    let handle = bench.open(&id).await;
    let bound = bench.call("POST", &format!("/scopes/containers/{handle}/binding")).await.ok();
    assert_eq!(bound["endpoints"][0]["address"], "172.16.0.3");
    bench.finish().await;
}

#[tokio::test]
async fn members() {
    for (options, missing) in [(quick(), 500), (without_bugs(), 404)] {
        let bench = Bench::with(options).await;
        let Draft { handle, .. } = bench.draft("c").await;
        let add = async |name: &str| {
            let network = json!({"networkName": name, "ports": ["80:8080/tcp"], "address": "172.16.5.5"});
            let body = json!({"handle": handle, "networkConfig": network});
            // The body's name counts.
            bench.ask("POST", "/scopes/ignored/containers", body).await
        };
        assert_eq!(add("nowhere").await.refusal(), (missing, "scope nowhere not found".into()));
        let answer = bench.call("POST", &format!("/scopes/containers/{handle}/binding")).await;
        assert_eq!(answer.refusal(), (500, "nothing to bind".into()));
        assert_eq!(bench.call("DELETE", &format!("/scopes/bridge/containers/{handle}")).await.status, 500);
        assert_eq!(add("default").await.ok(), json!(handle));
        assert_eq!(add("bridge").await.ok(), json!(handle), "it is there already");
        let bound = bench.call("POST", &format!("/scopes/containers/{handle}/binding")).await.ok();
        assert_eq!(bound["endpoints"].as_array().unwrap().len(), 1);
        let endpoint = &bound["endpoints"][0];
        assert_eq!(
            (&endpoint["address"], &endpoint["ports"]),
            (&json!("172.16.5.5"), &json!(["80:8080/tcp"]))
        );
        let answer = bench.call("DELETE", &format!("/scopes/bridge/containers/{handle}")).await;
        assert_eq!(answer.refusal(), (500, "container is bound".into()));
        bench.call("DELETE", &format!("/scopes/containers/{handle}/binding")).await.ok();
        assert_eq!(
            bench.call("DELETE", &format!("/scopes/bridge/containers/{handle}")).await.ok(),
            json!(handle)
        );
        bench.finish().await;
    }
}

#[tokio::test]
async fn the_guest_tells_its_address_when_it_has_it() {
    let bench = Bench::new().await;
    let late = bench.fake.faults().inject(fault::address_is_late());
    let id = bench.running("exec sleep 60").await;
    assert_eq!(bench.info(&id).await["endpoints"][0]["address"], "");
    late.release();
    bench.until(&id, |info| info["endpoints"][0]["address"] == "172.16.0.2/16").await;
    bench.finish().await;
}
