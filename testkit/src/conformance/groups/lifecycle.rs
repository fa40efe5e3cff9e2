//! Run, start, stop, wait, remove.

use std::time::{Duration, Instant};

use runtime_core::{
    ContainerFilter, ContainerPhase, ErrorKind, ExitCause, PodFilter, PodPhase, RunOptions, StopOptions,
    WaitFor,
};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    ending::stop,
    env::{guest_exec, kind_of, lines},
};

cases! { Lifecycle;
    status_tells_what_was_asked_for: proves [PodRun, PodContainers, PodStatus, ContainerStatus], needs [];
    a_pod_without_containers: proves [PodWithoutContainers], needs [PodRun, PodStatus];
    several_containers_start: proves [PodRun], needs [PodStatus, ContainerStatus];
    a_container_is_added_to_a_running_pod: proves [ContainerCreate, ContainerStart], needs [PodRun, ContainerStatus];
    creating_in_the_wrong_pod: proves [], needs [ContainerCreate, PodRun, PodStop];
    a_container_name_is_unique_in_its_pod: proves [], needs [ContainerCreate, PodRun];
    starting_twice_is_refused: proves [], needs [ContainerStart, ContainerCreate, PodRun, ContainerWait];
    a_missing_command_is_reported: proves [], needs [ContainerCreate, ContainerStart, PodRun, ContainerStatus];
    exit_codes_are_told: proves [ContainerWait], needs [PodRun, ContainerStatus];
    waiting_ends_with_the_container: proves [ContainerWait], needs [PodRun, PodStop, ContainerLogsFollow];
    waiting_for_a_removed_container_ends: proves [], needs [ContainerWait, ContainerRemove, PodRun];
    the_stop_signal_comes_first: proves [ContainerStop], needs [PodRun, ContainerWait, ContainerLogs, ContainerLogsFollow];
    what_ignores_the_signal_is_killed: proves [ContainerStop], needs [PodRun, ContainerWait, ContainerLogsFollow];
    a_grace_period_of_zero_kills_at_once: proves [], needs [ContainerStop, PodRun, ContainerWait, ContainerLogsFollow];
    stopping_what_never_started_is_fine: proves [], needs [ContainerCreate, ContainerStop, PodRun];
    stopping_a_pod_stops_its_containers: proves [PodStop], needs [PodRun, PodStatus, ContainerStatus, ContainerLogs, ContainerLogsFollow];
    removing_a_running_pod_kills_it: proves [PodRemove], needs [PodRun, PodStatus, ContainerStatus, ContainerLogsFollow];
    removing_a_running_container_kills_it: proves [ContainerRemove], needs [PodRun, ContainerStatus, ContainerLogsFollow];
    init_containers_run_in_order: proves [PodInitContainers], needs [PodRun, ContainerStatus, ContainerList];
    created_but_not_started: proves [], needs [PodRun, ContainerStart, ContainerStatus];
    pods_are_listed_by_filter: proves [PodList], needs [PodRun, PodStop];
    containers_are_listed_by_filter: proves [ContainerList], needs [PodRun, ContainerCreate];
    the_stop_signal_can_be_chosen: proves [ContainerStopSignal], needs [PodRun, ContainerStop, ContainerWait, ContainerLogsFollow];
    many_pods_at_once: proves [], needs [PodRun, PodRemove, ExecSync];
    stdin_stays_open: proves [ContainerStdin], needs [PodRun, ContainerStatus, ExecSync];
    a_terminal_is_given: proves [ContainerTty], needs [PodRun, ContainerWait, ContainerLogs];
}

