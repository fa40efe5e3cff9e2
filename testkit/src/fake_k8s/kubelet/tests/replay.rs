//! Every recorded pod, run here: the statuses have to come in the recorded order.

use super::*;

/// What of an event is compared: all but times, ids, addresses and versions.
fn essence(kind: &str, pod: &Value) -> Value {
    let (metadata, status) = (&pod["metadata"], &pod["status"]);
    let conditions: Vec<_> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| json!([it["type"], it["status"], it["reason"], it["message"], it["observedGeneration"]]))
        .collect();
    let containers = |list: &str| -> Vec<Value> {
        let all = status[list].as_array().into_iter().flatten();
        all.map(|it| {
            let (kind, state) = it["state"].as_object().and_then(|state| state.iter().next()).unwrap();
            let fields =
                ["ready", "started", "restartCount", "allocatedResources"].map(|key| it[key].clone());
            json!([it["name"], kind, state["reason"], state["exitCode"], fields])
        })
        .collect()
    };
    json!({
        "type": kind,
        "bound": pod["spec"]["nodeName"],
        "generation": metadata["generation"],
        "deleting": !metadata["deletionTimestamp"].is_null(),
        "grace": metadata["deletionGracePeriodSeconds"],
        "phase": status["phase"],
        "observedGeneration": status["observedGeneration"],
        "conditions": conditions,
        "containers": containers("containerStatuses"),
        "init": containers("initContainerStatuses"),
        "hasIp": !status["podIP"].is_null(),
        "hasStart": !status["startTime"].is_null(),
        "qos": status["qosClass"],
    })
}

/// What the recorder did, and the statuses it saw.
enum Step {
    Sees(Box<Value>),
    Deletes(Option<i64>),
    EndsInit,
}

fn steps(recording: &[Value]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for entry in recording {
        if let Some(note) = entry["note"].as_str() {
            match note {
                "DELETE grace 3" => steps.push(Step::Deletes(Some(3))),
                note if note.starts_with("DELETE") => steps.push(Step::Deletes(Some(0))),
                note if note.contains("touch done") => steps.push(Step::EndsInit),
                _ => {}
            }
            continue;
        }
        let kind = entry["event"]["type"].as_str().unwrap();
        if kind == "BOOKMARK" {
            continue;
        }
        let seen = essence(kind, &entry["event"]["object"]);
        // What was only noise of the node's own counting is told twice.
        if !matches!(steps.last(), Some(Step::Sees(before)) if **before == seen) {
            steps.push(Step::Sees(Box::new(seen)));
        }
    }
    steps
}

/// The recorded pod, on files that are here. `done` is what its init container looks for.
fn pod(recording: &[Value], done: &str) -> Value {
    let first = recording.iter().find(|entry| !entry["event"].is_null()).unwrap();
    let object = &first["event"]["object"];
    let text = object["spec"]
        .to_string()
        .replace("localhost:5000/e2e-test-images/busybox:1.29-2", HOST_IMAGE)
        .replace("[[ -f /tmp/done ]]", &format!("[ -f {done} ]"));
    let spec: Value = serde_json::from_str(&text).unwrap();
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": object["metadata"]["name"], "labels": object["metadata"]["labels"]},
        "spec": spec,
        "status": object["status"],
    })
}

async fn next(watch: &mut Watch, before: &mut Value) -> Value {
    loop {
        let event: Event = tokio::time::timeout(LONG, watch.next()).await.expect("an event").unwrap();
        let kind = event.kind.as_str();
        let seen = essence(kind, &event.object);
        if seen != *before {
            *before = seen.clone();
            return seen;
        }
    }
}

async fn replay(name: &str) {
    let Some(recordings) = recordings() else {
        eprintln!("no recordings here: nothing is compared");
        return;
    };
    let recording = read(recordings.join(format!("watch-{name}.json")));
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let bench = Bench::new().await;
    let mut watch = bench.store.watch(Resource::Pods, From::Start);
    let object = pod(&recording, done.to_str().unwrap());
    let pod_name = object["metadata"]["name"].as_str().unwrap().to_owned();
    bench.store.create(Resource::Pods, "default", object).unwrap();
    let mut before = Value::Null;
    let mut seen: VecDeque<Value> = VecDeque::new();
    for step in steps(&recording) {
        match step {
            Step::Deletes(grace) => bench.delete(&pod_name, grace),
            Step::EndsInit => std::fs::write(&done, "").unwrap(),
            Step::Sees(want) => {
                let got = next(&mut watch, &mut before).await;
                assert!(got == *want, "{name}: after {seen:#?}\ngot {got:#}\nwant {want:#}");
                seen.push_back(got);
            }
        }
    }
    bench.until_empty().await;
    bench.finish().await;
}

macro_rules! replays {
    ($($test:ident $name:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            replay($name).await;
        }
    )*};
}

replays! {
    command_not_found "command-not-found";
    exit_3_at_once "exit-3-at-once";
    graceful_delete_ignores_term "graceful-delete-ignores-term";
    image_not_found "image-not-found";
    init_then_run_then_delete "init-then-run-then-delete";
    missing_config_map "missing-config-map";
    oom_killed "oom-killed";
    unschedulable_arch "unschedulable-arch";
}
