//! The runtime is killed in the middle of something and started again: the client recovers by itself, and nothing hangs.

use std::time::{Duration, Instant};

use futures::{TryStreamExt, future::join_all};
use runtime_core::{
    Client, ContainerPhase, Error, ErrorKind, Event, ExitCause, LogOptions, PodPhase, PullOptions,
    StopOptions, spec::Mount,
};

use crate::{
    conformance::{
        Env, Failure, Verdict,
        case::{cases, ensure, ensure_eq},
        draw::Draw,
        env::{guest_command, guest_exec, lines},
    },
    registry::{Action, Rule},
};

cases! { Recovery, alone;
    an_idle_client_goes_on: proves [], needs [];
    many_restarts_in_a_row: proves [], needs [PodList];
    a_runtime_that_is_down: proves [], needs [];
    pods_live_on: proves [], needs [PodRun, PodList, PodStatus, ContainerStatus, ExecSync];
    a_pod_run_under_way: proves [], needs [PodRun, PodList];
    a_container_create_under_way: proves [], needs [PodRun, ContainerCreate, ContainerList];
    a_wait_goes_on: proves [], needs [PodRun, ContainerWait, ContainerStop];
    an_end_while_the_runtime_is_down: proves [], needs [PodRun, ContainerWait, ContainerMounts];
    logs_go_on: proves [], needs [PodRun, ContainerLogs, ContainerLogsFollow];
    a_stop_under_way: proves [], needs [PodRun, ContainerStop, ContainerStatus, ContainerLogsFollow];
    a_removal_under_way: proves [], needs [PodRun, PodRemove, PodList];
    a_command_under_way: proves [], needs [PodRun, ExecSync];
    a_session_under_way: proves [], needs [PodRun, ExecStream, ContainerMounts];
    events_go_on: proves [], needs [PodRun, PodEvents, ContainerMounts];
    a_pull_under_way: proves [], needs [ImagePull, ImageStatus];
}

/// How long a runtime may take until it answers after its start. containerd takes less than a second.
const START: Duration = Duration::from_secs(60);
/// How long a call may take to notice that the runtime is gone.
const NOTICE: Duration = Duration::from_secs(10);
/// How long a call that has nothing to wait for but the end of something may take to get there.
const HEAD_START: Duration = Duration::from_millis(300);
/// Tries that may fail after a crash before one has to work.
const CRASH_TRIES: usize = 3;
/// The longest pause between two looks.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// Kills the runtime, starts it, and waits until it answers to a client of its own.
async fn restart(env: &Env) -> Verdict {
    env.runtime()?.kill().await?;
    start(env).await
}

async fn start(env: &Env) -> Verdict {
    env.runtime()?.start().await?;
    let (started, mut pause) = (Instant::now(), Duration::from_millis(1));
    loop {
        let answer = async { env.reconnect().await?.ping().await }.await;
        match answer {
            Ok(_) => return Ok(()),
            Err(error) => ensure!(started.elapsed() < START, "it does not come back: {error:?}"),
        }
        tokio::time::sleep(pause).await;
        pause = MAX_PAUSE.min(pause * 2);
    }
}

/// Restarts the runtime after `time`, while `call` runs; both are waited for.
async fn restart_during<T>(
    env: &Env,
    time: Duration,
    call: impl Future<Output = T>,
) -> Result<(T, Duration), Failure> {
    // Before something begins that would only end with it.
    env.runtime()?;
    let restarting = async {
        tokio::time::sleep(time).await;
        restart(env).await
    };
    let begun = Instant::now();
    let calling = async {
        let answer = call.await;
        (answer, begun.elapsed())
    };
    let (answer, restarted) = tokio::join!(calling, restarting);
    restarted?;
    Ok(answer)
}

/// Sees that a task waits.
async fn ensure_under_way<T: std::fmt::Debug>(task: &mut tokio::task::JoinHandle<T>) -> Verdict {
    match tokio::time::timeout(HEAD_START, task).await {
        Err(_) => Ok(()),
        Ok(ended) => Err(Failure::Failed(format!("it does not wait, it ended with {ended:?}"))),
    }
}

/// A call that met the restart may fail as one whose runtime went away.
fn ensure_lost(error: &Error) -> Verdict {
    ensure!(error.kind() == ErrorKind::Unavailable && error.is_transient(), "ended with {error:?}");
    Ok(())
}

