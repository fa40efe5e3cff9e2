//! Daemons that end otherwise than by being stopped.

use std::time::Duration;

use futures::StreamExt;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use testkit::{
    cases,
    conformance::{Env, Failure, Verdict, kind_of, until},
    ensure, ensure_eq,
};
use wharf::{ErrorKind, Event, ExistingPolicy, ExitCause, PodHandle, PodPhase, RunOptions, StopOptions};

use super::own::{no_zombies, status};

cases! { Recovery;
    a_daemon_that_is_killed_is_told_with_its_cause: proves [], needs [PodWithoutContainers, PodEvents];
    of_a_daemon_that_was_killed_nothing_stays: proves [], needs [PodWithoutContainers];
    another_client_knows_that_a_daemon_was_killed: proves [], needs [PodWithoutContainers];
    a_daemon_that_is_told_to_end_by_somebody_has_ended: proves [], needs [PodWithoutContainers];
    nothing_is_mounted_on_a_daemon_that_was_killed: proves [], needs [PodWithoutContainers, ImageMount, ImageMounts, ImageUnmount];
    a_daemon_is_killed_while_images_are_mounted: proves [], needs [PodWithoutContainers, ImageMount, ImageMounts];
    a_daemon_that_was_killed_is_replaced_but_not_taken_over: proves [], needs [PodWithoutContainers, PodExisting];
    the_daemons_log_is_traced: proves [], needs [PodWithoutContainers];
    a_status_names_the_process_and_its_sockets: proves [], needs [PodWithoutContainers];
}

