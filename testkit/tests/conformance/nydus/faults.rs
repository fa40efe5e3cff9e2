//! Daemons that do everything wrong: each a typed error in time, and nothing is left.

use std::time::{Duration, Instant};

use testkit::{
    cases,
    conformance::{Env, Failure, Verdict, kind_of},
    ensure, ensure_eq,
};
use wharf::{
    Error, ErrorKind, PodHandle, PodPhase, StopOptions,
    spec::{ImageMountSpec, PodSpec},
};

use super::own::{apart, ensure_nothing_of, status};

cases! { Faults;
    a_daemon_that_exits_at_once: proves [], needs [PodWithoutContainers];
    a_daemon_that_is_never_ready: proves [], needs [PodWithoutContainers];
    a_daemon_without_an_api: proves [], needs [PodWithoutContainers];
    a_daemon_whose_api_hangs: proves [], needs [PodWithoutContainers];
    a_daemon_that_answers_garbage: proves [], needs [PodWithoutContainers];
    a_daemon_that_answers_half_a_body: proves [], needs [PodWithoutContainers];
    a_daemon_that_answers_a_huge_body: proves [], needs [PodWithoutContainers];
    a_daemon_that_closes_without_an_answer: proves [], needs [PodWithoutContainers];
    a_daemon_that_exits_while_the_directory_is_shared: proves [], needs [PodWithoutContainers];
    a_daemon_that_refuses_to_share_the_directory: proves [], needs [PodWithoutContainers];
    a_daemon_that_is_late_or_slow_is_waited_for: proves [], needs [PodWithoutContainers];
    a_daemon_that_floods_its_log_is_not_held_up: proves [], needs [PodWithoutContainers];
    a_daemon_that_ignores_its_end_is_killed: proves [], needs [PodWithoutContainers];
    a_run_that_waits_for_a_daemon_is_dropped: proves [], needs [PodWithoutContainers];
    a_run_that_waits_for_a_daemon_has_no_time_left: proves [], needs [PodWithoutContainers];
    a_mount_that_hangs_ends_with_its_deadline: proves [], needs [PodWithoutContainers, ImageMount];
    a_daemon_that_exits_on_a_mount: proves [], needs [PodWithoutContainers, ImageMount];
    mounts_that_are_answered_wrongly: proves [], needs [PodWithoutContainers, ImageMount];
    an_error_that_is_no_json_is_kept_as_text: proves [], needs [PodWithoutContainers, ImageMount];
    a_daemon_that_hangs_can_be_stopped: proves [], needs [PodWithoutContainers, ImageMount];
}

/// How long a daemon may take to be ready here, and how much longer the failed run may take.
const START_SECONDS: &str = "1";
const IN_TIME: Duration = Duration::from_secs(12);

/// Runs a daemon with a fault, which must fail in time and leave nothing.
async fn fails(env: &Env, fault: &str, kinds: &[ErrorKind]) -> Result<Error, Failure> {
    let client = env.connect_with(&[("start_timeout", START_SECONDS)]).await?;
    let started = Instant::now();
    let error = match client.run_pod(&faulty(env, fault)?).await {
        Err(error) => error,
        Ok(pod) => return Err(Failure::Failed(format!("{} runs all the same", pod.id()))),
    };
    ensure!(started.elapsed() < IN_TIME, "it took {:?}", started.elapsed());
    ensure!(kinds.contains(&error.kind()), "{error:?}");
    ensure!(error.leftovers().is_empty(), "{error:?}");
    client.settle().await?;
    ensure_nothing_of(env).await?;
    Ok(error)
}

fn faulty(env: &Env, fault: &str) -> Result<PodSpec, Failure> {
    apart(env, |options| options.extra_arguments = vec!["--fault".to_owned(), fault.to_owned()])
}

async fn run(env: &Env, fault: &str) -> Result<PodHandle, Failure> {
    Ok(env.client().run_pod(&faulty(env, fault)?).await?)
}