/// Clears what a call left, and sees that nothing is there.
async fn ensure_cleared(env: &Env, error: &Error) -> Verdict {
    let mut leftovers = error.leftovers().to_vec();
    if let Err(error) = env.client().settle().await {
        ensure!(!error.leftovers().is_empty(), "undo work does not end: {error:?}");
        leftovers.extend(error.leftovers().iter().cloned());
    }
    env.client().reap(&leftovers).await?;
    env.ensure_nothing_left().await
}

async fn an_idle_client_goes_on(env: &Env) -> Verdict {
    env.client().ping().await?;
    restart(env).await?;
    env.client().ping().await?;
    Ok(())
}

async fn many_restarts_in_a_row(env: &Env) -> Verdict {
    let clients: Vec<Client> = [env.reconnect().await?, env.reconnect().await?].into();
    for _ in 0..5 {
        restart(env).await?;
        for client in clients.iter().chain([env.client()]) {
            client.list_pods(&env.filter()).await?;
        }
    }
    Ok(())
}

async fn a_runtime_that_is_down(env: &Env) -> Verdict {
    env.runtime()?.kill().await?;
    let begun = Instant::now();
    let old = env.client().ping().await;
    let new = env.reconnect().await;
    let took = begun.elapsed();
    start(env).await?;
    ensure!(took < NOTICE, "it took {took:?} to notice");
    ensure_lost(&old.err().ok_or("a client talks to a runtime that is down")?)?;
    let error = new.err().ok_or("a client was made of a runtime that is down")?;
    ensure_lost(&error)?;
    let text = error.to_string();
    ensure!(text.contains(&env.client().info().endpoint), "the endpoint is not named: {text}");
    env.client().ping().await?;
    Ok(())
}

async fn pods_live_on(env: &Env) -> Verdict {
    let specs: Vec<_> = (0..20).map(|_| env.pod_running(["pause"])).collect();
    let ran = join_all(specs.iter().map(|spec| env.run(spec))).await;
    let pods: Vec<_> = ran.into_iter().collect::<Result<_, _>>()?;
    let before = pods[0].1.status().await?;
    restart(env).await?;
    ensure_eq!(env.pods().await?.len(), pods.len());
    for (pod, container) in &pods {
        let status = pod.status().await?;
        ensure_eq!(status.summary.phase, PodPhase::Running);
        ensure_eq!(status.containers.len(), 1);
        ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Running);
    }
    let after = pods[0].1.status().await?;
    ensure_eq!(after.started_at, before.started_at);
    ensure_eq!(after.summary.labels, before.summary.labels);
    ensure_eq!(guest_exec(&pods[0].1, ["exit", "3"]).await?.exit.code(), Some(3));
    let removed = join_all(pods.iter().map(|(pod, _)| pod.remove())).await;
    removed.into_iter().collect::<Result<Vec<()>, _>>()?;
    Ok(())
}

async fn a_pod_run_under_way(env: &Env) -> Verdict {
    let begun = Instant::now();
    let (pod, _) = env.idle().await?;
    let whole = begun.elapsed();
    pod.remove().await?;
    let mut draw = Draw::new(env.seed(), 1);
    for _ in 0..4 {
        let spec = env.pod_running(["pause"]).with_container(env.container("second", ["pause"]));
        let time = whole.mul_f64(draw.fraction());
        let (result, took) = restart_during(env, time, env.client().run_pod(&spec)).await?;
        let case = format!("killed after {time:?} of {whole:?}, answered after {took:?}");
        let checked = async {
            match result {
                Ok(pod) => {
                    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
                    pod.remove().await?;
                    Ok(())
                }
                Err(error) => {
                    ensure_after_crash(&error)?;
                    ensure_cleared(env, &error).await?;
                    // The name is free.
                    after_crash(|| env.client().run_pod(&spec)).await?.remove().await?;
                    Ok(())
                }
            }
        };
        checked.await.map_err(|failure: Failure| failure.at(&case))?;
        env.forgive_the_runtime().await?;
    }
    Ok(())
}

/// What a create may end with when the runtime crashed in it: the loss itself, or what the next call found of the half-made.
fn ensure_after_crash(error: &Error) -> Verdict {
    let kinds = [ErrorKind::Unavailable, ErrorKind::InvalidState, ErrorKind::NotFound, ErrorKind::Failed];
    ensure!(kinds.contains(&error.kind()), "ended with {error:?}");
    Ok(())
}

