//! Logs, with a server on loopback.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{TryStreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
};
use runtime_core::ErrorKind;
use serde_json::{Value, json};

use super::*;
use crate::testing::loopback::{Answer, Loopback, ended, main, pod, refusal, reply, running, waiting};

const SECOND: &str = "2026-11-20T21:11:3";

/// A line, written in this second.
fn line(second: &str, text: &str) -> String {
    format!("{SECOND}{second}Z {text}\n")
}

/// An answer that breaks off.
fn broken(text: String) -> Answer {
    let text = std::future::ready(Ok(Frame::data(Bytes::from(text))));
    let end = async {
        // What was said before goes out meanwhile.
        tokio::task::yield_now().await;
        Err(io::ErrorKind::ConnectionReset.into())
    };
    Response::new(BodyExt::boxed(StreamBody::new(stream::once(text).chain(stream::once(end)))))
}

/// A server that answers the requests for the log one after the other, and says this of the pod after so many of them.
async fn server(logs: Vec<fn() -> Answer>, pods: fn(usize) -> Value) -> Loopback {
    let (asked, logs) = (Arc::new(AtomicUsize::new(0)), Arc::new(logs));
    Loopback::new(move |request: Request<Incoming>| {
        let (asked, logs) = (Arc::clone(&asked), Arc::clone(&logs));
        async move {
            if request.uri().path().ends_with("/log") {
                return logs[asked.fetch_add(1, Ordering::SeqCst)]();
            }
            match pods(asked.load(Ordering::SeqCst)) {
                Value::Null => refusal(404, "NotFound", "pods \"p\" not found"),
                pod => reply(200, pod.to_string()),
            }
        }
    })
    .await
}

async fn read(server: &Loopback, options: &LogOptions) -> Result<Vec<String>> {
    let lines = logs(&server.driver, &Context::background(), &main(), options).await?;
    let shown = lines.map_ok(|line| format!("{}{}", line.text(), if line.complete { "" } else { "..." }));
    shown.try_collect().await
}

/// The options of each request for the log.
fn queries(server: &Loopback) -> Vec<String> {
    let prefix = "/api/v1/namespaces/default/pods/p/log?container=main&timestamps=true";
    let requests = server.requests_of("log").into_iter();
    requests.map(|target| target.strip_prefix(prefix).unwrap().trim_start_matches('&').to_owned()).collect()
}

#[tokio::test]
async fn options_are_passed_on() {
    let server = server(
        vec![|| reply(200, line("1.5", "old") + &line("1.6", "new") + line("2", "half").trim())],
        |_| running(),
    )
    .await;
    let since = format!("{SECOND}1.6Z").parse().unwrap();
    let options = LogOptions::default().with_tail(3).with_since(since);
    assert_eq!(read(&server, &options).await.unwrap(), ["new", "half..."]);
    assert_eq!(queries(&server), [format!("tailLines=3&sinceTime={}", "2026-11-20T21%3A11%3A31Z")]);
}

#[tokio::test]
async fn a_lost_follow_goes_on_without_gap_or_repeat() {
    let logs: Vec<fn() -> Answer> = vec![
        || broken(line("1.1", "a") + &line("2.2", "b") + &line("2.2", "b") + "2026-11-20T21:11:32.3Z cut"),
        || refusal(503, "ServiceUnavailable", "later"),
        // A server that goes away in order.
        || {
            reply(
                200,
                line("1.1", "a")
                    + &line("2.2", "b")
                    + &line("2.2", "b")
                    + &line("2.2", "b")
                    + &line("2.3", "cut off"),
            )
        },
        || {
            reply(
                200,
                line("1.1", "a") + &line("2.2", "b").repeat(3) + &line("2.3", "cut off") + &line("5", "last"),
            )
        },
        || reply(200, line("5", "last")),
    ];
    let server = server(logs, |asked| if asked < 4 { running() } else { ended() }).await;
    let lines = read(&server, &LogOptions::follow().with_tail(9)).await.unwrap();
    assert_eq!(lines, ["a", "b", "b", "b", "cut off", "last"]);
    let from = |second: &str, follow: &str| format!("{follow}sinceTime=2026-11-20T21%3A11%3A3{second}Z");
    assert_eq!(
        queries(&server),
        [
            "follow=true&tailLines=9".to_owned(),
            from("1", "follow=true&"),
            from("1", "follow=true&"),
            from("1", "follow=true&"),
            from("4", ""),
        ]
    );
}

#[tokio::test]
async fn what_a_life_wrote_last_is_read_of_the_previous_one() {
    let logs: Vec<fn() -> Answer> =
        vec![|| reply(200, line("1", "one")), || reply(200, line("1", "one") + &line("1.5", "two"))];
    let anew = |asked| if asked == 0 { running() } else { pod("Running", &json!({"running": {}}), 1) };
    let server = server(logs, anew).await;
    assert_eq!(read(&server, &LogOptions::follow()).await.unwrap(), ["one", "two"]);
    assert_eq!(queries(&server)[1], "previous=true&sinceTime=2026-11-20T21%3A11%3A30Z");
}

#[tokio::test]
async fn what_has_not_started_has_no_log_until_it_has() {
    let never = server(vec![], |_| waiting()).await;
    assert!(read(&never, &LogOptions::default()).await.unwrap().is_empty());
    let failed = |_| pod("Failed", &json!({"waiting": {"reason": "ErrImagePull"}}), 0);
    let server = server(vec![], failed).await;
    assert!(read(&server, &LogOptions::follow()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_log_of_a_previous_life() {
    let (all, none) = (LogOptions::default().of_previous(), server(vec![], |_| running()).await);
    assert_eq!(read(&none, &all).await.unwrap_err().kind(), ErrorKind::NotFound);
    let anew = |_| pod("Running", &json!({"running": {}}), 1);
    let server = server(vec![|| reply(200, line("1", "before"))], anew).await;
    assert_eq!(read(&server, &all).await.unwrap(), ["before"]);
    assert_eq!(queries(&server), ["previous=true"]);
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let server = server(vec![], |_| Value::Null).await;
    assert_eq!(read(&server, &LogOptions::default()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_log_that_is_cut_off_by_the_pods_removal_is_no_whole_log() {
    let logs: Vec<fn() -> Answer> =
        vec![|| broken(line("1", "one")), || refusal(404, "NotFound", "pods \"p\" not found")];
    let server = server(logs, |asked| if asked < 2 { running() } else { Value::Null }).await;
    assert_eq!(read(&server, &LogOptions::follow()).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_log_that_went_with_its_pod_is_not_found() {
    fn going() -> Value {
        let mut pod = running();
        pod["metadata"]["deletionTimestamp"] = "2026-11-20T21:11:33Z".into();
        pod
    }
    type Pods = fn(usize) -> Value;
    let cases: [(Pods, ErrorKind); 3] = [
        (|asked| if asked < 1 { running() } else { going() }, ErrorKind::NotFound),
        (|asked| if asked < 1 { running() } else { Value::Null }, ErrorKind::NotFound),
        (|_| running(), ErrorKind::Protocol),
    ];
    for (pods, kind) in cases {
        // In the place of the log, and without a code.
        let words = || reply(200, "unable to retrieve container logs for containerd://1\n");
        let server = server(vec![words], pods).await;
        assert_eq!(read(&server, &LogOptions::follow()).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_pod_that_is_removed_after_its_log_has_ended() {
    let server =
        server(
            vec![|| reply(200, line("1", "one"))],
            |asked| if asked < 1 { running() } else { Value::Null },
        )
        .await;
    assert_eq!(read(&server, &LogOptions::follow()).await.unwrap(), ["one"]);
}
