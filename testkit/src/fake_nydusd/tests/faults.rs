//! Answers that are wrong on request.

use std::time::Duration;

use super::*;

const INFO: &[u8] = b"GET /api/v1/daemon HTTP/1.1\r\n\r\n";

async fn answer(fault: &str, request: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let fake = start(directory.path(), &[fault.parse().unwrap()]);
    let mut stream = UnixStream::connect(fake.socket()).await.unwrap();
    exchange(&mut stream, request).await
}

#[tokio::test]
async fn each_is_wrong_in_its_own_way() {
    assert!(answer("never-ready", INFO).await.contains("\"state\":\"INIT\""));
    assert!(!answer("garbage", INFO).await.starts_with("HTTP"));
    assert!(answer("not-json", INFO).await.ends_with("</html>"));
    assert!(answer("half-body", INFO).await.ends_with("{\"version\":{"));
    assert_eq!(answer("close", INFO).await, "");
    assert_eq!(answer("exit", INFO).await, "");
    let started = std::time::Instant::now();
    assert!(answer("slow", INFO).await.contains("RUNNING"));
    assert!(started.elapsed() >= Fault::SLOW);
}

#[tokio::test]
async fn a_request_that_hangs_keeps_the_others_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let fake = start(directory.path(), &["hang@/metrics".parse().unwrap()]);
    let mut first = UnixStream::connect(fake.socket()).await.unwrap();
    let mut second = UnixStream::connect(fake.socket()).await.unwrap();
    assert!(exchange(&mut second, INFO).await.contains("RUNNING"), "not what hangs");
    let hanging = exchange(&mut first, b"GET /api/v1/metrics HTTP/1.1\r\n\r\n");
    assert!(tokio::time::timeout(Duration::from_millis(50), hanging).await.is_err());
    let behind = exchange(&mut second, INFO);
    assert!(tokio::time::timeout(Duration::from_millis(50), behind).await.is_err());
}

#[test]
fn an_unknown_name_is_refused() {
    assert_eq!("hangs".parse::<Fault>().unwrap_err().to_string(), "no fault is called \"hangs\"");
    assert_eq!("hang@POST".parse(), Ok(Fault::answering(Wrong::Hang, "POST")));
}
