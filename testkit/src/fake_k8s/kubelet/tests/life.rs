//! Lives of pods that were not recorded.

use super::*;
use crate::fake_k8s::kubelet::NodeOptions;

#[tokio::test]
async fn a_pod_that_succeeds_says_completed() {
    let bench = Bench::new().await;
    bench.create("a", script("exit 0"));
    let pod = bench.until_phase("a", "Succeeded").await;
    let state = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&state["exitCode"], &state["reason"]), (&json!(0), &json!("Completed")));
    let ready = pod["status"]["conditions"].as_array().unwrap().iter().find(|it| it["type"] == "Ready");
    assert_eq!(ready.unwrap()["reason"], "PodCompleted");
    bench.finish().await;
}

#[tokio::test]
async fn one_that_crashes_is_run_again_with_growing_waits() {
    let bench = Bench::new().await;
    let mut spec = script("exit 4");
    spec["restartPolicy"] = "Always".into();
    bench.create("a", spec);
    let pod = bench
        .until("a", "crash loop", |pod| {
            let status = &pod["status"]["containerStatuses"][0];
            status["state"]["waiting"]["reason"] == "CrashLoopBackOff" && status["restartCount"] == 2
        })
        .await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 4);
    assert!(
        status["state"]["waiting"]["message"].as_str().unwrap().starts_with("back-off 20s restarting failed")
    );
    assert_eq!(pod["status"]["phase"], "Running");
    bench.finish().await;
}

#[tokio::test]
async fn environment_comes_from_everywhere() {
    let bench = Bench::new().await;
    let map =
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "m"}, "data": {"k": "mapped"}});
    bench.store.create(Resource::ConfigMaps, "default", map).unwrap();
    let secret =
        json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"k": "c2VjcmV0"}});
    bench.store.create(Resource::Secrets, "default", secret).unwrap();
    let mut spec = script("test \"$A $B $C $N $P_k\" = 'mapped secret mapped-x a mapped'");
    spec["containers"][0]["envFrom"] = json!([{"prefix": "P_", "configMapRef": {"name": "m"}}]);
    spec["containers"][0]["env"] = json!([
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "C", "value": "$(A)-x"},
        {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]);
    bench.create("a", spec);
    bench.until_phase("a", "Succeeded").await;
    bench.finish().await;
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_in_sight() {
    let bench = Bench::new().await;
    let mut spec = script("exit 0");
    spec["volumes"] = json!([{"name": "v", "nfs": {"server": "s", "path": "/"}}]);
    bench.create("a", spec);
    let pod = bench
        .until("a", "refused", |pod| {
            pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
                == "CreateContainerConfigError"
        })
        .await;
    let message = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
    assert!(message.as_str().unwrap().starts_with("the fake can't"), "{message}");
    bench.finish().await;
}

#[tokio::test]
async fn deadline_and_eviction_say_who_ended_it() {
    let bench = Bench::new().await;
    let mut spec = script("sleep 1000");
    spec["activeDeadlineSeconds"] = 1.into();
    bench.create("late", spec);
    bench.create("evicted", script("sleep 1000"));
    bench.until_phase("evicted", "Running").await;
    bench.kubelets.evict("default", "evicted", "The node was low on resource: memory.").unwrap();
    let pod = bench.until_phase("evicted", "Failed").await;
    assert_eq!(pod["status"]["reason"], "Evicted");
    assert_eq!(bench.until_phase("late", "Failed").await["status"]["reason"], "DeadlineExceeded");
    bench.finish().await;
}

const IGNORES_TERM: &str = "trap '' TERM; while :; do sleep 0.1; done";

fn with_grace(seconds: i64) -> Value {
    let mut spec = script(IGNORES_TERM);
    spec["terminationGracePeriodSeconds"] = seconds.into();
    spec
}

#[tokio::test]
async fn a_shorter_grace_is_heard_while_a_pod_ends() {
    let bench = Bench::new().await;
    bench.create("a", with_grace(600));
    bench.until_phase("a", "Running").await;
    let change = |change: fn(&mut Value)| {
        let changed = bench.store.patch(Part::Object, Resource::Pods, "default", "a", |pod| {
            change(pod);
            Ok(())
        });
        changed.unwrap();
    };
    change(|pod| {
        pod["spec"]["activeDeadlineSeconds"] = 1.into();
        pod["metadata"]["finalizers"] = json!(["x.dev/held"]);
    });
    bench.delete("a", Some(300));
    // Longer is not heard: neither by the server nor by the kubelet.
    bench.delete("a", Some(600));
    assert_eq!(bench.pod("a")["metadata"]["deletionGracePeriodSeconds"], 300);
    bench.delete("a", Some(1));
    let confirmed = |pod: &Value| pod["metadata"]["deletionGracePeriodSeconds"] == 0;
    let pod = bench.until("a", "confirmed", confirmed).await;
    assert_eq!(pod["status"]["phase"], "Failed");
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 137);
    bench.until_empty().await;
    change(|pod| pod["metadata"]["finalizers"] = json!([]));
    assert_eq!(bench.store.get(Resource::Pods, "default", "a").unwrap_err().code, 404);
    bench.finish().await;
}

