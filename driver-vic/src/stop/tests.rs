use runtime_core::{Driver, ErrorKind, Leftover, Object, Pod, RunOptions};

use super::*;
use crate::testing::{Answer, Asked, Host, Vms, id, pod, refusal};

async fn running(
    other: impl Fn(usize, &str, &Asked, &Vms) -> Option<Answer> + Send + Sync + 'static,
) -> (Host, usize) {
    let host = Host::start(other).await;
    Pod::run(&host.driver, &host.cx, &pod("web"), &RunOptions::default()).await.unwrap();
    let before = host.kinds().len();
    (host, before)
}

#[test]
fn grace_periods_are_whole_seconds_and_none_too_short() {
    for (grace, seconds) in [
        (Duration::ZERO, 1),
        (Duration::from_millis(1), 1),
        (Duration::from_secs(10), 10),
        (Duration::from_millis(10_001), 11),
        (Duration::MAX, i32::MAX.unsigned_abs()),
    ] {
        assert_eq!(whole_seconds(grace), seconds, "{grace:?}");
    }
}

#[tokio::test]
async fn the_address_is_given_back_after_the_power_is_off() {
    let (host, before) = running(|_, _, _, _| None).await;
    let options = StopOptions::after(Duration::from_millis(1500));
    host.driver.stop(&host.cx, &id(1), &options).await.unwrap();
    let expected = [
        "GET /containers/info/*",
        "GET /containers/*",
        "PUT /containers/*/state",
        "PUT /containers/*",
        "GET /containers/*",
        "DELETE /scopes/containers/*/binding",
        "PUT /containers/*",
    ];
    assert_eq!(host.kinds()[before..], expected);
    let commits = host.asked("PUT /containers/*");
    assert!(commits.iter().any(|asked| asked.line.ends_with("?wait_time=2")));
    // Stopped already is fine, and so is missing.
    host.driver.stop(&host.cx, &id(1), &options).await.unwrap();
    host.driver.stop(&host.cx, &id(2), &options).await.unwrap();
    assert_eq!(host.kinds().len(), before + expected.len() + 2);
}

#[tokio::test]
async fn conflicts_and_servers_that_are_busy_are_tried_again() {
    let (host, _) = running(|before, kind, _, _| match (kind, before) {
        ("PUT /containers/*", 2 | 4) => Some(refusal(409, "conflict")),
        ("PUT /containers/*/state", 1) => Some(Answer::Whole(404, "", String::new())),
        _ => None,
    })
    .await;
    host.driver.stop(&host.cx, &id(1), &StopOptions::default()).await.unwrap();
    let status = Pod::status(&host.driver, &host.cx, &id(1)).await.unwrap();
    assert_eq!(status.system_state, "Stopped");
}

#[tokio::test]
async fn a_stop_at_once_kills() {
    let (host, _) = running(|_, _, _, _| None).await;
    host.driver.stop(&host.cx, &id(1), &StopOptions::now()).await.unwrap();
    assert!(host.asked("POST /containers/*/signal")[0].line.ends_with("?signal=9"));
}

#[tokio::test]
async fn a_removal_ends_what_runs_gives_back_what_is_bound_and_is_fine_with_what_is_gone() {
    let (host, _) =
        running(|_, kind, _, _| (kind == "GET /scopes/containers/*").then(|| Answer::json(200, "[]"))).await;
    host.driver.remove(&host.cx, &id(1)).await.unwrap();
    assert_eq!(host.count("POST /containers/*/signal"), 1);
    assert_eq!(host.count("DELETE /scopes/containers/*/binding"), 1);
    host.driver.remove(&host.cx, &id(1)).await.unwrap();
    assert_eq!(host.count("DELETE /containers/*"), 1);
}

#[tokio::test]
async fn a_removal_that_is_refused_in_passing_is_tried_again() {
    for (code, body) in [(409, r#"{"message":"Container is powered on"}"#), (500, "")] {
        let (host, _) = running(move |before, kind, _, _| {
            (kind == "DELETE /containers/*" && before < 2).then(|| Answer::Whole(code, "", body.to_owned()))
        })
        .await;
        host.driver.remove(&host.cx, &id(1)).await.unwrap();
        assert_eq!(host.count("DELETE /containers/*"), 3);
    }
    let (host, _) = running(|_, kind, _, _| {
        (kind == "DELETE /containers/*").then(|| Answer::Whole(404, "", String::new()))
    })
    .await;
    host.driver.remove(&host.cx, &id(1)).await.unwrap();
}

#[tokio::test]
async fn what_others_made_is_never_touched() {
    let (host, _) = running(|_, _, _, _| None).await;
    host.vms.lock().unwrap().get_mut(id(1).as_str()).unwrap()["containerConfig"]["annotations"] =
        serde_json::Value::Null;
    host.driver.stop(&host.cx, &id(1), &StopOptions::now()).await.unwrap();
    host.driver.remove(&host.cx, &id(1)).await.unwrap();
    assert_eq!(Pod::status(&host.driver, &host.cx, &id(1)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((host.count("DELETE /containers/*"), host.count("POST /containers/*/signal")), (0, 0));
}

#[tokio::test]
async fn leftovers_are_reaped_by_id_and_by_mark() {
    let (host, _) = running(|_, _, _, _| None).await;
    let annotations = host.body("POST /containers")["annotations"].clone();
    let mark = annotations[runtime_core::marks::CREATE].as_str().unwrap().to_owned();
    let leftovers = [Leftover::marked(Object::pod("default/web"), mark), Leftover::pod(id(1).as_str())];
    host.driver.reap(&host.cx, &leftovers).await.unwrap();
    assert_eq!(host.count("DELETE /containers/*"), 1);
    let error = host.driver.reap(&host.cx, &[Leftover::container("x")]).await.unwrap_err();
    assert_eq!(error.leftovers().len(), 1);
}
