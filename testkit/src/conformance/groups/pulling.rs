//! Pulls that are refused, fail, are shared or stall.

use std::{collections::BTreeMap, time::Duration};

use futures::{FutureExt, future::join_all};
use runtime_core::{
    Error, ErrorKind, PullOptions, Result,
    helpers::pull_policy::PullPolicy,
    spec::{PodSpec, RegistryCredentials},
};
use serde_json::json;

use crate::{
    conformance::{
        Env, Verdict,
        case::{cases, ensure, ensure_eq},
        env::kind_of,
    },
    registry::{Action, Auth, Credentials, Request, Rule, Scripted},
};

cases! { Images;
    without_credentials_nobody_is_known: proves [], needs [ImagePull];
    wrong_credentials_are_nobodys: proves [], needs [ImagePull, ImagePullCredentials];
    a_token_service_that_refuses: proves [], needs [ImagePull, ImagePullCredentials];
    a_registry_that_forbids: proves [], needs [ImagePull];
    a_blob_that_is_missing: proves [], needs [ImagePull];
    a_registry_in_trouble: proves [], needs [ImagePull];
    nobody_listens_at_the_registry: proves [], needs [ImagePull];
    a_registry_that_hangs_up: proves [], needs [ImagePull];
    wrong_bytes_are_no_image: proves [], needs [ImagePull];
    many_pulls_fetch_once: proves [], needs [ImagePull, ImageStatus];
    who_leaves_a_pull_leaves_alone: proves [], needs [ImagePull, ImageStatus];
    the_last_one_who_leaves_ends_the_pull: proves [], needs [ImagePull, ImageStatus];
    a_pull_with_credentials_is_nobody_elses: proves [], needs [ImagePull, ImagePullCredentials, PodRun];
    a_docker_config_is_used_and_read_again: proves [], needs [ImagePull, ImagePullCredentials];
    a_docker_config_is_for_pods_too: proves [], needs [PodRun, PodPullSecrets];
    a_credential_helper_is_asked: proves [], needs [ImagePull, ImagePullCredentials];
    containers_of_one_image_pull_it_once: proves [], needs [PodRun];
    pods_fail_with_the_same_kinds: proves [], needs [PodRun];
}

pub(super) fn repository_of(reference: &str) -> &str {
    let path = reference.split_once('/').map_or(reference, |(_, path)| path);
    path.rsplit_once(':').map_or(path, |(name, _)| name)
}

/// Lets what is asked of an image's repository go wrong.
pub(super) fn script(env: &Env, reference: &str, part: &str, action: Action) -> Scripted {
    let path = format!("/v2/{}/{part}/*", repository_of(reference));
    env.registry().script(Rule::new(path, action))
}

fn status(code: u16) -> Action {
    Action::Status { code, body: String::new() }
}

async fn pull(env: &Env, reference: &str) -> Result<()> {
    env.client().images().pull(reference, &PullOptions::default()).await.map(drop)
}

fn protect(env: &Env, reference: &str) {
    let auth = Auth::Basic(Credentials::new("user", "pass-word-3"));
    env.registry().protect(repository_of(reference), auth);
}

fn with(env: &Env, password: &str) -> PullOptions {
    PullOptions::default().with_credentials(RegistryCredentials::basic(
        env.registry().address(),
        "user",
        password,
    ))
}

fn pod_of(env: &Env, reference: &str) -> PodSpec {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0].image = reference.into();
    spec.containers[0].pull_policy = Some(PullPolicy::Always);
    spec
}

/// The blobs of an image that were asked for, and how often.
fn blobs_fetched(env: &Env, reference: &str) -> BTreeMap<String, usize> {
    let prefix = format!("/v2/{}/blobs/", repository_of(reference));
    let mut fetched = BTreeMap::new();
    for request in env.registry().requests() {
        if request.method == "GET" && request.path.starts_with(&prefix) {
            *fetched.entry(request.path).or_insert(0) += 1;
        }
    }
    fetched
}

fn ensure_transient(error: &Error, transient: bool) -> Verdict {
    ensure!(error.is_transient() == transient, "transient should be {transient}: {error:?}");
    Ok(())
}

async fn without_credentials_nobody_is_known(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    protect(env, &reference);
    let error = kind_of(pull(env, &reference).await, ErrorKind::Unauthenticated)?;
    ensure_transient(&error, false)?;
    ensure!(error.object().is_some_and(|object| object.id == reference), "it names no image: {error:?}");
    Ok(())
}