#[tokio::test]
async fn what_is_deleted_by_force_has_its_time_all_the_same() {
    let bench = Bench::new().await;
    bench.create("a", with_grace(2));
    bench.until_phase("a", "Running").await;
    let deleted = tokio::time::Instant::now();
    bench.delete("a", Some(0));
    assert_eq!(bench.store.get(Resource::Pods, "default", "a").unwrap_err().code, 404);
    bench.until_empty().await;
    assert!(deleted.elapsed() >= Duration::from_secs(2), "{:?}", deleted.elapsed());
    bench.finish().await;
}

#[tokio::test]
async fn what_ends_on_a_lost_node_is_not_told() {
    let bench = Bench::new().await;
    bench.create("a", with_grace(1));
    let node = bench.until_phase("a", "Running").await["spec"]["nodeName"].as_str().unwrap().to_owned();
    bench.kubelets.lose_node(&node, false).unwrap();
    bench.until_empty().await;
    bench.delete("a", Some(1));
    // A change makes nobody run it anew.
    let marked = bench.store.patch(Part::Object, Resource::Pods, "default", "a", |pod| {
        pod["metadata"]["annotations"] = json!({"x": "y"});
        Ok(())
    });
    marked.unwrap();
    bench.until("a", "change", |pod| pod["metadata"]["annotations"]["x"] == "y").await;
    bench.until_empty().await;
    assert_eq!(bench.pod("a")["status"]["phase"], "Running");
    bench.delete("a", Some(0));
    bench.finish().await;
}

#[tokio::test]
async fn readiness_is_asked_for() {
    let bench = Bench::new().await;
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    let mut spec = script("sleep 1000");
    spec["containers"][0]["readinessProbe"] =
        json!({"exec": {"command": ["test", "-e", ready.to_str().unwrap()]}, "periodSeconds": 1});
    bench.create("a", spec);
    let pod = bench.until_phase("a", "Running").await;
    assert_eq!(pod["status"]["containerStatuses"][0]["ready"], false);
    std::fs::write(&ready, "").unwrap();
    bench.until("a", "ready", |pod| pod["status"]["containerStatuses"][0]["ready"] == true).await;
    bench.finish().await;
}

#[tokio::test]
async fn nodes_come_and_go() {
    let bench = Bench::new().await;
    let mut spec = script("sleep 1000");
    spec["nodeSelector"] = json!({"kubernetes.io/arch": "arm64"});
    bench.create("a", spec);
    bench.until("a", "pending", |pod| pod["status"]["conditions"][0]["reason"] == "Unschedulable").await;
    bench.kubelets.add_node(&NodeOptions::new("node2").with_architecture("arm64")).unwrap();
    let pod = bench.until_phase("a", "Running").await;
    assert_eq!(pod["spec"]["nodeName"], "node2");
    bench.kubelets.lose_node("node2", false).unwrap();
    bench.until_empty().await;
    let pod = bench.pod("a");
    assert_eq!(pod["status"]["phase"], "Running");
    let ready = pod["status"]["conditions"].as_array().unwrap().iter().find(|it| it["type"] == "Ready");
    assert_eq!(ready.unwrap()["status"], "False");
    bench.kubelets.remove_node("node2").unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn events_are_told_and_counted() {
    let bench = Bench::new().await;
    bench.create("a", script("exit 0"));
    bench.until_phase("a", "Succeeded").await;
    let all = bench.store.list(Resource::Events, &Default::default(), &Default::default()).unwrap().items;
    let reasons: Vec<_> = all.iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["Scheduled", "Pulled", "Created", "Started"]);
    assert_eq!(all[3]["involvedObject"]["fieldPath"], "spec.containers{main}");
    bench.finish().await;
}

#[tokio::test]
async fn dropping_the_kubelets_leaves_nothing() {
    let bench = Bench::new().await;
    bench.create("a", script("sleep 1000"));
    bench.until_phase("a", "Running").await;
    let Bench { engine, kubelets, store: _ } = bench;
    drop(kubelets);
    let deadline = tokio::time::Instant::now() + LONG;
    while !engine.ledger().is_empty_except_images() {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", engine.ledger());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    engine.shutdown().await.unwrap();
}