async fn a_daemon_that_is_killed_is_told_with_its_cause(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let mut events = env.client().events().await?;
    while events.next().await.ok_or("the events ended")?? != Event::Synced {}
    slay(&pod).await?;
    let told = async {
        loop {
            match events.next().await.ok_or("the events ended")?? {
                Event::PodApplied(told) if told.id == *pod.id() && told.phase == PodPhase::Failed => {
                    return Ok::<_, Failure>(());
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .map_err(|_| "nobody told that it was killed")??;
    let after = pod.status().await?;
    ensure_eq!(after.summary.phase, PodPhase::Failed);
    ensure!(after.reason.is_some() && after.message.is_some(), "{after:?}");
    let own = status(&pod).await?;
    ensure_eq!(own.pid, None);
    ensure_eq!(own.exit.map(|exit| exit.cause), Some(ExitCause::Signaled(9)));
    no_zombies().await
}

async fn of_a_daemon_that_was_killed_nothing_stays(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let own = status(&pod).await?;
    slay(&pod).await?;
    failed(&pod).await?;
    let sockets = [Some(own.api_socket), own.socket];
    let mountpoint = own.mountpoint;
    crate::eventually::eventually(|| {
        for socket in sockets.iter().flatten() {
            ensure!(!socket.exists(), "{} is still there", socket.display());
        }
        if let Some(mountpoint) = &mountpoint {
            let mounts = super::holdings::mounts_below(mountpoint)?;
            ensure!(mounts.is_empty(), "still mounted: {mounts:?}");
        }
        Ok(())
    })
    .await?;
    pod.stop(&StopOptions::default()).await?;
    pod.remove().await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}

async fn another_client_knows_that_a_daemon_was_killed(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let before = env.reconnect().await?.pod(pod.id().clone());
    before.status().await?;
    slay(&pod).await?;
    failed(&before).await?;
    let after = env.reconnect().await?.pod(pod.id().clone());
    ensure_eq!(after.status().await?, pod.status().await?);
    after.remove().await?;
    env.ensure_nothing_left().await
}

async fn a_daemon_that_is_told_to_end_by_somebody_has_ended(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let own = status(&pod).await?;
    let pid = own.pid.ok_or("nobody knows its process")?;
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM)?;
    if let Some(socket) = own.socket {
        // It waits for somebody there before it ends.
        drop(tokio::net::UnixStream::connect(socket).await?);
    }
    let ended = |phase: &wharf::PodStatus| phase.summary.phase != PodPhase::Running;
    let after = until("it has ended", || Box::pin(pod.status()), ended).await?;
    // Nobody stopped it through the driver.
    ensure_eq!(after.summary.phase, PodPhase::Failed);
    ensure_eq!(status(&pod).await?.exit.map(|exit| exit.cause), Some(ExitCause::Exited(0)));
    Ok(())
}

async fn nothing_is_mounted_on_a_daemon_that_was_killed(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, env.mountable(&[("a", "b")]).await?);
    let images = env.client().images();
    let path = images.mount(pod.id(), &spec).await?.path;
    slay(&pod).await?;
    failed(&pod).await?;
    ensure!(images.mounts(pod.id()).await?.is_empty(), "there are mounts");
    kind_of(images.mount(pod.id(), &spec).await, ErrorKind::InvalidState)?;
    images.unmount(pod.id(), &spec.id).await?;
    ensure!(path.is_none_or(|path| !path.exists()), "its files are still there");
    Ok(())
}

async fn a_daemon_is_killed_while_images_are_mounted(env: &Env) -> Verdict {
    let spec = env.mountable(&[("a", "b")]).await?;
    for mounted in [0, 1, 4] {
        let pod = env.bare().await?;
        let pid = status(&pod).await?.pid.ok_or("nobody knows its process")?;
        let images = env.client().images();
        let mounting = async {
            for number in 0.. {
                let mut spec = spec.clone();
                spec.id = format!("m{number}");
                if number == mounted {
                    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
                }
                if let Err(error) = images.mount(pod.id(), &spec).await {
                    return Ok::<_, Failure>(error);
                }
                ensure!(number < mounted + 100, "images are mounted on a dead daemon");
            }
            Err("unreachable: numbers end".into())
        };
        let error = tokio::time::timeout(Duration::from_secs(20), mounting).await;
        let error = error.map_err(|_| "a mount on a dead daemon does not end")??;
        let fits =
            matches!(error.kind(), ErrorKind::InvalidState | ErrorKind::Unavailable | ErrorKind::Protocol);
        ensure!(fits, "{error:?}");
        failed(&pod).await?;
        pod.remove().await?;
    }
    env.ensure_nothing_left().await?;
    no_zombies().await
}

async fn a_daemon_that_was_killed_is_replaced_but_not_taken_over(env: &Env) -> Verdict {
    let spec = env.pod();
    let pod = env.client().run_pod(&spec).await?;
    slay(&pod).await?;
    failed(&pod).await?;
    let with = |existing| RunOptions::default().with_existing(existing);
    let adopted = env.client().run_pod_with(&spec, &with(ExistingPolicy::Adopt)).await;
    ensure_eq!(kind_of(adopted, ErrorKind::AlreadyExists)?.existing_id(), Some(pod.id().as_str()));
    let again = env.client().run_pod_with(&spec, &with(ExistingPolicy::Replace)).await?;
    ensure_eq!(again.status().await?.summary.phase, PodPhase::Running);
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn the_daemons_log_is_traced(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let pid = status(&pod).await?.pid.ok_or("nobody knows its process")?;
    let line = format!("State machine(pid={pid}): from Ready to Running");
    crate::eventually::eventually(|| {
        ensure!(env.traced().contains(&line), "not traced: {line}");
        Ok(())
    })
    .await
}

async fn a_status_names_the_process_and_its_sockets(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let own = status(&pod).await?;
    let pid = own.pid.ok_or("nobody knows its process")?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    let words: Vec<_> = command.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    ensure!(words.iter().any(|word| *word == own.api_socket.to_string_lossy()), "{words:?}");
    ensure!(own.api_socket.exists() && own.source.is_dir(), "{own:?}");
    ensure!(own.socket.is_some() != own.mountpoint.is_some(), "{own:?}");
    Ok(())
}

/// Kills a pod's daemon, as anybody could.
async fn slay(pod: &PodHandle) -> Verdict {
    let pid = status(pod).await?.pid.ok_or("nobody knows its process")?;
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL)?;
    Ok(())
}

/// Waits until a pod is known to have ended by itself.
async fn failed(pod: &PodHandle) -> Verdict {
    let has_failed = |status: &wharf::PodStatus| status.summary.phase == PodPhase::Failed;
    until("it has failed", || Box::pin(pod.status()), has_failed).await.map(drop)
}
