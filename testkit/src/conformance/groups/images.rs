//! Pulling, naming and removing images, and what containers take from them.

use std::time::Duration;

use futures::{StreamExt, future::join_all};
use runtime_core::{
    ContainerFilter, ErrorKind, ImageFilter, PullEvent, PullOptions, StopOptions,
    helpers::pull_policy::PullPolicy, spec::RegistryCredentials,
};

use crate::{
    conformance::{
        Env, Verdict,
        case::{cases, ensure, ensure_eq},
        env::kind_of,
    },
    registry::{Action, Auth, Credentials, Rule},
};

cases! { Images;
    a_pulled_image_is_known: proves [ImagePull, ImageStatus, ImageList], needs [];
    a_pull_ends_with_its_result: proves [], needs [ImagePull];
    by_digest: proves [], needs [ImagePull, ImageStatus];
    a_missing_image: proves [ImageStatus, ImageRemove], needs [ImagePull];
    removed_is_gone: proves [ImageRemove], needs [ImagePull, ImageStatus, ImageList];
    pulling_again_is_fine: proves [], needs [ImagePull];
    pulls_of_one_image_at_the_same_time: proves [], needs [ImagePull, ImageStatus];
    credentials_are_used: proves [ImagePullCredentials], needs [ImagePull];
    a_token_service_is_asked: proves [], needs [ImagePullCredentials, ImagePull];
    a_pods_own_credentials_are_used: proves [PodPullSecrets], needs [PodRun];
    an_image_that_is_not_what_its_digest_says: proves [], needs [ImagePull, ImageStatus];
    a_registry_that_is_not_there: proves [], needs [ImagePull];
    policy_never: proves [], needs [PodRun, ImageStatus, ImagePull];
    policy_if_not_present: proves [], needs [PodRun, ImagePull];
    policy_always: proves [], needs [PodRun, ImagePull];
    each_image_of_a_pod_is_pulled_once: proves [], needs [PodRun];
    layers_are_applied_in_order: proves [], needs [PodRun, ContainerLogs, ContainerWait, ContainerRootfs];
    the_image_says_what_to_run: proves [], needs [PodRun, ContainerLogs, ContainerWait];
    the_image_says_user_directory_and_environment: proves [ContainerWorkingDir, ContainerEnv], needs [PodRun, ContainerLogs, ContainerWait, ContainerRootfs];
    the_image_says_the_stop_signal: proves [], needs [PodRun, ContainerStop, ContainerWait, ContainerLogsFollow];
    room_is_told: proves [ImageFilesystem], needs [ImagePull];
    a_slow_registry_is_waited_for: proves [], needs [ImagePull];
    a_dropped_pull_ends: proves [], needs [ImagePull];
}

fn policy(env: &Env, image: &str, policy: PullPolicy) -> runtime_core::spec::PodSpec {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0].image = image.into();
    spec.containers[0].pull_policy = Some(policy);
    spec
}

/// How often the registry was asked for something of an image.
fn requests(env: &Env, image: &str, part: &str) -> usize {
    let repository = image.split_once('/').map_or(image, |(_, rest)| rest);
    let repository = repository.rsplit_once(':').map_or(repository, |(name, _)| name);
    let prefix = format!("/v2/{repository}/{part}");
    env.registry().requests().iter().filter(|request| request.path.starts_with(&prefix)).count()
}

async fn a_pulled_image_is_known(env: &Env) -> Verdict {
    let (reference, image) = env.own_image()?;
    let images = env.client().images();
    kind_of(images.status(&reference).await, ErrorKind::NotFound)?;
    let id = images.pull(&reference, &PullOptions::default()).await?;
    let status = images.status(&reference).await?;
    ensure_eq!(status.id, id);
    ensure!(status.tags.contains(&reference), "{reference} is not in {:?}", status.tags);
    let digest = image.digest().to_string();
    ensure!(
        status.digests.iter().any(|known| known.ends_with(&digest)),
        "{digest} is not in {:?}",
        status.digests
    );
    ensure!(status.size.is_some_and(|size| size.0 > 1000), "{:?}", status.size);
    ensure!(
        images.list(&ImageFilter::default()).await?.iter().any(|known| known.id == id),
        "not in the list"
    );
    let mut filter = ImageFilter::default();
    filter.reference = Some(reference.clone());
    let found = images.list(&filter).await?;
    ensure_eq!(found.iter().map(|known| &known.id).collect::<Vec<_>>(), vec![&id]);
    Ok(())
}