async fn status_tells_what_was_asked_for(env: &Env) -> Verdict {
    let before = jiff::Timestamp::now();
    let mut spec =
        env.pod_running(["pause"]).with_label("app", "web").with_annotation("note", "any text: {}");
    spec.containers[0] = spec.containers[0].clone().with_label("part", "front");
    spec.uid = Some("1234-abcd".to_owned());
    spec.attempt = 2;
    let (pod, container) = env.run(&spec).await?;
    let status = pod.status().await?;
    let summary = &status.summary;
    ensure_eq!(summary.id, *pod.id());
    ensure_eq!(summary.name, spec.name);
    ensure_eq!(summary.namespace, spec.namespace_or_default());
    ensure_eq!(summary.uid, spec.uid);
    ensure_eq!(summary.attempt, Some(2));
    ensure_eq!(summary.phase, PodPhase::Running);
    ensure_eq!(summary.labels, spec.labels);
    ensure_eq!(summary.annotations, spec.annotations);
    ensure_recent("the pod's creation", summary.created_at, before)?;
    ensure_eq!(status.containers.len(), 1);
    let status = container.status().await?;
    ensure_eq!(status.summary.name, "main");
    ensure_eq!(status.summary.phase, ContainerPhase::Running);
    ensure_eq!(status.summary.pod.as_ref().is_none_or(|of| of == pod.id()), true);
    ensure_eq!(status.summary.labels, spec.containers[0].labels);
    ensure_eq!(status.summary.image, spec.containers[0].image.reference);
    ensure_eq!(status.exit, None);
    ensure_recent("the container's start", status.started_at, before)
}

/// A time that is told must be now, give or take a clock's step; systems have told times of 1754 and 1970.
fn ensure_recent(what: &str, told: Option<jiff::Timestamp>, before: jiff::Timestamp) -> Verdict {
    let told = told.ok_or_else(|| format!("{what} is not told"))?;
    let off = told.duration_since(before).abs();
    ensure!(off < jiff::SignedDuration::from_mins(5), "{what} is told as {told}, it is {before}");
    Ok(())
}

async fn a_pod_without_containers(env: &Env) -> Verdict {
    let pod = env.client().run_pod(&env.pod()).await?;
    let status = pod.status().await?;
    ensure_eq!(status.summary.phase, PodPhase::Running);
    ensure_eq!(status.containers, []);
    Ok(())
}

async fn several_containers_start(env: &Env) -> Verdict {
    let names = ["one", "two", "three", "four"];
    let spec = names.iter().fold(env.pod(), |pod, name| pod.with_container(env.container(name, ["pause"])));
    let pod = env.client().run_pod(&spec).await?;
    for name in names {
        let container = pod.container(name).ok_or_else(|| format!("no container {name}"))?;
        let status = container.status().await?;
        ensure_eq!(status.summary.name, name);
        ensure_eq!(status.summary.phase, ContainerPhase::Running);
    }
    let mut listed: Vec<_> =
        pod.status().await?.containers.into_iter().map(|container| container.name).collect();
    listed.sort();
    ensure_eq!(listed, ["four", "one", "three", "two"]);
    Ok(())
}

async fn a_container_is_added_to_a_running_pod(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let added = pod.create_container(&env.container("added", ["pause"])).await?;
    let status = added.status().await?;
    ensure_eq!(status.summary.phase, ContainerPhase::Created);
    ensure_eq!(status.started_at, None);
    ensure_eq!(status.exit, None);
    added.start().await?;
    ensure_eq!(added.status().await?.summary.phase, ContainerPhase::Running);
    ensure_eq!(pod.list_containers().await?.len(), 2);
    Ok(())
}

async fn creating_in_the_wrong_pod(env: &Env) -> Verdict {
    let spec = env.container("main", ["pause"]);
    let missing = env.client().pod("wharf-conformance-unknown");
    kind_of(missing.create_container(&spec).await, ErrorKind::NotFound)?;
    let (pod, _) = env.idle().await?;
    pod.stop(&StopOptions::now()).await?;
    kind_of(pod.create_container(&env.container("late", ["pause"])).await, ErrorKind::InvalidState)?;
    Ok(())
}

async fn a_container_name_is_unique_in_its_pod(env: &Env) -> Verdict {
    let (pod, first) = env.idle().await?;
    let again = pod.create_container(&env.container("main", ["pause"])).await;
    let error = kind_of(again, ErrorKind::AlreadyExists)?;
    ensure_eq!(error.existing_id(), Some(first.id().as_str()));
    let mut next = env.container("main", ["pause"]);
    next.attempt = 1;
    pod.create_container(&next).await?;
    Ok(())
}