/// Creates what could not be created when the runtime crashed. containerd finds the directory of a snapshot that it forgot, fails
/// once for each, and removes it doing so.
async fn after_crash<T, F: Future<Output = runtime_core::Result<T>>>(
    create: impl Fn() -> F,
) -> runtime_core::Result<T> {
    for _ in 0..CRASH_TRIES {
        match create().await {
            Err(error) if error.kind() == ErrorKind::Failed => {}
            answer => return answer,
        }
    }
    create().await
}

async fn a_container_create_under_way(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let mut draw = Draw::new(env.seed(), 2);
    for _ in 0..4 {
        let spec = env.container(&env.unique("c"), ["pause"]);
        let time = Duration::from_millis(100).mul_f64(draw.fraction());
        let (result, _) = restart_during(env, time, pod.create_container(&spec)).await?;
        match result {
            Ok(container) => container.start().await?,
            Err(error) => {
                ensure_after_crash(&error)?;
                env.settle().await?;
                env.client().reap(error.leftovers()).await?;
                after_crash(|| pod.create_container(&spec)).await?;
            }
        }
        let named = pod.list_containers().await?.into_iter().filter(|one| one.name == spec.name).count();
        ensure_eq!(named, 1);
    }
    env.forgive_the_runtime().await
}

async fn a_wait_goes_on(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let of_wait = container.clone();
    let mut waiting = tokio::spawn(async move { of_wait.wait().await });
    ensure_under_way(&mut waiting).await?;
    restart(env).await?;
    ensure_under_way(&mut waiting).await?;
    container.stop(&StopOptions::now()).await?;
    let exit = waiting.await??;
    ensure!(exit.code() == Some(137) || exit.cause == ExitCause::Signaled(9), "{exit}");
    Ok(())
}

async fn an_end_while_the_runtime_is_down(env: &Env) -> Verdict {
    let shared = env.directory().join("end");
    std::fs::create_dir(&shared)?;
    let mount = Mount::host(&shared, "/end");
    let command = ["do", "wait-file", "/end/now", ";;", "write", "/end/seen", "x", ";;", "exit", "5"];
    let container = env.container("main", command).with_mount(mount);
    let (_, container) = env.run(&env.pod().with_container(container)).await?;
    let of_wait = container.clone();
    let mut waiting = tokio::spawn(async move { of_wait.wait().await });
    ensure_under_way(&mut waiting).await?;
    env.runtime()?.kill().await?;
    std::fs::write(shared.join("now"), "")?;
    let (begun, mut pause) = (Instant::now(), Duration::from_millis(1));
    while !shared.join("seen").exists() && begun.elapsed() < NOTICE {
        tokio::time::sleep(pause).await;
        pause = MAX_PAUSE.min(pause * 2);
    }
    start(env).await?;
    ensure_eq!(waiting.await??.code(), Some(5));
    Ok(())
}

async fn logs_go_on(env: &Env) -> Verdict {
    let (_, container) = env.run(&env.pod_running(["lines", "150", "10"])).await?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(following.try_next().await?.ok_or("the log ended at once")?);
    }
    restart(env).await?;
    while let Some(line) = following.try_next().await? {
        seen.push(line);
    }
    // What the runtime itself lost with its life is not in its files either.
    let written = lines(&container, &LogOptions::default()).await?;
    ensure_eq!(seen, written);
    ensure!(written.len() > 20, "nothing was written after the restart: {} lines", written.len());
    Ok(())
}

async fn a_stop_under_way(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let stop = StopOptions::after(Duration::from_secs(3));
    let (result, took) = restart_during(env, Duration::from_millis(500), container.stop(&stop)).await?;
    ensure!(took < Duration::from_secs(60), "it took {took:?}");
    if let Err(error) = result {
        ensure_after_crash(&error)?;
        container.stop(&StopOptions::now()).await?;
    }
    ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Exited);
    Ok(())
}

