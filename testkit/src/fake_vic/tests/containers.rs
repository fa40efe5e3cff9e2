//! What is told of containers, and what is done to them without a handle.

use super::*;

#[tokio::test]
async fn info_tells_what_was_asked_for() {
    let bench = Bench::new().await;
    let id = bench.made_with("true", json!({"openStdin": true, "user": "1:2"})).await;
    let info = bench.info(&id).await;
    let config = &info["containerConfig"];
    assert_eq!(config["containerId"], json!(id));
    assert_eq!((&config["names"], &config["annotations"]), (&json!(["c"]), &json!({"a": "c"})));
    assert_eq!((&config["layerId"], &config["imageId"]), (&json!(bench.layer), &json!("i")));
    assert_eq!((&config["state"], &config["repoName"]), (&json!("Created"), &json!("host")));
    assert_eq!((&config["attachStdin"], &config["tty"]), (&json!(true), &json!(false)));
    assert!(config["createTime"].as_i64().unwrap() > 1_000_000_000_000_000_000, "in nanoseconds");
    let process = &info["processConfig"];
    assert_eq!(process["execArgs"], json!(["/bin/sh", "-c", "true"]));
    assert_eq!((&process["execPath"], &process["workingDir"]), (&json!("/bin/sh"), &json!("/tmp")));
    assert_eq!((&process["user"], &process["env"]), (&json!("1:2"), &json!(["A=b"])));
    for zero in ["status", "startTime", "stopTime", "exitCode", "pid"] {
        assert_eq!(process.get(zero), None, "{zero}");
    }
    assert_eq!(info["volumeConfig"], Value::Null);
    assert!(info["dataVersion"].as_i64().unwrap() > 0);
    // Which image was joined last is all that is told of images.
    assert_eq!(bench.get("/containers/info/nobody").await.status, 404);
    bench.finish().await;
}

#[tokio::test]
async fn lists_are_newest_first() {
    let bench = Bench::new().await;
    let old = bench.made("exec sleep 60").await;
    let new = bench.made("exec sleep 60").await;
    let ids = async |query: &str| -> Vec<String> {
        let list = bench.get(&format!("/containers/list{query}")).await.ok();
        let id = |info: &Value| info["containerConfig"]["containerId"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(id).collect()
    };
    assert_eq!(ids("").await, [new.clone(), old.clone()]);
    assert_eq!(ids("?all=true").await, [new, old.clone()]);
    assert_eq!(ids("?all=false").await, Vec::<String>::new());
    bench.start(&old).await;
    assert_eq!(ids("?all=false").await, [old]);
    bench.finish().await;
}

#[tokio::test]
async fn what_is_told_needs_a_task_with_the_id_of_the_container() {
    for (options, panics) in [(quick(), true), (without_bugs(), false)] {
        let bench = Bench::with(options).await;
        let draft = bench.draft("c").await;
        bench.add(&draft, "another", "true", json!({})).await;
        bench.commit(&draft.handle).await.ok();
        let info = format!("/containers/info/{}", draft.id);
        if panics {
            bench.dropped("GET", &info, None).await;
            bench.dropped("GET", "/containers/list", None).await;
        } else {
            assert_eq!(bench.get(&info).await.ok()["processConfig"], json!({}));
        }
        bench.finish().await;
    }
}

#[tokio::test]
async fn by_the_name_that_vsphere_has_for_it() {
    let bench = Bench::new().await;
    let id = bench.made("true").await;
    let info = bench.get("/containers/info/VirtualMachine:vm-1").await.ok();
    assert_eq!(info["containerConfig"]["containerId"], json!(id));
    assert_eq!(bench.get(&format!("/containers/{}", &id[..12])).await.status, 404, "not by a part of the id");
    bench.finish().await;
}

#[tokio::test]
async fn only_what_runs_is_not_removed() {
    let bench = Bench::new().await;
    let id = bench.running("exec sleep 60").await;
    let remove = format!("/containers/{id}?force=true&v=false");
    let answer = bench.call("DELETE", &remove).await;
    assert_eq!(answer.refusal(), (409, format!("Container {id} is powered on")));
    bench.stop(&id).await;
    bench.call("DELETE", &remove).await.ok();
    assert_eq!(bench.call("DELETE", &remove).await.without_words(), 404);
    assert_eq!(bench.fake.containers(), Vec::<String>::new());
    // What was never started, too.
    let id = bench.made("true").await;
    let stale = bench.open(&id).await;
    bench.call("DELETE", &format!("/containers/{id}")).await.ok();
    bench.call("PATCH", &format!("/containers/{stale}/name?name=x")).await.ok();
    assert_eq!(bench.commit(&stale).await.status, 503, "there is no VM any more");
    bench.finish().await;
}

#[tokio::test]
async fn what_is_starting_passes_as_not_running_and_is_not_removed() {
    let bench = Bench::new().await;
    let id = bench.made("exec sleep 60").await;
    let hang = bench.fake.faults().inject(crate::fake_vic::fault::launch_hangs());
    let starting = bench.try_start(&id);
    let removing = async {
        bench.until(&id, |info| info["containerConfig"]["state"] == "Starting").await;
        let answer = bench.call("DELETE", &format!("/containers/{id}")).await;
        assert_eq!(answer.without_words(), 500);
        assert_eq!(bench.state(&id).await, "Starting");
        hang.release();
    };
    let (started, ()) = tokio::join!(starting, removing);
    started.ok();
    bench.finish().await;
}

#[tokio::test]
async fn signals() {
    let bench = Bench::new().await;
    let id = bench.made("trap 'exit 7' USR1; while :; do sleep 0.01; done").await;
    let signal = |number: i32| format!("/containers/{id}/signal?signal={number}");
    assert_eq!(bench.call("POST", &signal(10)).await.status, 500, "it is off");
    bench.call("POST", &signal(9)).await.ok();
    assert_eq!(bench.call("POST", "/containers/nobody/signal?signal=9").await.status, 404);
    bench.start(&id).await;
    // The shell may not have come to its trap yet; then the signal ends it otherwise.
    tokio::time::sleep(Duration::from_millis(100)).await;
    bench.call("POST", &signal(10)).await.ok();
    assert_eq!(bench.stopped(&id).await["processConfig"]["exitCode"], 7);
    bench.start(&id).await;
    bench.call("POST", &signal(9)).await.ok();
    let info = bench.stopped(&id).await;
    assert_eq!(
        (&info["processConfig"]["exitCode"], &info["processConfig"]["status"]),
        (&json!(-1), &json!("true"))
    );
    bench.finish().await;
}

#[tokio::test]
async fn waits_end() {
    let bench = Bench::new().await;
    let id = bench.running("exec sleep 60").await;
    let answer = bench.get(&format!("/containers/{id}/wait?timeout=1")).await;
    assert_eq!(answer.status, 500, "it goes on");
    let (info, ()) = tokio::join!(bench.stopped(&id), bench.stop(&id));
    assert_eq!(info["containerConfig"]["state"], "Stopped");
    assert_eq!(bench.get("/containers/nobody/wait?timeout=1").await.status, 404);
    bench.finish().await;
}