async fn starting_twice_is_refused(env: &Env) -> Verdict {
    let (pod, running) = env.idle().await?;
    kind_of(running.start().await, ErrorKind::InvalidState)?;
    let short = pod.create_container(&env.container("short", ["exit", "0"])).await?;
    short.start().await?;
    short.wait().await?;
    kind_of(short.start().await, ErrorKind::InvalidState)?;
    Ok(())
}

async fn a_missing_command_is_reported(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let spec = env.container("bad", ["x"]).with_command(["/no/such/command"]);
    let container = pod.create_container(&spec).await?;
    let error = kind_of(container.start().await, ErrorKind::Failed)?;
    ensure!(format!("{error:#}").contains("/no/such/command"), "without the system's own reason: {error:#}");
    ensure!(!error.is_transient(), "{error:?}");
    let status = container.status().await?;
    ensure_eq!(status.summary.phase, ContainerPhase::Exited);
    ensure!(status.exit.as_ref().is_some_and(|exit| !exit.success()), "{:?}", status.exit);
    Ok(())
}

async fn exit_codes_are_told(env: &Env) -> Verdict {
    for code in [0, 3, 255] {
        let (_, container) = env.run(&env.pod_running(["exit", &code.to_string()])).await?;
        let exit = container.wait().await?;
        ensure_eq!(exit.cause, ExitCause::Exited(code));
        let status = container.status().await?;
        ensure_eq!(status.summary.phase, ContainerPhase::Exited);
        ensure_eq!(status.exit.as_ref(), Some(&exit));
        let started = status.started_at.ok_or("its start is not told")?;
        let finished = exit.finished_at.ok_or("its end is not told")?;
        // containerd notes the start when the shim has answered; what ends at once has ended by then.
        let lasted = finished.duration_since(started);
        ensure!(lasted > jiff::SignedDuration::from_secs(-1), "started {started}, finished {finished}");
        ensure_eq!(container.wait().await?, exit);
    }
    Ok(())
}

async fn waiting_ends_with_the_container(env: &Env) -> Verdict {
    let (pod, container) = env.run_ready(&env.pod_running(["on-term", "bye", "5"])).await?;
    let early = tokio::time::timeout(Duration::from_millis(300), container.wait()).await;
    ensure!(early.is_err(), "the wait ended while the container ran: {early:?}");
    let options = StopOptions::default();
    let stop = stop(env, (&pod, &container), &options);
    let (first, second, stopped) = tokio::join!(container.wait(), container.wait(), stop);
    stopped?;
    ensure_eq!(first?.code(), Some(5));
    ensure_eq!(second?.code(), Some(5));
    Ok(())
}

async fn waiting_for_a_removed_container_ends(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let (waited, removed) = tokio::join!(container.wait(), async {
        let early = tokio::time::timeout(Duration::from_millis(200), container.wait()).await;
        ensure!(early.is_err(), "the wait ended while the container ran: {early:?}");
        Ok(container.remove().await?)
    });
    removed?;
    let exit = waited?;
    ensure!(!exit.success(), "a removed container reported success: {exit:?}");
    kind_of(container.wait().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn the_stop_signal_comes_first(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["on-term", "goodbye", "7"])).await?;
    container.stop(&StopOptions::after(Duration::from_secs(30))).await?;
    ensure_eq!(container.wait().await?.cause, ExitCause::Exited(7));
    let text: Vec<_> = lines(&container, &Default::default()).await?.iter().map(|line| line.text()).collect();
    ensure_eq!(text, ["ready", "goodbye"]);
    Ok(())
}

async fn what_ignores_the_signal_is_killed(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let started = Instant::now();
    container.stop(&StopOptions::after(Duration::from_secs(2))).await?;
    let took = started.elapsed();
    ensure!(took >= Duration::from_millis(1900), "killed after {took:?}, before the grace period of 2 s");
    ensure!(took < Duration::from_secs(20), "killed only after {took:?}");
    ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Exited);
    ensure_eq!(container.wait().await?.code(), Some(137));
    Ok(())
}

