use runtime_core::{
    Driver, Pod, PodId, RunOptions,
    spec::{ContainerSpec, PodSpec},
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::testing::{Answer, Asked, Host, Vms, id, refusal, set_state};

const STDOUT: &str = "GET /interaction/*/stdout";
const STDERR: &str = "GET /interaction/*/stderr";
const STDIN: &str = "POST /interaction/*/stdin";
const INSPECT: &str = "GET /tasks";

fn main() -> ContainerId {
    ContainerId::new(format!("{}/main", id(1)))
}

fn whole(text: &str) -> Answer {
    Answer::Whole(200, "", text.to_owned())
}

/// A host with a pod that runs, whose commands write `out` and `err` and end so, unless `other` says otherwise.
async fn host(
    task: serde_json::Value,
    other: impl Fn(usize, &str, &Asked, &Vms) -> Option<Answer> + Send + Sync + 'static,
) -> Host {
    let host = Host::start(move |before, kind, asked, vms| {
        other(before, kind, asked, vms).or_else(|| match kind {
            STDOUT => Some(whole("out")),
            STDERR => Some(whole("err")),
            INSPECT => Some(Answer::json(200, &task)),
            _ => None,
        })
    })
    .await;
    let mut container = ContainerSpec::new("main", "busybox:1");
    container.stdin = true;
    container.stdin_once = true;
    let spec = PodSpec::new("web").with_container(container);
    Pod::run(&host.driver, &host.cx, &spec, &RunOptions::default()).await.unwrap();
    host
}

fn stopped(code: i32) -> serde_json::Value {
    json!({"id": "t", "state": "stopped", "exitCode": code})
}

async fn sync(host: &Host) -> Result<ExecOutput> {
    host.driver.exec().unwrap().sync(&host.cx, &main(), &ExecSpec::new(["a", "b"])).await
}

#[tokio::test]
async fn a_command_is_joined_bound_and_read_to_its_end() {
    let host = host(stopped(3), |_, _, _, _| None).await;
    let before = host.kinds().len();
    let output = sync(&host).await.unwrap();
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out"[..], &b"err"[..]));
    assert_eq!(output.exit.code(), Some(3));
    let mut kinds = host.kinds().split_off(before);
    let first: Vec<_> = kinds.drain(..8).collect();
    let expected = [
        "GET /containers/info/*",
        "GET /containers/*",
        "POST /tasks",
        "PUT /containers/*",
        "GET /containers/*",
        "POST /tasks/binding",
        "POST /interaction/binding",
        "PUT /containers/*",
    ];
    assert_eq!(first, expected);
    kinds.sort();
    assert_eq!(kinds, ["GET /containers/*", STDERR, STDOUT, INSPECT]);
    let join: serde_json::Value = serde_json::from_str(&host.asked("POST /tasks")[1].body).unwrap();
    assert_eq!((&join["path"], &join["args"], &join["attach"]), (&json!("a"), &json!(["b"]), &json!(true)));
    // The server gives a task of a command its id.
    assert!(join.get("id").is_none());
}

#[tokio::test]
async fn conflicts_are_redone_and_a_task_is_waited_for() {
    let host = host(stopped(0), |before, kind, _, _| match (kind, before) {
        ("PUT /containers/*", 2 | 4) => Some(refusal(409, "conflict")),
        (INSPECT, 0 | 1) => Some(Answer::json(200, json!({"id": "t", "state": "running"}))),
        _ => None,
    })
    .await;
    assert!(sync(&host).await.unwrap().exit.success());
    assert_eq!((host.count("POST /tasks"), host.count("POST /tasks/binding")), (3, 3));
    assert_eq!(host.count(INSPECT), 3);
}

#[tokio::test]
async fn a_command_that_can_not_be_launched_ends_as_a_shell_says() {
    for (why, code) in [("no such file or directory", 127), ("permission denied", 126)] {
        let task = json!({"id": "t", "state": "failed", "processConfig": {"errorMsg": why}});
        let host = host(task, |_, _, _, _| None).await;
        assert_eq!(sync(&host).await.unwrap().exit.code(), Some(code));
    }
}

#[tokio::test]
async fn what_does_not_run_is_told_before_anything_is_joined() {
    let host = host(stopped(0), |_, _, _, _| None).await;
    set_state(&host.vms, id(1).as_str(), "Stopped");
    assert_eq!(sync(&host).await.unwrap_err().kind(), ErrorKind::InvalidState);
    let missing = ContainerId::new(format!("{}/other", id(1)));
    for missing in [missing, ContainerId::new(format!("{}/main", id(2)))] {
        let exec = host.driver.exec().unwrap();
        let error = exec.sync(&host.cx, &missing, &ExecSpec::new(["a"])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert_eq!(host.count("POST /tasks"), 1);
}

#[tokio::test]
async fn one_that_is_starting_is_waited_for() {
    let host = host(stopped(0), |before, kind, _, vms| {
        if kind == "GET /containers/info/*" && before == 1 {
            set_state(vms, id(1).as_str(), "Running");
        }
        None
    })
    .await;
    set_state(&host.vms, id(1).as_str(), "Starting");
    sync(&host).await.unwrap();
}

#[tokio::test]
async fn input_begins_with_the_primer_and_has_an_end() {
    let host = host(stopped(0), |_, kind, _, _| (kind == STDIN).then(|| whole(""))).await;
    let exec = host.driver.exec().unwrap();
    let mut session = exec.start(&host.cx, &main(), &ExecSpec::new(["cat"]).with_stdin()).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    drop(stdin);
    let mut text = String::new();
    session.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
    assert!(session.wait().await.unwrap().success());
    while host.count("DELETE /interaction/*/stdin") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((text.as_str(), host.asked(STDIN)[0].body.as_str()), ("out", "v1c#>hello"));
}

#[tokio::test]
async fn a_dropped_session_loses_its_input() {
    let host = host(stopped(0), |_, kind, _, _| match kind {
        STDIN | STDOUT | STDERR => Some(Answer::Silence),
        _ => None,
    });
    let host = host.await;
    // The answer's head is what the call waits for.
    let cx = host.cx.clone().with_timeout(std::time::Duration::from_millis(100));
    let exec = host.driver.exec().unwrap();
    let error = exec.start(&cx, &main(), &ExecSpec::new(["cat"]).with_stdin()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
}

#[tokio::test]
async fn attaching_binds_the_containers_own_streams_and_ends_with_it() {
    let host = host(stopped(0), |_, kind, _, vms| match kind {
        STDIN => Some(whole("")),
        "GET /containers/*/wait" => {
            set_state(vms, id(1).as_str(), "Stopped");
            Some(Answer::json(200, "{}"))
        }
        _ => None,
    })
    .await;
    let exec = host.driver.exec().unwrap();
    let session = exec.attach(&host.cx, &main(), &AttachOptions::default().with_stdin()).await.unwrap();
    assert_eq!(session.wait().await.unwrap().code(), Some(0));
    let binding: serde_json::Value =
        serde_json::from_str(&host.asked("POST /interaction/binding")[0].body).unwrap();
    assert_eq!(PodId::new(binding["id"].as_str().unwrap()), id(1));
    assert_eq!(host.count("POST /tasks"), 1);
}