async fn a_daemon_that_exits_at_once(env: &Env) -> Verdict {
    let error = fails(env, "exit-at-once", &[ErrorKind::Failed]).await?;
    ensure!(error.to_string().contains("the fault was asked for"), "its last words are missing: {error}");
    Ok(())
}

async fn a_daemon_that_is_never_ready(env: &Env) -> Verdict {
    fails(env, "never-ready", &[ErrorKind::DeadlineExceeded]).await.map(drop)
}

async fn a_daemon_without_an_api(env: &Env) -> Verdict {
    fails(env, "no-api", &[ErrorKind::DeadlineExceeded]).await.map(drop)
}

async fn a_daemon_whose_api_hangs(env: &Env) -> Verdict {
    fails(env, "hang", &[ErrorKind::DeadlineExceeded]).await.map(drop)
}

async fn a_daemon_that_answers_garbage(env: &Env) -> Verdict {
    fails(env, "garbage", &[ErrorKind::Protocol]).await.map(drop)
}

async fn a_daemon_that_answers_half_a_body(env: &Env) -> Verdict {
    fails(env, "half-body", &[ErrorKind::Protocol, ErrorKind::DeadlineExceeded]).await.map(drop)
}

async fn a_daemon_that_answers_a_huge_body(env: &Env) -> Verdict {
    fails(env, "huge-body", &[ErrorKind::ResourceExhausted]).await.map(drop)
}

async fn a_daemon_that_closes_without_an_answer(env: &Env) -> Verdict {
    fails(env, "close", &[ErrorKind::Unavailable, ErrorKind::DeadlineExceeded]).await.map(drop)
}

async fn a_daemon_that_exits_while_the_directory_is_shared(env: &Env) -> Verdict {
    let error = fails(env, "exit@POST", &[ErrorKind::Failed]).await?;
    ensure!(error.to_string().contains("the fault was asked for"), "its last words are missing: {error}");
    Ok(())
}

async fn a_daemon_that_refuses_to_share_the_directory(env: &Env) -> Verdict {
    let error = fails(env, "not-json@POST", &[ErrorKind::Failed]).await?;
    ensure!(error.to_string().contains("not what you think"), "what it said is missing: {error}");
    Ok(())
}

async fn a_daemon_that_is_late_or_slow_is_waited_for(env: &Env) -> Verdict {
    for fault in ["late", "slow"] {
        let pod = run(env, fault).await?;
        ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
        pod.remove().await?;
        ensure_nothing_of(env).await?;
    }
    Ok(())
}

async fn a_daemon_that_floods_its_log_is_not_held_up(env: &Env) -> Verdict {
    let pod = run(env, "flood-log").await?;
    ensure!(status(&pod).await?.pid.is_some(), "it does not run");
    crate::eventually::eventually(|| {
        ensure!(env.traced().contains("flood 19999"), "the end of the flood is not traced");
        Ok(())
    })
    .await?;
    pod.stop(&StopOptions::default()).await?;
    pod.remove().await?;
    ensure_nothing_of(env).await
}

async fn a_daemon_that_ignores_its_end_is_killed(env: &Env) -> Verdict {
    let pod = run(env, "ignore-sigterm").await?;
    let started = Instant::now();
    pod.stop(&StopOptions::after(Duration::from_millis(700))).await?;
    let took = started.elapsed();
    ensure!(took >= Duration::from_millis(650), "it was given {took:?} only");
    ensure!(took < Duration::from_secs(6), "it took {took:?}");
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
    pod.remove().await?;
    ensure_nothing_of(env).await
}

async fn a_run_that_waits_for_a_daemon_is_dropped(env: &Env) -> Verdict {
    let spec = faulty(env, "never-ready")?;
    let waiting = tokio::time::timeout(Duration::from_millis(200), env.client().run_pod(&spec)).await;
    ensure!(waiting.is_err(), "it ended: {waiting:?}");
    ensure_nothing_of(env).await
}

