//! Daemons that serve: their end whoever causes it, and drivers that share them.

use std::{fs, os::unix::net::UnixListener, time::Duration};

use driver_nydus::NydusPodOptions;
use futures::{StreamExt, future::join_all};
use runtime_core::{
    Context, ErrorKind, Event, ExistingPolicy, ExitCause, Pod, PodFilter, PodPhase, RunOptions, StopOptions,
    spec::PodSpec,
};
use rustix::process::Signal;

use crate::support::{Place, SERVE, own, patient, run, signal, status, until};

#[tokio::test]
async fn an_end_that_others_cause_is_told_with_its_cause() {
    let place = Place::new(SERVE);
    let driver = place.driver().await;
    let pod = run(&driver, "a").await.unwrap().id;
    let mut events = driver.events(&patient()).await.unwrap();
    while events.next().await.unwrap().unwrap() != Event::Synced {}
    signal(own(&status(&driver, &pod).await).pid.unwrap(), Signal::ABORT);
    let ended = until(&driver, &pod, PodPhase::Failed).await;
    assert_eq!(own(&ended).exit.unwrap().cause, ExitCause::Signaled(6));
    assert_eq!(ended.reason.as_deref(), Some("Killed"));
    assert_eq!(own(&ended).pid, None);
    let told = events.next().await.unwrap().unwrap();
    assert!(matches!(&told, Event::PodApplied(told) if told.phase == PodPhase::Failed), "{told:?}");
    assert!(!own(&ended).api_socket.exists());
    assert_eq!(driver.stats(&patient(), &pod).await.unwrap_err().kind(), ErrorKind::InvalidState);
    driver.remove(&patient(), &pod).await.unwrap();
    driver.remove(&patient(), &pod).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), Event::PodDeleted(pod));
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn a_stop_waits_out_the_grace_period_only_for_who_needs_it() {
    let place = Place::new(SERVE);
    let driver = place.driver().await;
    let pod = run(&driver, "a").await.unwrap().id;
    driver.stop(&patient(), &pod, &StopOptions::default()).await.unwrap();
    driver.stop(&patient(), &pod, &StopOptions::default()).await.unwrap();
    let stopped = status(&driver, &pod).await;
    assert_eq!(stopped.summary.phase, PodPhase::Stopped);
    assert_eq!(own(&stopped).exit.unwrap().cause, ExitCause::Signaled(15));
    driver.stop(&patient(), &"0123456789abcdef".into(), &StopOptions::default()).await.unwrap();

    let place = Place::new(&format!("trap '' TERM; {SERVE}"));
    let driver = place.driver().await;
    let pod = run(&driver, "a").await.unwrap().id;
    driver.stop(&patient(), &pod, &StopOptions::after(Duration::from_millis(50))).await.unwrap();
    let stopped = status(&driver, &pod).await;
    assert_eq!(stopped.summary.phase, PodPhase::Stopped);
    assert_eq!(own(&stopped).exit.unwrap().cause, ExitCause::Signaled(9));
    driver.remove(&patient(), &pod).await.unwrap();
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn two_drivers_of_one_directory_see_and_end_each_others_pods() {
    let place = Place::new(SERVE);
    let (one, two) = (place.driver().await, place.driver().await);
    let pod = run(&one, "a").await.unwrap().id;
    assert_eq!(status(&two, &pod).await.summary.phase, PodPhase::Running);
    assert_eq!(run(&two, "a").await.unwrap_err().existing_id(), Some(pod.as_str()));
    two.stop(&patient(), &pod, &StopOptions::default()).await.unwrap();
    for driver in [&one, &two] {
        let stopped = status(driver, &pod).await;
        assert_eq!(stopped.summary.phase, PodPhase::Stopped);
        assert_eq!(
            own(&stopped).exit.unwrap().cause,
            ExitCause::Signaled(15),
            "the one that reaps it says how"
        );
    }
    two.remove(&patient(), &pod).await.unwrap();
    assert!(one.list(&patient(), &PodFilter::default()).await.unwrap().is_empty());
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn a_daemon_outlives_its_driver_and_a_later_one_takes_it_over() {
    let place = Place::new(SERVE);
    let pod = run(&place.driver().await, "a").await.unwrap().id;
    let driver = place.driver().await;
    let running = status(&driver, &pod).await;
    assert_eq!(running.summary.phase, PodPhase::Running);
    signal(own(&running).pid.unwrap(), Signal::KILL);
    let ended = until(&driver, &pod, PodPhase::Failed).await;
    assert!(!own(&ended).api_socket.exists(), "{ended:?}");
    driver.remove(&patient(), &pod).await.unwrap();
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn of_many_runs_of_one_name_one_makes_it_and_the_others_take_it_over_or_fail() {
    let place = Place::new(SERVE);
    let driver = place.driver().await;
    let (cx, spec) = (patient(), PodSpec::new("a"));
    for policy in [ExistingPolicy::Fail, ExistingPolicy::Adopt] {
        let options = RunOptions::default().with_existing(policy);
        let runs = join_all((0..8).map(|_| driver.run(&cx, &spec, &options))).await;
        let (made, refused): (Vec<_>, Vec<_>) = runs.into_iter().partition(Result::is_ok);
        let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
        assert_eq!(made.iter().filter(|run| !run.adopted).count(), 1, "{made:?} {refused:?}");
        assert_eq!(made.len(), if policy == ExistingPolicy::Adopt { 8 } else { 1 }, "{refused:?}");
        assert!(made.iter().all(|run| run.id == made[0].id));
        let other = spec.clone().with_label("a", "b");
        let error = driver.run(&cx, &other, &options).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.existing_id()),
            (ErrorKind::AlreadyExists, Some(made[0].id.as_str()))
        );
        driver.remove(&cx, &made[0].id).await.unwrap();
    }
    let options = RunOptions::default().with_existing(ExistingPolicy::Replace);
    let runs = join_all((0..4).map(|_| driver.run(&cx, &spec, &options))).await;
    assert!(runs.iter().all(Result::is_ok), "{runs:?}");
    let left = driver.list(&cx, &PodFilter::default()).await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    driver.remove(&cx, &left[0].id).await.unwrap();
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn sockets_of_the_callers_are_one_pods_until_it_has_ended() {
    let place = Place::new(SERVE);
    let driver = place.driver().await;
    let api_socket = place.path("api");
    // A stale one is in nobody's way.
    drop(UnixListener::bind(&api_socket).unwrap());
    let spec = |name: &str| {
        let mut options = NydusPodOptions::default();
        options.api_socket = Some(api_socket.clone());
        let mut spec = PodSpec::new(name);
        spec.extensions.set(&options).unwrap();
        spec
    };
    let (cx, options) = (patient(), RunOptions::default());
    let first = driver.run(&cx, &spec("a"), &options).await.unwrap().id;
    let error = driver.run(&cx, &spec("b"), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    driver.stop(&cx, &first, &StopOptions::now()).await.unwrap();
    assert!(!api_socket.exists());
    let second = driver.run(&cx, &spec("b"), &options).await.unwrap().id;
    driver.remove(&cx, &first).await.unwrap();
    assert!(api_socket.exists(), "it is another's now");
    driver.remove(&cx, &second).await.unwrap();
    assert!(!api_socket.exists());
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn a_process_that_got_the_number_of_a_daemon_is_never_touched() {
    let place = Place::new(SERVE);
    let driver = place.driver().await;
    let pod = run(&driver, "a").await.unwrap().id;
    signal(own(&status(&driver, &pod).await).pid.unwrap(), Signal::KILL);
    until(&driver, &pod, PodPhase::Failed).await;
    drop(driver);
    // As if a process of ours had the number now, and nobody had seen the daemon's end.
    let directory = place.path("w/pods").join(pod.as_str());
    fs::remove_file(directory.join("exit.json")).unwrap();
    let written = fs::read_to_string(directory.join("process.json")).unwrap();
    let mut written: serde_json::Value = serde_json::from_str(&written).unwrap();
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    written["process"]["pid"] = bystander.id().into();
    // Numbers are not used again within one tick of the clock, as they would be here.
    let started = written["process"]["started"].as_u64().unwrap();
    written["process"]["started"] = (started - 1).into();
    fs::write(directory.join("process.json"), written.to_string()).unwrap();
    let driver = place.driver().await;
    assert_eq!(status(&driver, &pod).await.summary.phase, PodPhase::Failed);
    driver.remove(&patient(), &pod).await.unwrap();
    assert!(bystander.try_wait().unwrap().is_none());
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    place.assert_nothing_is_left();
}

#[tokio::test]
async fn a_pod_is_not_removed_with_what_others_have_mounted_in_it() {
    let place = Place::new(SERVE);
    let driver = place.driver().await;
    let cx = Context::background();
    let pod = run(&driver, "a").await.unwrap().id;
    let stats = driver.stats(&cx, &pod).await.unwrap();
    assert!(stats.memory.unwrap().rss.unwrap().0 > 0);
    assert_eq!(driver.list_stats(&cx, &PodFilter::default().with_id(pod.clone())).await.unwrap().len(), 1);
    let source = own(&status(&driver, &pod).await).source;
    let mounted = source.join("m");
    fs::create_dir(&mounted).unwrap();
    if rustix::mount::mount("tmpfs", &mounted, "tmpfs", rustix::mount::MountFlags::empty(), None).is_err() {
        eprintln!("skipped: mounting takes a privilege");
        return driver.remove(&cx, &pod).await.unwrap();
    }
    fs::write(mounted.join("precious"), "x").unwrap();
    let error = driver.remove(&cx, &pod).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState, "{error}");
    assert!(mounted.join("precious").exists());
    rustix::mount::unmount(&mounted, rustix::mount::UnmountFlags::empty()).unwrap();
    driver.remove(&cx, &pod).await.unwrap();
    place.assert_nothing_is_left();
}