async fn a_pull_ends_with_its_result(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let events: Vec<_> =
        env.client().images().pull_events(&reference, &PullOptions::default()).await?.collect().await;
    let mut received = std::collections::BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        match event.as_ref().map_err(|error| error.to_string())? {
            PullEvent::Done(_) => ensure_eq!(index, events.len() - 1),
            PullEvent::Progress { part, received: now, total } => {
                let before = received.insert(part.clone(), *now).unwrap_or_default();
                ensure!(*now >= before, "progress of {part} went from {before} to {now}");
                ensure!(total.is_none_or(|total| total >= *now), "{part}: {now} of {total:?}");
            }
            other => ensure!(false, "an unknown event {other:?}"),
        }
    }
    ensure!(matches!(events.last(), Some(Ok(PullEvent::Done(_)))), "{events:?}");
    Ok(())
}

async fn by_digest(env: &Env) -> Verdict {
    let (reference, image) = env.own_image()?;
    let images = env.client().images();
    let (name, _) = reference.rsplit_once(':').ok_or("a reference without a tag")?;
    let by_digest = format!("{name}@{}", image.digest());
    let id = images.pull(&by_digest, &PullOptions::default()).await?;
    ensure_eq!(images.status(&by_digest).await?.id, id);
    ensure_eq!(images.pull(&reference, &PullOptions::default()).await?, id);
    Ok(())
}

async fn a_missing_image(env: &Env) -> Verdict {
    let images = env.client().images();
    let reference = env.registry().reference("no-such-image", "1");
    kind_of(images.status(&reference).await, ErrorKind::NotFound)?;
    images.remove(&reference).await?;
    let error = kind_of(images.pull(&reference, &PullOptions::default()).await, ErrorKind::NotFound)?;
    ensure!(!error.is_transient(), "{error:?}");
    Ok(())
}

async fn removed_is_gone(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let images = env.client().images();
    let id = images.pull(&reference, &PullOptions::default()).await?;
    images.remove(&reference).await?;
    kind_of(images.status(&reference).await, ErrorKind::NotFound)?;
    ensure!(images.list(&ImageFilter::default()).await?.iter().all(|known| known.id != id), "still listed");
    images.remove(&reference).await?;
    Ok(())
}

async fn pulling_again_is_fine(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let images = env.client().images();
    let first = images.pull(&reference, &PullOptions::default()).await?;
    ensure_eq!(images.pull(&reference, &PullOptions::default()).await?, first);
    Ok(())
}

async fn pulls_of_one_image_at_the_same_time(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let images = env.client().images();
    let options = PullOptions::default();
    let pulled = join_all((0..4).map(|_| images.pull(&reference, &options))).await;
    let ids: Vec<_> = pulled.into_iter().collect::<Result<_, _>>()?;
    ensure!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    ensure_eq!(images.status(&reference).await?.id, ids[0]);
    Ok(())
}

async fn credentials_are_used(env: &Env) -> Verdict {
    check_credentials(env, Auth::Basic).await
}

async fn a_token_service_is_asked(env: &Env) -> Verdict {
    check_credentials(env, |credentials| Auth::Bearer {
        credentials: Some(credentials),
        lifetime: Duration::from_secs(60),
    })
    .await
}

async fn check_credentials(env: &Env, auth: impl FnOnce(Credentials) -> Auth) -> Verdict {
    let (reference, _) = env.own_image()?;
    let repository = repository_of(&reference);
    env.registry().protect(&repository, auth(Credentials::new("user", "pass-word-1")));
    let images = env.client().images();
    let with = |password: &str| {
        let credentials = RegistryCredentials::basic(env.registry().address(), "user", password);
        PullOptions::default().with_credentials(credentials)
    };
    for options in [PullOptions::default(), with("wrong")] {
        let refused = images.pull(&reference, &options).await;
        let error = kind_of(refused, ErrorKind::Unauthenticated)?;
        ensure!(!format!("{error:#} {error:?}").contains("pass-word-1"), "the password is in the error");
    }
    images.pull(&reference, &with("pass-word-1")).await?;
    Ok(())
}

