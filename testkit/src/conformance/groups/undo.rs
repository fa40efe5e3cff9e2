//! A create that fails, or whose future is dropped, leaves nothing behind.

use std::time::{Duration, Instant};

use runtime_core::{Context, ErrorKind, Leftover, helpers::pull_policy::PullPolicy};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Contract;
    a_missing_image_undoes_the_pod: proves [], needs [PodRun, PodList];
    a_command_that_can_not_start_undoes_the_pod: proves [], needs [PodRun, PodList];
    a_failing_init_container_undoes_the_pod: proves [PodInitContainers], needs [PodRun, PodList];
    a_dropped_run_leaves_nothing: proves [], needs [PodRun, PodList];
    a_run_beyond_its_deadline_leaves_nothing: proves [], needs [PodRun, PodList, PodInitContainers];
    a_cancelled_run_leaves_nothing: proves [], needs [PodRun, PodList, PodInitContainers];
    a_failed_container_create_leaves_the_pod_as_it_was: proves [], needs [ContainerCreate, ContainerList];
    reap_removes_what_an_error_names: proves [], needs [PodRun, PodList];
    settle_with_nothing_to_do_is_fine: proves [], needs [];
}

async fn a_missing_image_undoes_the_pod(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    let mut second = env.container("second", ["pause"]);
    second.image = env.registry().reference("no-such-image", "1").into();
    spec.containers.push(second);
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::NotFound)?;
    ensure!(error.leftovers().is_empty(), "{error}");
    env.ensure_nothing_left().await
}

async fn a_command_that_can_not_start_undoes_the_pod(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.containers.push(env.container("second", ["pause"]).with_command(["/no/such/command"]));
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::Failed)?;
    ensure!(
        format!("{error:#}").contains("/no/such/command"),
        "the system's own reason is missing: {error:#}"
    );
    env.ensure_nothing_left().await
}

async fn a_failing_init_container_undoes_the_pod(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]).with_init_container(env.container("first", ["exit", "9"]));
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::Failed)?;
    ensure!(error.message().contains("first") && error.message().contains('9'), "{error}");
    env.ensure_nothing_left().await
}

/// Dropped after delays drawn by the seed, from before the first request to after the last answer.
async fn a_dropped_run_leaves_nothing(env: &Env) -> Verdict {
    let started = Instant::now();
    let (pod, _) = env.idle().await?;
    let whole = started.elapsed();
    pod.remove().await?;
    let mut draw = env.seed();
    for round in 0..8_u32 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let part = f64::from(round) / 7.0 + f64::from((draw >> 40) as u32) / f64::from(1 << 24) / 7.0;
        let spec = env.pod_running(["pause"]);
        let run = env.client().run_pod(&spec);
        let finished = tokio::time::timeout(whole.mul_f64(part.min(1.2)), run).await;
        if let Ok(pod) = finished {
            pod?.remove().await?;
        }
        env.ensure_nothing_left().await?;
    }
    Ok(())
}

async fn a_run_beyond_its_deadline_leaves_nothing(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]).with_init_container(env.container("first", ["sleep", "60"]));
    let started = Instant::now();
    let hasty = env.client().with_timeout(Duration::from_secs(2));
    kind_of(hasty.run_pod(&spec).await, ErrorKind::DeadlineExceeded)?;
    ensure!(started.elapsed() < Duration::from_secs(10), "answered after {:?}", started.elapsed());
    env.ensure_nothing_left().await
}

async fn a_cancelled_run_leaves_nothing(env: &Env) -> Verdict {
    let spec = env.pod_running(["pause"]).with_init_container(env.container("first", ["sleep", "60"]));
    let cx = Context::background();
    let client = env.client().with_context(cx.clone());
    let run = client.run_pod(&spec);
    let cancel = async {
        // The pod is seen to be there, so the cancellation hits a run in the middle.
        let mut pause = Duration::from_millis(1);
        while env.pods().await?.is_empty() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        cx.cancellation().cancel();
        Ok::<_, runtime_core::Error>(())
    };
    let (result, cancelled) = tokio::join!(run, cancel);
    cancelled?;
    kind_of(result, ErrorKind::Cancelled)?;
    env.ensure_nothing_left().await
}

async fn a_failed_container_create_leaves_the_pod_as_it_was(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let mut bad = env.container("second", ["pause"]).with_pull_policy(PullPolicy::Always);
    bad.image = env.registry().reference("no-such-image", "1").into();
    kind_of(pod.create_container(&bad).await, ErrorKind::NotFound)?;
    let names: Vec<_> = pod.list_containers().await?.into_iter().map(|container| container.name).collect();
    ensure_eq!(names, ["main"]);
    Ok(())
}

async fn reap_removes_what_an_error_names(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let written = serde_json::to_string(&[Leftover::pod(pod.id().as_str())])?;
    let read: Vec<Leftover> = serde_json::from_str(&written)?;
    env.client().reap(&read).await?;
    env.ensure_nothing_left().await?;
    env.client().reap(&read).await?;
    let never_made = Leftover::marked(runtime_core::Object::pod("conformance/never"), "no-such-mark");
    env.client().reap(&[never_made]).await?;
    Ok(())
}

async fn settle_with_nothing_to_do_is_fine(env: &Env) -> Verdict {
    // Other cases of the run may be undoing something; none of it may be left over.
    env.settle().await?;
    Ok(())
}