async fn a_removal_under_way(env: &Env) -> Verdict {
    let mut draw = Draw::new(env.seed(), 3);
    for _ in 0..3 {
        let (pod, _) = env.idle().await?;
        let time = Duration::from_millis(200).mul_f64(draw.fraction());
        let (result, took) = restart_during(env, time, pod.remove()).await?;
        ensure!(took < Duration::from_secs(60), "it took {took:?}");
        if let Err(error) = result {
            ensure_after_crash(&error)?;
            pod.remove().await?;
        }
        env.ensure_nothing_left().await?;
    }
    env.forgive_the_runtime().await
}

async fn a_command_under_way(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let command = guest_command(["sleep", "30"]);
    let (result, took) = restart_during(env, Duration::from_millis(300), container.exec(&command)).await?;
    let error = result.err().ok_or("a command whose runtime was killed has succeeded")?;
    ensure_lost(&error)?;
    ensure!(took < NOTICE, "it took {took:?} to notice");
    ensure_eq!(guest_exec(&container, ["exit", "3"]).await?.exit.code(), Some(3));
    Ok(())
}

async fn a_session_under_way(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0] = spec.containers[0].clone().with_mount(Mount::host(env.directory(), "/data"));
    let (_, container) = env.run(&spec).await?;
    let late = guest_command(["do", "wait-file", "/data/go", ";;", "write", "/data/late", "x"]);
    let session = container.start_exec(&late).await?;
    let (result, took) = restart_during(env, Duration::from_millis(300), session.wait()).await?;
    ensure!(took < NOTICE, "it took {took:?} to notice");
    match result {
        Ok(exit) => ensure_eq!(exit.cause, ExitCause::StreamLost),
        Err(error) => ensure_lost(&error)?,
    }
    // The command outlives its connection, and not its session.
    drop(session);
    env.settle().await?;
    std::fs::write(env.directory().join("go"), "")?;
    guest_exec(&container, ["sleep", "1"]).await?;
    ensure!(!env.directory().join("late").exists(), "the command went on without its session");
    let session = container.start_exec(&guest_command(["exit", "3"])).await?;
    ensure_eq!(session.wait().await?.code(), Some(3));
    Ok(())
}

async fn events_go_on(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["do", "wait-file", "/data/go", ";;", "exit", "5"]);
    spec.containers[0] = spec.containers[0].clone().with_mount(Mount::host(env.directory(), "/data"));
    let (_, ending) = env.run(&spec).await?;
    let mut events = env.client().events().await?;
    while events.try_next().await?.ok_or("the events ended at once")? != Event::Synced {}
    env.runtime()?.kill().await?;
    // What happens while nobody can tell, and right after.
    std::fs::write(env.directory().join("go"), "")?;
    start(env).await?;
    let (pod, _) = env.idle().await?;
    // A system that can say what happened meanwhile needs no `Resync`; where there is one, everything is told after it.
    let (mut resyncs, mut synced, mut ended, mut made) = (0, 0, false, false);
    let listening = async {
        while !(ended && made && synced == resyncs) {
            match events.try_next().await?.ok_or("the events ended with the runtime")? {
                Event::Resync { .. } => resyncs += 1,
                Event::Synced => synced += 1,
                Event::ContainerApplied(told) if told.id == *ending.id() => {
                    ended = told.phase == ContainerPhase::Exited;
                }
                Event::PodApplied(told) => made |= told.id == *pod.id(),
                _ => {}
            }
        }
        Ok::<_, Failure>(())
    };
    let told = tokio::time::timeout(NOTICE, listening).await;
    let seen = format!("{resyncs} resyncs, synced {synced}, ended {ended}, made {made}");
    told.map_err(|_| Failure::Failed(format!("not all was told: {seen}")))??;
    ensure!(resyncs <= 1, "one restart, {resyncs} resyncs");
    Ok(())
}

async fn a_pull_under_way(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let repository = reference.split('/').nth(1).and_then(|name| name.split(':').next()).unwrap_or_default();
    let slow = env.registry().script(Rule::new(format!("/v2/{repository}/blobs/*"), Action::Hang));
    let images = env.client().images();
    let options = PullOptions::default();
    let pull = images.pull(&reference, &options);
    let (result, took) = restart_during(env, Duration::from_millis(300), pull).await?;
    slow.release();
    ensure!(took < NOTICE, "it took {took:?} to notice");
    ensure_lost(&result.err().ok_or("a pull that can't end has succeeded")?)?;
    images.pull(&reference, &PullOptions::default()).await?;
    images.status(&reference).await?;
    Ok(())
}