fn repository_of(reference: &str) -> String {
    let path = reference.split_once('/').map_or(reference, |(_, path)| path);
    path.rsplit_once(':').map_or(path, |(name, _)| name).to_owned()
}

async fn a_pods_own_credentials_are_used(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    env.registry().protect(&repository_of(&reference), Auth::Basic(Credentials::new("user", "pass-word-2")));
    let spec = policy(env, &reference, PullPolicy::Always);
    ensure!(env.client().run_pod(&spec).await.is_err(), "ran without credentials");
    let other = RegistryCredentials::basic("other.invalid", "user", "nothing");
    let right = RegistryCredentials::basic(env.registry().address(), "user", "pass-word-2");
    env.run(&spec.with_pull_secret(other).with_pull_secret(right)).await?;
    Ok(())
}

async fn an_image_that_is_not_what_its_digest_says(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let path = format!("/v2/{}/blobs/*", repository_of(&reference));
    env.registry().script(Rule::new(path, Action::WrongBytes { seed: env.seed() }));
    let images = env.client().images();
    let Err(error) = images.pull(&reference, &PullOptions::default()).await else {
        return Err("pulled although the content is wrong".into());
    };
    ensure_eq!(error.kind(), ErrorKind::Failed);
    kind_of(images.status(&reference).await, ErrorKind::NotFound)?;
    Ok(())
}

async fn a_registry_that_is_not_there(env: &Env) -> Verdict {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let pulled =
        env.client().images().pull(&format!("127.0.0.1:{port}/image:1"), &PullOptions::default()).await;
    let Err(error) = pulled else { return Err("pulled from nowhere".into()) };
    ensure_eq!(error.kind(), ErrorKind::Unavailable);
    ensure!(format!("{error:#}").contains(&port.to_string()), "does not say where: {error:#}");
    Ok(())
}

async fn policy_never(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let spec = policy(env, &reference, PullPolicy::Never);
    kind_of(env.client().run_pod(&spec).await, ErrorKind::NotFound)?;
    ensure_eq!(requests(env, &reference, ""), 0);
    env.ensure_nothing_left().await?;
    env.client().images().pull(&reference, &PullOptions::default()).await?;
    let after_pull = requests(env, &reference, "");
    env.run(&spec).await?;
    ensure_eq!(requests(env, &reference, ""), after_pull);
    Ok(())
}

async fn policy_if_not_present(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    env.run(&policy(env, &reference, PullPolicy::IfNotPresent)).await?;
    let after_first = requests(env, &reference, "");
    ensure!(after_first > 0, "nothing was pulled");
    env.run(&policy(env, &reference, PullPolicy::IfNotPresent)).await?;
    ensure_eq!(requests(env, &reference, ""), after_first);
    Ok(())
}

async fn policy_always(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    env.run(&policy(env, &reference, PullPolicy::Always)).await?;
    let after_first = requests(env, &reference, "manifests/");
    env.run(&policy(env, &reference, PullPolicy::Always)).await?;
    ensure!(requests(env, &reference, "manifests/") > after_first, "the registry was not asked again");
    Ok(())
}

async fn each_image_of_a_pod_is_pulled_once(env: &Env) -> Verdict {
    let (reference, image) = env.own_image()?;
    let mut spec = policy(env, &reference, PullPolicy::IfNotPresent);
    for name in ["second", "third"] {
        let mut twin = spec.containers[0].clone();
        twin.name = name.to_owned();
        spec.containers.push(twin);
    }
    env.run(&spec).await?;
    let config = env.registry().requests().into_iter().filter(|request| {
        request.method == "GET"
            && request.path.contains(&repository_of(&reference))
            && request.path.contains("/blobs/")
    });
    ensure!(config.count() <= image.layers.len() + 1, "blobs were fetched more than once");
    Ok(())
}

async fn layers_are_applied_in_order(env: &Env) -> Verdict {
    let mut spec = env.pod_running([
        "do",
        "ls",
        "/layers",
        ";;",
        "cat",
        "/layers/replaced",
        "/layers/kept",
        ";;",
        "ls",
        "/layers/opaque",
    ]);
    spec.containers[0].image = env.image("guest-layers").into();
    let text = env.output_of(&spec).await?;
    ensure!(!text.contains("deleted"), "a file that a later layer deletes is there:\n{text}");
    ensure!(text.contains("upper") && text.contains("lower"), "{text}");
    Ok(())
}