async fn a_run_that_waits_for_a_daemon_has_no_time_left(env: &Env) -> Verdict {
    let hasty = env.client().with_timeout(Duration::from_millis(300));
    let started = Instant::now();
    kind_of(hasty.run_pod(&faulty(env, "never-ready")?).await, ErrorKind::DeadlineExceeded)?;
    ensure!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    ensure_nothing_of(env).await
}

async fn image(env: &Env) -> Result<ImageMountSpec, Failure> {
    env.mountable(&[("a", "b")]).await
}

async fn a_mount_that_hangs_ends_with_its_deadline(env: &Env) -> Verdict {
    let pod = run(env, "hang@/rafs").await?;
    // What it leaves is told to it alone.
    let client = env.reconnect().await?;
    let hasty = client.with_timeout(Duration::from_millis(500));
    let started = Instant::now();
    kind_of(hasty.images().mount(pod.id(), &image(env).await?).await, ErrorKind::DeadlineExceeded)?;
    ensure!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    // It may be mounted all the same, which can't be undone while the daemon hangs.
    pod.remove().await?;
    let left = match client.settle().await {
        Ok(()) => Vec::new(),
        Err(error) => error.leftovers().to_vec(),
    };
    client.reap(&left).await?;
    ensure_nothing_of(env).await
}

async fn a_daemon_that_exits_on_a_mount(env: &Env) -> Verdict {
    let pod = run(env, "exit@/rafs").await?;
    let Err(error) = env.client().images().mount(pod.id(), &image(env).await?).await else {
        return Err("it was mounted".into());
    };
    ensure!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::InvalidState), "{error:?}");
    let has_failed = |status: &wharf::PodStatus| status.summary.phase == PodPhase::Failed;
    testkit::conformance::until("it has failed", || Box::pin(pod.status()), has_failed).await?;
    pod.remove().await?;
    ensure_nothing_of(env).await
}

async fn mounts_that_are_answered_wrongly(env: &Env) -> Verdict {
    for (fault, kinds) in [
        ("garbage@POST /api/v1/mount?mountpoint=/rafs", &[ErrorKind::Protocol][..]),
        ("half-body@POST /api/v1/mount?mountpoint=/rafs", &[ErrorKind::Protocol]),
        ("close@POST /api/v1/mount?mountpoint=/rafs", &[ErrorKind::Unavailable]),
        ("huge-body@POST /api/v1/mount?mountpoint=/rafs", &[ErrorKind::ResourceExhausted]),
    ] {
        let pod = run(env, fault).await?;
        let Err(error) = env.client().images().mount(pod.id(), &image(env).await?).await else {
            return Err(Failure::Failed(format!("{fault}: it was mounted")));
        };
        ensure!(kinds.contains(&error.kind()), "{fault}: {error:?}");
        env.settle().await?;
        let mounts = env.client().images().mounts(pod.id()).await?;
        ensure!(mounts.is_empty(), "{fault}: {mounts:?}");
        pod.remove().await?;
    }
    ensure_nothing_of(env).await
}

async fn an_error_that_is_no_json_is_kept_as_text(env: &Env) -> Verdict {
    let pod = run(env, "not-json@/rafs").await?;
    let result = env.client().images().mount(pod.id(), &image(env).await?).await;
    let error = kind_of(result, ErrorKind::Failed)?;
    ensure!(error.to_string().contains("not what you think"), "{error}");
    pod.remove().await?;
    ensure_nothing_of(env).await
}

async fn a_daemon_that_hangs_can_be_stopped(env: &Env) -> Verdict {
    let pod = run(env, "hang@/rafs").await?;
    let images = env.client().images();
    let spec = image(env).await?;
    let hanging = tokio::time::timeout(Duration::from_millis(100), images.mount(pod.id(), &spec)).await;
    ensure!(hanging.is_err(), "it does not hang: {hanging:?}");
    pod.stop(&StopOptions::after(Duration::from_millis(500))).await?;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
    pod.remove().await?;
    ensure_nothing_of(env).await
}
