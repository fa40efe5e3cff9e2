//! Stops and removals that fail on the way, and what is killed without the runtime.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use k8s_cri::v1::ContainerStatusRequest;
use runtime_core::{ContainerPhase, Context, ErrorKind, StopOptions};
use testkit::engine::{Action, Fault};

use crate::bench::{Bench, until};

const ENDS_AT_TERM: &str = "trap 'exit 0' TERM; sleep 1000 & wait";

fn down(method: &str) -> Fault {
    Fault::fail(method, "Unavailable", "down")
}

#[tokio::test]
async fn a_fault_that_passes_is_passed() {
    let bench = Bench::new().await;
    for fault in [
        down("StopContainer").times(2),
        Fault::fail("StopContainer", "Aborted", "busy"),
        Fault::fail("StopContainer", "Unknown", "no reason").times(2),
        Fault::fail("StopContainer", "DeadlineExceeded", "slow"),
        down("StopContainer").late(),
        Fault::fail("StopContainer", "Unknown", "answer lost").late(),
    ] {
        let (pod, main) = bench.run_one("sleep 1000").await;
        bench.fake.engine().faults().inject(fault.clone());
        let containers = bench.containers();
        containers
            .stop(&bench.cx, &main, &StopOptions::now())
            .await
            .unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        assert_eq!(containers.status(&bench.cx, &main).await.unwrap().summary.phase, ContainerPhase::Exited);
        bench.pods().remove(&bench.cx, &pod).await.unwrap();
        bench.fake.engine().faults().clear();
    }
    bench.finish().await;
}

#[tokio::test]
async fn pods_are_stopped_and_removed_the_same_way() {
    let bench = Bench::new().await;
    let faults = bench.fake.engine().faults();
    for method in
        ["ListContainers", "StopContainer", "StopPodSandbox", "PodSandboxStatus", "RemovePodSandbox"]
    {
        for fault in [down(method).times(2), down(method).late(), Fault::fail(method, "Aborted", "busy")] {
            let (pod, _) = bench.run_one(ENDS_AT_TERM).await;
            faults.inject(fault);
            bench.pods().stop(&bench.cx, &pod, &StopOptions::default()).await.expect(method);
            bench.pods().remove(&bench.cx, &pod).await.expect(method);
            faults.clear();
            bench.assert_nothing_left();
        }
    }
    for method in ["ContainerStatus", "RemoveContainer"] {
        let (pod, main) = bench.run_one("sleep 1000").await;
        let log = bench.containers().status(&bench.cx, &main).await.unwrap().log_path.unwrap();
        faults.inject(down(method).times(2));
        faults.inject(down(method).late());
        bench.containers().remove(&bench.cx, &main).await.expect(method);
        faults.clear();
        assert!(!log.exists());
        bench.pods().remove(&bench.cx, &pod).await.unwrap();
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("sleep 1000").await;
    let refused = Fault::fail("StopContainer", "PermissionDenied", "no").times(100);
    let refused = bench.fake.engine().faults().inject(refused);
    let error = bench.containers().stop(&bench.cx, &main, &StopOptions::now()).await.unwrap_err();
    assert_eq!((error.kind(), refused.hits()), (ErrorKind::PermissionDenied, 1), "{error}");
    bench.fake.engine().faults().clear();
    bench.finish().await;
}

#[tokio::test]
async fn the_caller_ends_it() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("sleep 1000").await;
    let fault = bench.fake.engine().faults().inject(down("StopContainer").times(1000));
    let (containers, options) = (bench.containers(), StopOptions::now());

    let cx = bench.cx.child();
    let cancel = async {
        until("it tries again", || fault.hits() > 2).await;
        cx.cancellation().cancel();
    };
    let (error, ()) = tokio::join!(containers.stop(&cx, &main, &options), cancel);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(error.to_string().contains("last=down"), "{error}");

    let cx = Context::background().with_timeout(Duration::from_millis(200));
    let error = containers.stop(&cx, &main, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded, "{error}");

    let hits = fault.hits();
    {
        let stop = containers.stop(&bench.cx, &main, &options);
        tokio::select! {
            biased;
            _ = stop => unreachable!("it fails for ever"),
            () = until("it tries again", || fault.hits() > hits + 1) => {}
        }
    }
    let hits = fault.hits();
    // Longer than any pause between two tries; with a paused clock it is over once nothing has anything to do.
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(5)).await;
    tokio::time::resume();
    assert_eq!(fault.hits(), hits, "somebody goes on with a call that was dropped");
    bench.fake.engine().faults().clear();
    bench.finish().await;
}

