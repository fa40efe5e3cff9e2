//! A client over mocks.

use runtime_core::{
    Capabilities, Capability, Client, ContainerId, Driver, ErrorKind, ExecOutput, ExitCause, ExitStatus,
    Health, spec::ExecSpec,
};

use super::*;

#[tokio::test]
async fn a_call_reaches_the_mock_with_what_was_given() {
    let mut exec = MockExec::new();
    exec.expect_sync()
        .withf(|_, id, spec| *id == ContainerId::new("c1") && spec.command == ["ls"])
        .once()
        .returning(|_, _, _| Ok(ExecOutput::new("out", "", ExitStatus::new(ExitCause::Exited(0)))));
    let mut driver = MockDriver::new(Capabilities::none().native([Capability::ExecSync]));
    driver.exec = Some(exec);
    driver.calls.expect_ping().once().returning(|_| Ok(Health::new("mock", "1")));
    let client = Client::new(driver);
    assert_eq!(client.ping().await.unwrap().system, "mock");
    let output = client.container("c1").exec(&ExecSpec::new(["ls"])).await.unwrap();
    assert_eq!(output.stdout_text(), "out");
}

#[tokio::test]
async fn what_is_not_declared_never_gets_there() {
    let mut pods = MockPod::new();
    pods.expect_remove().never();
    let mut driver = MockDriver::new(Capabilities::none());
    driver.pods = Some(pods);
    let error = Client::new(driver).pod("p1").remove().await.unwrap_err();
    assert_eq!((error.kind(), error.driver()), (ErrorKind::Unsupported, Some("mock")));
}

#[tokio::test]
async fn a_facet_that_is_missing_is_unsupported() {
    let mut driver = MockDriver::new(Capabilities::none().native([Capability::ImageList]));
    driver.images = None;
    let error = Client::new(driver).images().list(&Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_mock_is_an_object() {
    let driver: Box<dyn Driver> = Box::new(MockDriver::new(Capabilities::none()));
    assert_eq!(driver.info().name, "mock");
    assert!(driver.pods().is_some() && driver.containers().is_some());
}
