use runtime_core::{ErrorKind, Pod, PodStatus, RunOptions, WaitFor};

use super::*;
use crate::testing::{Answer, Host, Vms, id, pod, refusal, set_state};

/// A pod that was made and not started, on a host whose second commit and those after it are answered so.
async fn start(commit: impl Fn(usize, &Vms) -> Option<Answer> + Send + Sync + 'static) -> (Host, Result<()>) {
    let host = Host::start(move |before, kind, _, vms| match kind {
        // The state is what the commit makes of it.
        "PUT /containers/*/state" => Some(Answer::json(200, serde_json::json!(format!("handle-{}", id(1))))),
        "PUT /containers/*" if before > 0 => commit(before - 1, vms),
        _ => None,
    });
    let host = host.await;
    let options = RunOptions::default().with_wait_for(WaitFor::Created);
    Pod::run(&host.driver, &host.cx, &pod("web"), &options).await.unwrap();
    let started = host.driver.start_pod(&host.cx, &id(1)).await;
    (host, started)
}

async fn status(host: &Host) -> PodStatus {
    Pod::status(&host.driver, &host.cx, &id(1)).await.unwrap()
}

fn running(vms: &Vms) -> Option<Answer> {
    set_state(vms, id(1).as_str(), "Running");
    None
}

#[tokio::test]
async fn a_conflict_is_redone_from_a_fresh_handle() {
    let (host, started) = start(|before, vms| match before {
        0..3 => Some(refusal(409, "Cannot complete operation due to concurrent modification")),
        _ => running(vms),
    })
    .await;
    started.unwrap();
    assert_eq!((host.count("GET /containers/*"), host.count("POST /scopes/containers/*/binding")), (4, 4));
    // Between two tries the address is kept.
    assert_eq!(host.count("DELETE /scopes/containers/*/binding"), 0);
    assert_eq!(status(&host).await.system_state, "Running");
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_end_are_given_up_and_the_address_is_given_back() {
    let (host, started) = start(|_, _| Some(refusal(409, "conflict"))).await;
    let error = started.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::InvalidState, true));
    assert!(error.context().iter().any(|(key, tries)| *key == "tries" && tries != "1"), "{error}");
    assert_eq!(host.count("DELETE /scopes/containers/*/binding"), 1);
}

#[tokio::test]
async fn a_commits_error_is_told_in_the_guests_words() {
    let (host, started) = start(|_, vms| {
        set_state(vms, id(1).as_str(), "Stopped");
        Some(refusal(503, "no such file or directory"))
    })
    .await;
    let error = started.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Failed, "no such file or directory"));
    assert_eq!(host.count("DELETE /scopes/containers/*/binding"), 1);
}

#[tokio::test]
async fn the_address_of_one_that_somebody_else_started_is_left_alone() {
    let (host, started) = start(|_, vms| {
        running(vms);
        Some(refusal(503, "vSphere fault"))
    })
    .await;
    assert_eq!(started.unwrap_err().kind(), ErrorKind::Failed);
    assert_eq!(host.count("DELETE /scopes/containers/*/binding"), 0);
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_followed_to_its_end() {
    let (host, started) = start(|before, vms| match before {
        0 => {
            set_state(vms, id(1).as_str(), "Starting");
            Some(Answer::Cut)
        }
        _ => running(vms),
    })
    .await;
    started.unwrap();
    assert!(host.count("GET /containers/info/*") >= 1);
}

#[tokio::test]
async fn a_pod_that_is_gone_is_not_found() {
    let host = Host::start(|_, _, _, _| None).await;
    let error = host.driver.start_pod(&host.cx, &id(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