async fn the_image_says_what_to_run(env: &Env) -> Verdict {
    let run = |image: &str, command: &[&str], args: &[&str]| {
        let mut spec = env.pod_running(["x"]);
        spec.containers[0].image = env.image(image).into();
        spec.containers[0].command = command.iter().map(ToString::to_string).collect();
        spec.containers[0].args = args.iter().map(ToString::to_string).collect();
        spec
    };
    let rows = [
        ("neither", run("guest-noentry", &[], &[]), "from-cmd"),
        ("args replace the image's command", run("guest", &[], &["echo", "args"]), "args"),
        ("a command replaces both", run("guest", &["/guest", "echo"], &[]), ""),
        ("command and args", run("guest", &["/guest", "echo"], &["both"]), "both"),
        ("args without an entrypoint", run("guest-noentry", &[], &["/guest", "echo", "all"]), "all"),
    ];
    for (what, spec, expected) in rows {
        ensure_eq!((what, env.output_of(&spec).await?.trim()), (what, expected));
    }
    Ok(())
}

async fn the_image_says_user_directory_and_environment(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["do", "id", ";;", "cwd", ";;", "env"]);
    spec.containers[0].image = env.image("guest-user").into();
    let text = env.output_of(&spec).await?;
    for line in ["/work", "IMAGE_ENV=from-image", "WITH_EQUALS=a=b=c", "PATH=/bin"] {
        ensure!(text.lines().any(|told| told == line), "{line} is missing in:\n{text}");
    }
    ensure!(text.contains("uid=1000 gid=1000"), "{text}");
    let mut spec = env.pod_running(["do", "cwd", ";;", "env"]);
    spec.containers[0] = spec.containers[0].clone().with_working_dir("/tmp").with_env("IMAGE_ENV", "over");
    let text = env.output_of(&spec).await?;
    ensure!(text.lines().any(|told| told == "/tmp"), "{text}");
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("IMAGE_ENV=")).collect();
    ensure_eq!(told, ["IMAGE_ENV=over"]);
    Ok(())
}

async fn the_image_says_the_stop_signal(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["ignore-term"]);
    spec.containers[0].image = env.image("guest-signal").into();
    let (_, container) = env.run_ready(&spec).await?;
    let started = std::time::Instant::now();
    container.stop(&StopOptions::after(Duration::from_secs(60))).await?;
    ensure!(started.elapsed() < Duration::from_secs(30), "it took the kill: {:?}", started.elapsed());
    ensure_eq!(container.wait().await?.code(), Some(128 + 10));
    Ok(())
}

async fn room_is_told(env: &Env) -> Verdict {
    env.client().images().pull(&env.image("guest"), &PullOptions::default()).await?;
    let filesystems = env.client().images().filesystem().await?;
    let first = filesystems.first().ok_or("no file system")?;
    ensure!(first.mountpoint.is_absolute(), "{first:?}");
    ensure!(first.used.is_some(), "{first:?}");
    Ok(())
}

async fn a_slow_registry_is_waited_for(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let path = format!("/v2/{}/manifests/*", repository_of(&reference));
    env.registry().script(Rule::new(path, Action::Delay(Duration::from_millis(700))).times(1));
    env.client().images().pull(&reference, &PullOptions::default()).await?;
    Ok(())
}

async fn a_dropped_pull_ends(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let repository = repository_of(&reference);
    let hang =
        env.registry().script(Rule::new(format!("/v2/{repository}/manifests/*"), Action::Hang).times(1));
    let images = env.client().images();
    let pull = async { images.pull(&reference, &PullOptions::default()).await };
    let asked = env.registry().wait_for_request(|request| request.path.contains(&repository));
    tokio::select! {
        result = pull => return Err(format!("ended by itself: {result:?}").into()),
        _ = asked => {}
    }
    hang.release();
    // Nothing of the dropped pull stands in the way of the next.
    images.pull(&reference, &PullOptions::default()).await?;
    let containers = env.client().list_containers(&ContainerFilter::of_pod(&"none".into())).await;
    ensure!(containers.is_ok(), "{containers:?}");
    Ok(())
}