async fn a_grace_period_of_zero_kills_at_once(env: &Env) -> Verdict {
    let (_, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    let started = Instant::now();
    container.stop(&StopOptions::now()).await?;
    ensure!(started.elapsed() < Duration::from_secs(8), "took {:?}", started.elapsed());
    ensure_eq!(container.wait().await?.code(), Some(137));
    Ok(())
}

async fn stopping_what_never_started_is_fine(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let never = pod.create_container(&env.container("never", ["pause"])).await?;
    never.stop(&StopOptions::default()).await?;
    never.remove().await?;
    Ok(())
}

async fn stopping_a_pod_stops_its_containers(env: &Env) -> Verdict {
    let spec = env.pod_running(["on-term", "bye", "4"]).with_container(env.container("second", ["pause"]));
    let (pod, container) = env.run_ready(&spec).await?;
    pod.stop(&StopOptions::default()).await?;
    let status = pod.status().await?;
    ensure!(status.summary.phase != PodPhase::Running, "{:?}", status.summary.phase);
    let stopped = container.status().await?;
    ensure_eq!(stopped.exit.as_ref().and_then(|exit| exit.code()), Some(4));
    let text: Vec<_> = lines(&container, &Default::default()).await?.iter().map(|line| line.text()).collect();
    ensure_eq!(text, ["ready", "bye"]);
    Ok(())
}

async fn removing_a_running_pod_kills_it(env: &Env) -> Verdict {
    let (pod, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    pod.remove().await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    kind_of(container.status().await, ErrorKind::NotFound)?;
    env.ensure_nothing_left().await
}

async fn removing_a_running_container_kills_it(env: &Env) -> Verdict {
    let (pod, container) = env.run_ready(&env.pod_running(["ignore-term"])).await?;
    container.remove().await?;
    kind_of(container.status().await, ErrorKind::NotFound)?;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    ensure_eq!(pod.list_containers().await?, []);
    Ok(())
}

async fn init_containers_run_in_order(env: &Env) -> Verdict {
    let spec = env
        .pod_running(["pause"])
        .with_init_container(env.container("first", ["sleep", "0.2"]))
        .with_init_container(env.container("second", ["exit", "0"]));
    let (pod, main) = env.run(&spec).await?;
    let mut times = Vec::new();
    for name in ["first", "second"] {
        let found = pod.list_containers().await?.into_iter().find(|container| container.name == name);
        let id = found.ok_or_else(|| format!("init container {name} is not listed"))?.id;
        let status = env.client().container(id).status().await?;
        let exit = status.exit.ok_or_else(|| format!("init container {name} has not ended"))?;
        ensure!(exit.success(), "{name}: {exit:?}");
        times.push((name, status.started_at, exit.finished_at));
    }
    times.push(("main", main.status().await?.started_at, None));
    for pair in times.windows(2) {
        let (earlier, later) = (&pair[0], &pair[1]);
        ensure!(
            // Some systems tell whole seconds.
            earlier.2 <= later.1,
            "{} ended at {:?}, {} started at {:?}",
            earlier.0,
            earlier.2,
            later.0,
            later.1
        );
    }
    Ok(())
}

async fn created_but_not_started(env: &Env) -> Verdict {
    let options = RunOptions::default().with_wait_for(WaitFor::Created);
    let pod = env.client().run_pod_with(&env.pod_running(["pause"]), &options).await?;
    let container = pod.container("main").ok_or("no container main")?;
    ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Created);
    container.start().await?;
    ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Running);
    Ok(())
}

async fn pods_are_listed_by_filter(env: &Env) -> Verdict {
    let blue = env.client().run_pod(&env.pod_running(["pause"]).with_label("color", "blue")).await?;
    let spec = env.pod_running(["pause"]).with_label("color", "red");
    let red = env.client().run_pod(&spec).await?;
    red.stop(&StopOptions::now()).await?;
    let all = env.filter();
    let mut by_id = PodFilter::default();
    by_id.id = Some(red.id().clone());
    let mut by_missing_id = PodFilter::default();
    by_missing_id.id = Some("wharf-conformance-unknown".into());
    let rows = [
        ("label", all.clone().with_label("color", "blue"), vec![blue.id()]),
        ("label that nothing has", all.clone().with_label("color", "green"), vec![]),
        ("phase", all.clone().with_phase(PodPhase::Running), vec![blue.id()]),
        ("name", all.clone().with_name(&spec.name), vec![red.id()]),
        ("namespace", all.clone().with_namespace("another"), vec![]),
        ("id", by_id, vec![red.id()]),
        ("missing id", by_missing_id, vec![]),
    ];
    for (what, filter, expected) in rows {
        let listed = env.client().list_pods(&filter).await?;
        ensure_eq!((what, listed.iter().map(|pod| &pod.id).collect::<Vec<_>>()), (what, expected));
    }
    ensure_eq!(env.client().list_pods(&all).await?.len(), 2);
    Ok(())
}

