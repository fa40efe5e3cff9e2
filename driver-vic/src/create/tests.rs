use std::sync::Mutex;

use runtime_core::{
    ContainerId, Driver, ErrorKind, Pod, PodFilter, PodPhase, RunOptions,
    spec::{ContainerSpec, MilliCpu, PortMapping, Resources},
};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Answer, Host, id, pod, refusal, set_state};

async fn run(host: &Host, spec: &PodSpec) -> Result<PodRun> {
    Pod::run(&host.driver, &host.cx, spec, &RunOptions::default()).await
}

/// What a run of one container asks for before and after its commit.
const REQUESTS: [&str; 17] = [
    "GET /containers/list",
    "GET /kv/docker.images",
    "POST /containers",
    "POST /storage/store/info/*",
    "POST /tasks",
    "POST /tasks/binding",
    "POST /scopes/default/containers",
    "POST /interaction",
    "POST /logging",
    "PUT /containers/*",
    "GET /containers/list",
    "GET /containers/*",
    "POST /scopes/containers/*/binding",
    "PUT /containers/*/state",
    "PUT /containers/*",
    "",
    "",
];

#[tokio::test]
async fn one_handle_carries_everything_to_one_commit() {
    let host = Host::start(|_, _, _, _| None).await;
    let made = run(&host, &pod("web")).await.unwrap();
    assert_eq!((&made.id, made.adopted), (&id(1), false));
    assert_eq!(made.containers[0].id, ContainerId::new(format!("{}/main", id(1))));
    assert_eq!(host.kinds(), REQUESTS.iter().filter(|kind| !kind.is_empty()).copied().collect::<Vec<_>>());
    let pods = host.driver.list(&host.cx, &PodFilter::default()).await.unwrap();
    assert_eq!((pods[0].name.as_str(), pods[0].phase), ("web", PodPhase::Running));
}

#[tokio::test]
async fn size_names_and_ports_are_sent_and_tasks_are_told_apart() {
    let host = Host::start(|_, _, _, _| None).await;
    let mut spec = pod("web.site").with_namespace("ci");
    spec.hostname = Some("chosen".to_owned());
    spec.ports.push(PortMapping { container_port: 80, host_port: 8080, ..PortMapping::default() });
    spec.ports.push(PortMapping { container_port: 81, ..PortMapping::default() });
    let resources = Resources::default().with_cpu_request(MilliCpu(3500));
    spec.containers[0].resources = resources;
    spec = spec.with_container(ContainerSpec::new("side", "busybox:2"));
    run(&host, &spec).await.unwrap();
    let create = host.body("POST /containers");
    assert_eq!((&create["numCPUs"], &create["memoryMB"]), (&json!(6), &json!(4096)));
    assert_eq!(create["hostname"], "chosen");
    assert!(create["name"].as_str().unwrap().starts_with("ci_web.site_"), "{create}");
    let scopes = host.asked("POST /scopes/default/containers");
    assert_eq!(scopes.len(), 1);
    let scope: Value = serde_json::from_str(&scopes[0].body).unwrap();
    assert_eq!(scope["networkConfig"], json!({"networkName": "default", "ports": ["8080:80/tcp"]}));
    let bodies = |kind: &str| -> Vec<Value> {
        host.asked(kind).iter().map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
    };
    let (tasks, images) = (bodies("POST /tasks"), bodies("POST /storage/store/info/*"));
    assert_eq!(tasks[0]["id"], json!(id(1)));
    assert!(crate::id::is_vm(tasks[1]["id"].as_str().unwrap()) && tasks[1]["id"] != tasks[0]["id"]);
    assert_eq!(
        (&tasks[0]["namespace"], &tasks[1]["namespace"]),
        (&json!("1".repeat(64)), &json!("2".repeat(64)))
    );
    assert_eq!((&tasks[0]["path"], &tasks[0]["args"]), (&json!("sleep"), &json!(["60"])));
    assert_eq!(tasks[0]["attach"], true);
    assert_ne!(images[0]["deltaID"], images[1]["deltaID"]);
}

#[tokio::test]
async fn a_create_that_is_refused_leaves_nothing() {
    for kind in REQUESTS.iter().filter(|kind| kind.starts_with("POST") || kind.starts_with("PUT")) {
        let host = Host::start(move |_, asked, _, _| (asked == *kind).then(|| refusal(503, "no"))).await;
        let error = run(&host, &pod("web")).await.unwrap_err();
        assert_eq!((error.kind(), error.leftovers()), (ErrorKind::Failed, &[][..]), "{kind}: {error}");
        host.driver.settle(&host.cx).await.unwrap();
        let left = host.driver.list(&host.cx, &PodFilter::default()).await.unwrap();
        assert!(left.is_empty(), "{kind}: {left:?}");
    }
}

