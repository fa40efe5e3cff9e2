//! Image stores.

use super::*;

#[tokio::test]
async fn stores_and_what_is_in_them() {
    let bench = Bench::new().await;
    let store = bench.fake.host_uuid().to_owned();
    let made = bench.ask("POST", "/storage", json!({"name": "other"})).await;
    assert_eq!((made.status, &made.json()["code"]), (201, &json!(201)));
    let again = bench.ask("POST", "/storage", json!({"name": store})).await;
    assert_eq!((again.status, &again.json()["code"]), (409, &json!(409)));
    let all = bench.get(&format!("/storage/{store}")).await.ok();
    assert_eq!((all.as_array().unwrap().len(), &all[0]["ID"]), (1, &json!(bench.layer)));
    assert_eq!(all[0]["Parent"], "scratch");
    let some = bench.get(&format!("/storage/{store}?ids=nobody,{}", bench.layer)).await.ok();
    assert_eq!(some, all, "what is not there is left out");
    assert_eq!(bench.get("/storage/other").await.ok(), json!([]));
    assert_eq!(bench.get("/storage/nowhere").await.json()["code"], 404);
    assert_eq!(bench.get(&format!("/storage/{store}/info/{}", bench.layer)).await.ok(), all[0]);
    assert_eq!(bench.get(&format!("/storage/{store}/info/nobody")).await.json()["code"], 404);
    let tar = bench.get(&format!("/storage/{store}/tar/{}", bench.layer)).await;
    assert_eq!(tar.status, 501);
    bench.finish().await;
}

#[tokio::test]
async fn joins_need_a_layer() {
    let bench = Bench::new().await;
    let draft = bench.draft("c").await;
    let body = json!({"handle": draft.handle, "deltaID": "d"});
    for target in
        ["/storage/nowhere/info/x".to_owned(), format!("/storage/{}/info/x", bench.fake.host_uuid())]
    {
        let answer = bench.ask("POST", &target, body.clone()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!(404)));
    }
    bench.finish().await;
}

#[tokio::test]
async fn layers_are_written_and_removed() {
    let bench = Bench::new().await;
    let content = "not looked at";
    let digest = format!("sha256:{}", "0".repeat(64));
    let right = {
        use sha2::{Digest, Sha256};
        let hex: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    };
    let write = async |id: &str, parent: &str, sum: &str| {
        let target = format!(
            "/storage/{}?image_id={id}&parent_id={parent}&sum={sum}&metadatakey=k&metadataval=v",
            bench.fake.host_uuid()
        );
        let headers = [("content-type", "application/octet-stream")];
        let to = bench.fake.port_layer();
        let answer = client::open(to, "POST", &target, &headers, client::full(content)).await.unwrap();
        client::read(answer).await.unwrap()
    };
    assert_eq!(write("a", "scratch", &digest).await.status, 500, "the checksum is wrong");
    assert_eq!(write("a", "nobody", &right).await.status, 500, "there is no such parent");
    let written = write("a", "scratch", &right).await;
    assert_eq!((written.status, &written.json()["Metadata"]), (201, &json!({"k": "v"})));
    assert_eq!(write("b", "a", &right).await.status, 201);
    assert_eq!(write("b", "a", "whatever").await.status, 201, "it is there");
    let info = |id: &str| format!("/storage/{}/info/{id}", bench.fake.host_uuid());
    assert_eq!(bench.call("DELETE", &info("b")).await.status, 422);
    assert_eq!(
        bench.call("DELETE", &format!("{}?keepNodes=", info("a"))).await.status,
        423,
        "another is over it"
    );
    let kept = bench.call("DELETE", &format!("{}?keepNodes=a", info("b"))).await.ok();
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["ID"]), (1, &json!("b")));
    assert_eq!(bench.call("DELETE", &format!("{}?keepNodes=x", info("b"))).await.status, 404);
    bench.finish().await;
}

#[tokio::test]
async fn what_is_joined_is_in_use() {
    let bench = Bench::new().await;
    bench.made("true").await;
    let target = format!("/storage/{}/info/{}?keepNodes=x", bench.fake.host_uuid(), bench.layer);
    assert_eq!(bench.call("DELETE", &target).await.status, 423);
    bench.finish().await;
}