async fn containers_are_listed_by_filter(env: &Env) -> Verdict {
    let spec = env.pod().with_container(env.container("blue", ["pause"]).with_label("color", "blue"));
    let (pod, blue) = env.run(&spec).await?;
    let red = pod.create_container(&env.container("red", ["pause"]).with_label("color", "red")).await?;
    let of_pod = ContainerFilter::of_pod(pod.id());
    let mut by_id = ContainerFilter::default();
    by_id.id = Some(red.id().clone());
    let mut by_name = of_pod.clone();
    by_name.name = Some("red".to_owned());
    let rows = [
        ("label", of_pod.clone().with_label("color", "blue"), vec![blue.id()]),
        ("label that nothing has", of_pod.clone().with_label("color", "green"), vec![]),
        ("running", of_pod.clone().with_phase(ContainerPhase::Running), vec![blue.id()]),
        ("created", of_pod.clone().with_phase(ContainerPhase::Created), vec![red.id()]),
        ("id", by_id, vec![red.id()]),
        ("name", by_name, vec![red.id()]),
        ("another pod", ContainerFilter::of_pod(&"wharf-conformance-unknown".into()), vec![]),
    ];
    for (what, filter, expected) in rows {
        let listed = env.client().list_containers(&filter).await?;
        ensure_eq!(
            (what, listed.iter().map(|container| &container.id).collect::<Vec<_>>()),
            (what, expected)
        );
    }
    ensure_eq!(pod.list_containers().await?.len(), 2);
    Ok(())
}

async fn the_stop_signal_can_be_chosen(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["ignore-term"]);
    spec.containers[0].stop_signal = Some("SIGUSR1".to_owned());
    let (_, container) = env.run_ready(&spec).await?;
    let started = Instant::now();
    container.stop(&StopOptions::after(Duration::from_secs(60))).await?;
    ensure!(started.elapsed() < Duration::from_secs(30), "it took the kill: {:?}", started.elapsed());
    ensure_eq!(container.wait().await?.code(), Some(128 + 10));
    Ok(())
}

async fn many_pods_at_once(env: &Env) -> Verdict {
    let specs: Vec<_> = (0..8).map(|_| env.pod_running(["pause"])).collect();
    let runs = futures::future::join_all(specs.iter().map(|spec| env.run(spec))).await;
    let mut pods = Vec::new();
    for run in runs {
        let (pod, container) = run?;
        ensure_eq!(
            guest_exec(&container, ["echo", pod.id().as_str()]).await?.stdout_text().trim(),
            pod.id().as_str()
        );
        pods.push(pod);
    }
    for removed in futures::future::join_all(pods.iter().map(|pod| pod.remove())).await {
        removed?;
    }
    env.ensure_nothing_left().await
}

async fn stdin_stays_open(env: &Env) -> Verdict {
    let closed = env.run(&env.pod_running(["cat"])).await?.1;
    ensure_eq!(closed.wait().await?.code(), Some(0));
    let mut spec = env.pod_running(["cat"]);
    spec.containers[0].stdin = true;
    let (_, open) = env.run(&spec).await?;
    guest_exec(&open, ["sleep", "0.3"]).await?;
    ensure_eq!(open.status().await?.summary.phase, ContainerPhase::Running);
    Ok(())
}

async fn a_terminal_is_given(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["do", "readlink", "/proc/self/fd/1", ";;", "err", "merged"]);
    let plain = env.output_of(&spec).await?;
    ensure!(!plain.contains("/dev/pts"), "{plain}");
    spec.name = env.unique("tty");
    spec.containers[0].tty = true;
    let text = env.output_of(&spec).await?;
    ensure!(text.contains("/dev/pts/") || text.contains("/dev/console"), "{text}");
    ensure!(text.contains("merged"), "{text}");
    Ok(())
}