#[tokio::test]
async fn what_fails_in_passing_is_done_anew_from_a_fresh_handle() {
    for (kind, codes) in
        [("POST /tasks", [500, 404]), ("POST /interaction", [500, 404]), ("PUT /containers/*", [409, 404])]
    {
        for code in codes {
            let host = Host::start(move |before, asked, _, _| {
                (asked == kind && before == 0).then(|| refusal(code, "container not found"))
            });
            let host = host.await;
            let made = run(&host, &pod("web")).await;
            assert!(made.is_ok(), "{kind} {code}: {made:?}");
            assert_eq!(host.count("POST /containers"), 2, "{kind} {code}");
            host.driver.settle(&host.cx).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_commit_that_may_have_come_half_way_is_not_made_twice() {
    for is_there in [false, true] {
        let host = Host::start(move |before, kind, _, vms| {
            (kind == "PUT /containers/*" && before == 0).then(|| {
                set_state(vms, id(1).as_str(), if is_there { "Created" } else { "" });
                Answer::json(500, "")
            })
        });
        let host = host.await;
        let made = run(&host, &pod("web")).await;
        assert_eq!((made.is_ok(), host.count("POST /containers")), (is_there, 1), "{made:?}");
        if let Err(error) = made {
            assert_eq!((error.is_transient(), error.leftovers()), (true, &[][..]));
        }
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_looked_for() {
    let host = Host::start(|before, kind, _, vms| {
        (kind == "PUT /containers/*" && before == 0).then(|| {
            set_state(vms, id(1).as_str(), "Created");
            Answer::Cut
        })
    });
    let host = host.await;
    assert_eq!(run(&host, &pod("web")).await.unwrap().id, id(1));
    assert_eq!(host.count("POST /containers"), 1);
}

/// A pod of the same name that another client has made a moment before or after this one, so that both see each other.
async fn with_rival(create_time: i64, state: &'static str, looks: usize) -> (Host, Result<PodRun>) {
    let seen = Mutex::new(0);
    let host = Host::start(move |_, kind, asked, vms| {
        if kind == "PUT /containers/*" && !asked.line.contains("wait_time") {
            let mut vms = vms.lock().unwrap();
            let mut rival = vms[id(1).as_str()].clone();
            if vms.len() == 1 {
                rival["containerConfig"]["containerId"] = json!(id(9));
                rival["containerConfig"]["createTime"] = json!(create_time);
                rival["containerConfig"]["state"] = json!(state);
                vms.insert(id(9).to_string(), rival);
            }
        }
        if kind == "GET /containers/list" {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            if *seen > looks {
                vms.lock().unwrap().remove(id(9).as_str());
            }
        }
        None
    });
    let host = host.await;
    let made = run(&host, &pod("web")).await;
    (host, made)
}

#[tokio::test]
async fn of_two_of_one_name_the_younger_goes_before_it_is_started() {
    let (host, made) = with_rival(1, "Created", usize::MAX).await;
    let error = made.unwrap_err();
    assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(id(9).as_str())));
    assert_eq!((host.count("DELETE /containers/*"), host.count("PUT /containers/*/state")), (1, 0));
}

#[tokio::test]
async fn the_older_one_waits_for_the_younger_to_go() {
    let (host, made) = with_rival(i64::MAX, "Created", 3).await;
    assert_eq!(made.unwrap().id, id(1));
    assert_eq!(host.count("DELETE /containers/*"), 0);
}

#[tokio::test]
async fn the_older_one_goes_where_the_younger_was_started() {
    let (_, made) = with_rival(i64::MAX, "Running", usize::MAX).await;
    assert_eq!(made.unwrap_err().existing_id(), Some(id(9).as_str()));
}

#[tokio::test]
async fn a_pod_that_is_there_is_refused_adopted_or_replaced() {
    let host = Host::start(|_, _, _, _| None).await;
    run(&host, &pod("web")).await.unwrap();
    let error = run(&host, &pod("web")).await.unwrap_err();
    assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(id(1).as_str())));
    let with = |policy| RunOptions::default().with_existing(policy);
    let adopted = host.driver.run(&host.cx, &pod("web"), &with(ExistingPolicy::Adopt)).await.unwrap();
    assert!(adopted.adopted && adopted.id == id(1));
    let other = pod("web").with_label("a", "b");
    let error = host.driver.run(&host.cx, &other, &with(ExistingPolicy::Adopt)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    host.driver.run(&host.cx, &other, &with(ExistingPolicy::Replace)).await.unwrap();
    assert_eq!(host.count("DELETE /containers/*"), 1);
    // The same name in another namespace is another pod.
    run(&host, &pod("web").with_namespace("other")).await.unwrap();
    assert_eq!(host.driver.list(&host.cx, &PodFilter::default()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_has_no_place_is_refused_before_any_request() {
    let host = Host::start(|_, _, _, _| None).await;
    let mut signal = pod("web").with_container(ContainerSpec::new("side", "busybox:2"));
    signal.containers[1].stop_signal = Some("SIGINT".to_owned());
    let env = PodSpec::new("web").with_container(ContainerSpec::new("main", "busybox:1").with_env("A", "b"));
    let init = pod("web").with_init_container(ContainerSpec::new("init", "busybox:1"));
    for spec in [signal, env, init] {
        assert_eq!(run(&host, &spec).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert!(host.kinds().is_empty());
}
