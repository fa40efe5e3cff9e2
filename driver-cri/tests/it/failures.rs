//! Creates that fail or are given up leave nothing.

use std::time::Duration;

use runtime_core::{Driver, ErrorKind, RunOptions, spec::PodSpec};
use testkit::engine::{Action, Fault};

use crate::bench::{Bench, shell, until};

fn spec() -> PodSpec {
    PodSpec::new("web").with_init_container(shell("init", "true")).with_container(shell("main", "sleep 1000"))
}

#[tokio::test]
async fn whichever_step_fails() {
    let bench = Bench::new().await;
    for method in ["RunPodSandbox", "CreateContainer", "StartContainer", "ImageStatus"] {
        for fault in [
            Fault::fail(method, "Unavailable", "down"),
            Fault::fail(method, "Unknown", "no"),
            Fault::fail(method, "Unavailable", "answer lost").late(),
            Fault::fail(method, "Unknown", "answer lost").late(),
        ] {
            let Action::Fail { code, .. } = fault.action.clone() else { unreachable!("they fail") };
            bench.fake.engine().faults().inject(fault);
            let error = match bench.run(&spec()).await {
                Err(error) => error,
                // What was only refused is tried again, and what was started is seen.
                Ok(run) if method == "StartContainer" && code == "Unknown" => {
                    bench.pods().remove(&bench.cx, &run.id).await.unwrap();
                    bench.fake.engine().faults().clear();
                    bench.assert_nothing_left();
                    continue;
                }
                Ok(run) => panic!("{method}: {run:?}"),
            };
            assert!(
                matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Failed | ErrorKind::InvalidState),
                "{method}: {error:?}"
            );
            assert!(error.leftovers().is_empty(), "{error:?}");
            bench.fake.engine().faults().clear();
            bench.assert_nothing_left();
        }
    }
    bench.run(&spec()).await.unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn what_can_not_be_undone_is_named_and_reaped_later() {
    let bench = Bench::new().await;
    let faults = bench.fake.engine().faults();
    faults.inject(Fault::fail("CreateContainer", "Unknown", "no"));
    faults.inject(Fault::fail("RemovePodSandbox", "PermissionDenied", "no").times(100));
    let error = bench.run(&spec()).await.unwrap_err();
    assert_eq!(error.leftovers().len(), 1, "{error:?}");
    faults.clear();
    bench.driver.reap(&bench.cx, error.leftovers()).await.unwrap();
    bench.assert_nothing_left();
    bench.finish().await;
}

#[tokio::test]
async fn a_dropped_run_is_undone() {
    let bench = Bench::new().await;
    for method in ["RunPodSandbox", "CreateContainer", "StartContainer"] {
        let hang = bench.fake.engine().faults().inject(Fault::new(method, Action::Hang));
        {
            let (spec, options) = (spec(), RunOptions::default());
            let run = bench.pods().run(&bench.cx, &spec, &options);
            tokio::select! {
                biased;
                _ = run => unreachable!("it hangs"),
                () = until("it hangs", || hang.hits() == 1) => {}
            }
        }
        hang.release();
        bench.driver.settle(&bench.cx).await.unwrap();
        bench.assert_nothing_left();
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_hanging_call_ends_at_its_deadline() {
    let bench = Bench::new().await;
    let hang = bench.fake.engine().faults().inject(Fault::new("ListPodSandbox", Action::Hang));
    let cx = bench.cx.clone().with_timeout(Duration::from_millis(30));
    let error = bench.pods().list(&cx, &Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    hang.release();
    bench.finish().await;
}