async fn wrong_credentials_are_nobodys(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    protect(env, &reference);
    let images = env.client().images();
    let error = kind_of(images.pull(&reference, &with(env, "wrong-one")).await, ErrorKind::Unauthenticated)?;
    ensure!(!format!("{error:#} {error:?}").contains("wrong-one"), "the password is in the error");
    images.pull(&reference, &with(env, "pass-word-3")).await?;
    Ok(())
}

async fn a_token_service_that_refuses(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let credentials = Some(Credentials::new("user", "pass-word-3"));
    let auth = Auth::Bearer { credentials, lifetime: Duration::from_secs(60) };
    env.registry().protect(repository_of(&reference), auth);
    kind_of(pull(env, &reference).await, ErrorKind::Unauthenticated)?;
    let images = env.client().images();
    kind_of(images.pull(&reference, &with(env, "wrong-one")).await, ErrorKind::Unauthenticated)?;
    images.pull(&reference, &with(env, "pass-word-3")).await?;
    Ok(())
}

async fn a_registry_that_forbids(env: &Env) -> Verdict {
    for part in ["manifests", "blobs"] {
        let (reference, _) = env.own_image()?;
        let _rule = script(env, &reference, part, status(403));
        let error = kind_of(pull(env, &reference).await, ErrorKind::PermissionDenied)?;
        ensure_transient(&error, false)?;
    }
    Ok(())
}

async fn a_blob_that_is_missing(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let _rule = script(env, &reference, "blobs", status(404));
    let error = kind_of(pull(env, &reference).await, ErrorKind::NotFound)?;
    ensure_transient(&error, false)
}

async fn a_registry_in_trouble(env: &Env) -> Verdict {
    for code in [429, 500, 502, 503] {
        for part in ["manifests", "blobs"] {
            let (reference, _) = env.own_image()?;
            let rule = script(env, &reference, part, status(code));
            let error = kind_of(pull(env, &reference).await, ErrorKind::Unavailable)?;
            ensure_transient(&error, true)?;
            rule.release();
            pull(env, &reference).await?;
        }
    }
    Ok(())
}

async fn nobody_listens_at_the_registry(env: &Env) -> Verdict {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    for reference in [format!("127.0.0.1:{port}/image:1"), "no-such-host.invalid:5000/image:1".to_owned()] {
        let error = kind_of(pull(env, &reference).await, ErrorKind::Unavailable)?;
        ensure_transient(&error, true)?;
    }
    Ok(())
}

async fn a_registry_that_hangs_up(env: &Env) -> Verdict {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let reference = format!("{}/image:1", listener.local_addr()?);
    let hanging_up = async {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    };
    let error = tokio::select! {
        pulled = pull(env, &reference) => kind_of(pulled, ErrorKind::Unavailable)?,
        () = hanging_up => return Err("the listener ended".into()),
    };
    ensure_transient(&error, true)
}