#[tokio::test]
async fn nothing_is_killed_that_does_not_prove_whose_it_is() {
    let bench = Bench::new().await;
    let (_, main) = bench.run_one("sleep 1000").await;
    let fault = bench.fake.engine().faults().inject(down("StopContainer").times(1000));
    let options = StopOptions::now().with_force_kill();
    let error = bench.containers().stop(&bench.cx, &main, &options).await.unwrap_err();
    assert_eq!((error.kind(), fault.hits()), (ErrorKind::Unavailable, 4), "{error}");
    assert!(error.to_string().contains("no process of it is seen"), "{error}");
    let status = bench.containers().status(&bench.cx, &main).await.unwrap();
    assert_eq!(status.summary.phase, ContainerPhase::Running);
    bench.fake.engine().faults().clear();
    bench.finish().await;
}

#[tokio::test]
async fn what_the_runtime_cannot_stop_is_killed() {
    let bench = Bench::new().await;
    let (pod, main) = bench.run_one("sleep 1000").await;
    let (neighbours, neighbour) = {
        let spec = runtime_core::spec::PodSpec::new("neighbour")
            .with_container(crate::bench::shell("main", "sleep 1000"));
        let run = bench.run(&spec).await.unwrap();
        (run.id.clone(), run.container("main").unwrap().clone())
    };
    let Some(_cgroup) = Cgroup::around(&bench, main.as_str()).await else {
        eprintln!("skipped: no cgroup can be made here");
        return bench.finish().await;
    };
    let _other = Cgroup::around(&bench, neighbour.as_str()).await;
    let faults = bench.fake.engine().faults();
    faults.inject(Fault::new("StopContainer", Action::Hang).times(1000));
    let options = StopOptions::now().with_force_kill();
    let began = Instant::now();
    bench.containers().stop(&bench.cx, &main, &options).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let exit = bench.containers().wait(&bench.cx, &main).await.unwrap();
    assert_eq!(exit.code(), Some(137));
    let status = bench.containers().status(&bench.cx, &neighbour).await.unwrap();
    assert_eq!(status.summary.phase, ContainerPhase::Running);

    faults.clear();
    faults.inject(down("StopContainer").times(1000));
    faults.inject(down("StopPodSandbox").times(1000));
    bench.pods().stop(&bench.cx, &neighbours, &options).await.unwrap();
    assert_eq!(bench.containers().wait(&bench.cx, &neighbour).await.unwrap().code(), Some(137));
    faults.clear();
    bench.pods().remove(&bench.cx, &pod).await.unwrap();
    bench.finish().await;
}

/// A cgroup as a runtime makes it, which the fake doesn't: named by a container, with its process in it.
struct Cgroup(PathBuf);

impl Cgroup {
    /// `None` where no cgroup can be made.
    async fn around(bench: &Bench, id: &str) -> Option<Self> {
        let request = ContainerStatusRequest { container_id: id.to_owned(), verbose: true };
        let answer = bench.raw_client().await.container_status(request).await.unwrap().into_inner();
        let info: serde_json::Value = serde_json::from_str(&answer.info["info"]).unwrap();
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"];
        let directory = roots.iter().find_map(|root| {
            let directory = Path::new(root).join(id);
            Path::new(root).join("cgroup.procs").exists().then_some(())?;
            std::fs::create_dir(&directory).ok().map(|()| directory)
        })?;
        std::fs::write(directory.join("cgroup.procs"), info["pid"].to_string()).unwrap();
        Some(Self(directory))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