async fn wrong_bytes_are_no_image(env: &Env) -> Verdict {
    for part in ["manifests", "blobs"] {
        let (reference, _) = env.own_image()?;
        let rule = script(env, &reference, part, Action::WrongBytes { seed: env.seed() });
        let error = kind_of(pull(env, &reference).await, ErrorKind::Failed)?;
        ensure_transient(&error, false)?;
        rule.release();
        // containerd keeps the wrong bytes for a moment, and finds them wrong again.
        let mut pause = Duration::from_millis(1);
        while let Err(error) = pull(env, &reference).await {
            ensure!(error.kind() == ErrorKind::Failed && pause < Duration::from_secs(10), "{error:?}");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
    Ok(())
}

async fn many_pulls_fetch_once(env: &Env) -> Verdict {
    let (reference, image) = env.own_image()?;
    let rule = script(env, &reference, "manifests", Action::Hang);
    let images = env.client().images();
    let options = PullOptions::default();
    let pulls = join_all((0..20).map(|_| images.pull(&reference, &options)));
    let path = format!("/v2/{}/manifests/", repository_of(&reference));
    let released = async {
        env.registry().wait_for_request(|request| request.path.starts_with(&path)).await;
        rule.release();
    };
    let (pulled, ()) = futures::future::join(pulls, released).await;
    let ids: Vec<_> = pulled.into_iter().collect::<Result<_, _>>()?;
    ensure!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let fetched = blobs_fetched(env, &reference);
    ensure!(fetched.len() <= image.layers.len() + 1, "{fetched:?}");
    ensure!(fetched.values().all(|times| *times == 1), "fetched more than once: {fetched:?}");
    let heads = env.registry().requests().into_iter().filter(|request| request.path.starts_with(&path));
    // A name and what it stands for.
    ensure!(heads.count() <= 2, "the registry was asked for the manifest by each of them");
    Ok(())
}

async fn who_leaves_a_pull_leaves_alone(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let rule = script(env, &reference, "manifests", Action::Hang);
    let images = env.client().images();
    let options = PullOptions::default();
    let asked = env.registry().wait_for_request(|request| request.path.contains(repository_of(&reference)));
    let mut first = images.pull(&reference, &options).boxed();
    let mut second = images.pull(&reference, &options).boxed();
    tokio::select! {
        pulled = &mut first => return Err(format!("ended by itself: {pulled:?}").into()),
        pulled = &mut second => return Err(format!("ended by itself: {pulled:?}").into()),
        () = asked => {}
    }
    drop(first);
    let short = env.client().with_timeout(Duration::from_millis(50)).images();
    kind_of(short.pull(&reference, &options).await, ErrorKind::DeadlineExceeded)?;
    rule.release();
    second.await?;
    let path = format!("/v2/{}/manifests/", repository_of(&reference));
    let asked = env.registry().requests().into_iter().filter(|request| request.path.starts_with(&path));
    ensure!(asked.count() <= 2, "the pull was begun again");
    Ok(())
}

async fn the_last_one_who_leaves_ends_the_pull(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    let rule = script(env, &reference, "manifests", Action::Hang);
    let images = env.client().images();
    let options = PullOptions::default();
    let asked = env.registry().wait_for_request(|request| request.path.contains(repository_of(&reference)));
    let mut pulls = join_all((0..3).map(|_| images.pull(&reference, &options))).boxed();
    tokio::select! {
        pulled = &mut pulls => return Err(format!("ended by itself: {pulled:?}").into()),
        () = asked => {}
    }
    drop(pulls);
    let left = |request: &Request| request.hung_up && request.path.contains(repository_of(&reference));
    let ended = env.registry().wait_for_request(left);
    tokio::time::timeout(Duration::from_secs(10), ended).await.map_err(|_| "the runtime goes on")?;
    rule.release();
    kind_of(images.status(&reference).await, ErrorKind::NotFound)?;
    ensure_eq!(blobs_fetched(env, &reference), BTreeMap::new());
    Ok(())
}

async fn a_pull_with_credentials_is_nobody_elses(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    protect(env, &reference);
    let images = env.client().images();
    let (right, without) = (with(env, "pass-word-3"), PullOptions::default());
    let both =
        futures::future::join(images.pull(&reference, &right), images.pull(&reference, &without)).await;
    both.0?;
    kind_of(both.1, ErrorKind::Unauthenticated)?;
    // Nor once it is there.
    kind_of(images.pull(&reference, &without).await, ErrorKind::Unauthenticated)?;
    kind_of(env.client().run_pod(&pod_of(env, &reference)).await, ErrorKind::Unauthenticated)?;
    env.ensure_nothing_left().await
}

/// Writes a Docker configuration, as a whole as Docker does, and gives its path.
fn docker_config(env: &Env, config: &serde_json::Value) -> std::io::Result<String> {
    let (path, next) = (env.directory().join("config.json"), env.directory().join("next"));
    std::fs::write(&next, config.to_string())?;
    std::fs::rename(next, &path)?;
    Ok(path.display().to_string())
}

fn login(env: &Env, key: &str, password: &str) -> serde_json::Value {
    json!({ "auths": { key: { "username": "user", "password": password }, env.unique("other"): {} } })
}

async fn a_docker_config_is_used_and_read_again(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    protect(env, &reference);
    let registry = env.registry().address();
    let path = docker_config(env, &login(env, &registry, "wrong-one"))?;
    let client = env.connect_with(&[("docker_config", &path)]).await?;
    let (images, none) = (client.images(), PullOptions::default());
    let error = kind_of(images.pull(&reference, &none).await, ErrorKind::Unauthenticated)?;
    ensure!(!format!("{error:#} {error:?}").contains("wrong-one"), "the password is in the error");
    // What a caller brings wins.
    images.pull(&reference, &with(env, "pass-word-3")).await?;
    docker_config(env, &login(env, &format!("https://{registry}/v2/"), "pass-word-3"))?;
    images.pull(&reference, &none).await?;
    kind_of(images.pull(&reference, &with(env, "wrong-one")).await, ErrorKind::Unauthenticated)?;
    // The path to the image counts for more than the registry, and both are tried.
    let path_of_image = format!("{registry}/{}", repository_of(&reference));
    let mut both = login(env, &registry, "pass-word-3");
    both["auths"][path_of_image] = json!({ "username": "user", "password": "wrong-one" });
    docker_config(env, &both)?;
    images.pull(&reference, &none).await?;
    docker_config(env, &json!({ "auths": {} }))?;
    kind_of(images.pull(&reference, &none).await, ErrorKind::Unauthenticated)?;
    std::fs::remove_file(&path)?;
    let error = kind_of(images.pull(&reference, &none).await, ErrorKind::Failed)?;
    ensure!(error.to_string().contains(&path), "it names no file: {error}");
    Ok(())
}

async fn a_docker_config_is_for_pods_too(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    protect(env, &reference);
    let path = docker_config(env, &login(env, &env.registry().address(), "pass-word-3"))?;
    let client = env.connect_with(&[("docker_config", &path)]).await?;
    client.run_pod(&pod_of(env, &reference)).await?;
    // After the pod's own.
    let wrong = RegistryCredentials::basic(env.registry().address(), "user", "wrong-one");
    client.run_pod(&pod_of(env, &reference).with_pull_secret(wrong.clone())).await?;
    docker_config(env, &login(env, &env.registry().address(), "wrong-two"))?;
    let right = RegistryCredentials::basic(env.registry().address(), "user", "pass-word-3");
    client.run_pod(&pod_of(env, &reference).with_pull_secret(right)).await?;
    let refused = client.run_pod(&pod_of(env, &reference).with_pull_secret(wrong)).await;
    let error = kind_of(refused, ErrorKind::Unauthenticated)?;
    let shown = format!("{error:#} {error:?} {:?}", env.driver());
    ensure!(!shown.contains("wrong-one") && !shown.contains("wrong-two"), "{shown}");
    Ok(())
}

async fn a_credential_helper_is_asked(env: &Env) -> Verdict {
    let (reference, _) = env.own_image()?;
    protect(env, &reference);
    // One that nobody has: it must be named, and no pull begun without credentials.
    let config = json!({ "credHelpers": { env.registry().address(): "wharf-conformance-none" } });
    let path = docker_config(env, &config)?;
    let client = env.connect_with(&[("docker_config", &path)]).await?;
    let pulled = client.images().pull(&reference, &PullOptions::default()).await;
    let error = kind_of(pulled, ErrorKind::Failed)?;
    ensure!(error.to_string().contains("docker-credential-wharf-conformance-none"), "{error}");
    let path = format!("/v2/{}/", repository_of(&reference));
    ensure!(
        env.registry().requests().iter().all(|request| !request.path.starts_with(&path)),
        "pulled without credentials"
    );
    Ok(())
}

async fn containers_of_one_image_pull_it_once(env: &Env) -> Verdict {
    let (reference, image) = env.own_image()?;
    let mut spec = pod_of(env, &reference);
    for (name, policy) in [("second", PullPolicy::Always), ("third", PullPolicy::IfNotPresent)] {
        let mut twin = spec.containers[0].clone();
        twin.name = name.to_owned();
        twin.pull_policy = Some(policy);
        spec.containers.push(twin);
    }
    env.run(&spec).await?;
    let fetched = blobs_fetched(env, &reference);
    ensure!(fetched.len() <= image.layers.len() + 1, "{fetched:?}");
    ensure!(fetched.values().all(|times| *times == 1), "fetched more than once: {fetched:?}");
    Ok(())
}

async fn pods_fail_with_the_same_kinds(env: &Env) -> Verdict {
    for (code, kind, transient) in [
        (401, ErrorKind::Unauthenticated, false),
        (403, ErrorKind::PermissionDenied, false),
        (404, ErrorKind::NotFound, false),
        (503, ErrorKind::Unavailable, true),
    ] {
        let (reference, _) = env.own_image()?;
        let _rule = script(env, &reference, "manifests", status(code));
        let error = kind_of(env.client().run_pod(&pod_of(env, &reference)).await, kind)?;
        ensure_transient(&error, transient)?;
        ensure!(error.object().is_some_and(|object| object.id == reference), "it names no image: {error:?}");
        env.ensure_nothing_left().await?;
    }
    Ok(())
}
