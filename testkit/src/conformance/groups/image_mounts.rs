//! Images that are mounted into pods without being pulled.

use futures::future::{join_all, try_join_all};
use runtime_core::{Capability, ErrorKind, ImageMount, PodHandle, PodId, StopOptions, spec::ImageMountSpec};

use super::cancellation::up_to;
use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    draw::Draw,
    env::kind_of,
};

cases! { Images;
    an_image_is_mounted_listed_and_taken_away: proves [ImageMount, ImageMounts, ImageUnmount], needs [PodWithoutContainers, PodRun];
    files_of_a_mounted_image_can_be_read: proves [ImageMountPath], needs [PodWithoutContainers, PodRun, ImageMount, ImageUnmount];
    an_image_takes_the_place_of_another: proves [ImageRemount], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    only_what_is_mounted_is_replaced: proves [ImageRemount], needs [PodWithoutContainers, PodRun, ImageMounts];
    a_replacement_that_fails_leaves_what_was_there: proves [ImageRemount], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    unmounting_twice_is_fine: proves [ImageUnmount], needs [PodWithoutContainers, PodRun, ImageMount, PodStop, PodRemove];
    bad_ids_of_mounts_are_refused: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageUnmount, ImageMounts];
    odd_ids_of_mounts_are_fine: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageUnmount, ImageMounts];
    mounting_into_a_missing_or_stopped_pod: proves [], needs [PodWithoutContainers, PodRun, PodStop, ImageMount, ImageMounts];
    a_source_that_is_no_image_is_refused: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    a_missing_source_is_refused: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    an_id_is_mounted_once: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    of_concurrent_mounts_of_one_id_one_wins: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    many_images_are_mounted_at_once: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageUnmount, ImageMounts];
    each_pod_has_mounts_of_its_own: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageUnmount, ImageMounts];
    mounts_of_another_client_are_seen: proves [], needs [PodWithoutContainers, PodRun, PodDurable, ImageMount, ImageUnmount, ImageMounts];
    mounts_go_with_their_pod: proves [], needs [PodWithoutContainers, PodRun, PodStop, PodRemove, ImageMount, ImageMounts];
    a_mount_is_dropped_anywhere: proves [], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    files_are_those_of_the_image_that_is_mounted_now:
        proves [ImageMountPath], needs [PodWithoutContainers, PodRun, ImageMount, ImageRemount, ImageUnmount];
    files_are_fetched_ahead: proves [ImageMountPrefetch], needs [PodWithoutContainers, PodRun, ImageMount, ImageMounts];
    bad_paths_to_fetch_ahead_are_refused: proves [], needs [PodWithoutContainers, PodRun, ImageMountPrefetch, ImageMounts];
}

/// More often than this a call is not polled before it ends.
const MAX_POLLS: usize = 12;
/// How many places a case tries.
const ROUNDS: usize = 6;

async fn an_image_is_mounted_listed_and_taken_away(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    ensure!(mounted(env, pod.id()).await?.is_empty(), "a new pod has mounts");
    let before = jiff::Timestamp::now();
    let mount = env.client().images().mount(pod.id(), &spec).await?;
    ensure_eq!((mount.id.as_str(), &mount.pod), ("a", pod.id()));
    ensure!(mount.mountpoint.contains("a"), "{mount:?}");
    let listed = env.client().images().mounts(pod.id()).await?;
    ensure_eq!(listed.len(), 1);
    ensure_eq!((&listed[0].id, &listed[0].mountpoint), (&mount.id, &mount.mountpoint));
    if let Some(at) = listed[0].mounted_at {
        let slack = jiff::SignedDuration::from_secs(1);
        ensure!(at >= before - slack && at <= jiff::Timestamp::now() + slack, "mounted at {at}");
    }
    env.client().images().unmount(pod.id(), "a").await?;
    ensure!(mounted(env, pod.id()).await?.is_empty(), "it is still mounted");
    Ok(())
}

async fn files_of_a_mounted_image_can_be_read(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let mut spec = env.mountable(&[("hello", "from the image\n"), ("deep/er/file", "below\n")]).await?;
    spec.id = "files".to_owned();
    let mount = env.client().images().mount(pod.id(), &spec).await?;
    let path = mount.path.ok_or("the files are said to be on this host, and nobody says where")?;
    for (file, text) in [("hello", "from the image\n"), ("deep/er/file", "below\n")] {
        ensure_eq!(tokio::fs::read_to_string(path.join(file)).await?, text);
    }
    ensure!(tokio::fs::read(path.join("no-such-file")).await.is_err(), "a file that is not there was read");
    env.client().images().unmount(pod.id(), "files").await?;
    ensure!(tokio::fs::read(path.join("hello")).await.is_err(), "it is read after its end");
    Ok(())
}

async fn an_image_takes_the_place_of_another(env: &Env) -> Verdict {
    let (pod, first, second) = (env.bare().await?, image(env, "a").await?, image(env, "a").await?);
    let before = env.client().images().mount(pod.id(), &first).await?;
    let after = env.client().images().remount(pod.id(), &second).await?;
    ensure_eq!((&after.id, &after.mountpoint), (&before.id, &before.mountpoint));
    ensure_eq!(mounted(env, pod.id()).await?, ["a"]);
    Ok(())
}

async fn only_what_is_mounted_is_replaced(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    kind_of(env.client().images().remount(pod.id(), &spec).await, ErrorKind::NotFound)?;
    ensure!(mounted(env, pod.id()).await?.is_empty(), "it was mounted all the same");
    let unknown = PodId::from("wharf-conformance-unknown");
    kind_of(env.client().images().remount(&unknown, &spec).await, ErrorKind::NotFound)?;
    Ok(())
}

async fn a_replacement_that_fails_leaves_what_was_there(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let mut spec = env.mountable(&[("hello", "first\n")]).await?;
    spec.id = "a".to_owned();
    let mount = env.client().images().mount(pod.id(), &spec).await?;
    let mut bad = spec.clone();
    bad.source = env.directory().join("no-such-image").display().to_string();
    ensure!(env.client().images().remount(pod.id(), &bad).await.is_err(), "a missing image was mounted");
    ensure_eq!(mounted(env, pod.id()).await?, ["a"]);
    if let Some(path) = mount.path.filter(|_| env.shows(Capability::ImageMountPath)) {
        ensure_eq!(tokio::fs::read_to_string(path.join("hello")).await?, "first\n");
    }
    Ok(())
}

async fn unmounting_twice_is_fine(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    let images = env.client().images();
    images.unmount(pod.id(), "never-mounted").await?;
    images.mount(pod.id(), &spec).await?;
    images.unmount(pod.id(), "a").await?;
    images.unmount(pod.id(), "a").await?;
    images.mount(pod.id(), &spec).await?;
    pod.stop(&StopOptions::now()).await?;
    images.unmount(pod.id(), "a").await?;
    pod.remove().await?;
    images.unmount(pod.id(), "a").await?;
    Ok(())
}

async fn bad_ids_of_mounts_are_refused(env: &Env) -> Verdict {
    let (pod, good) = (env.bare().await?, image(env, "a").await?);
    let long = "x".repeat(256);
    let bad = [
        "", ".", "..", "../a", "a/b", "/", "a b", " ", "a%2fb", "%", "a\0b", "a\nb", "ü", "a?b", "a#b",
        "a&b", "a:b", &long,
    ];
    for id in bad {
        let spec = ImageMountSpec { id: id.to_owned(), ..good.clone() };
        let images = env.client().images();
        let results = [
            ("spec.id", images.mount(pod.id(), &spec).await.map(drop)),
            ("id", images.unmount(pod.id(), id).await),
        ];
        for (field, result) in results {
            let error = kind_of(result, ErrorKind::InvalidArgument);
            let error = error.map_err(|failure| failure.at(&format!("{id:?}")))?;
            ensure_eq!(error.field(), Some(field));
        }
    }
    ensure!(mounted(env, pod.id()).await?.is_empty(), "something was mounted");
    Ok(())
}

async fn odd_ids_of_mounts_are_fine(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    let images = env.client().images();
    let long = "y".repeat(255);
    let mut ids = ["a+b", "..a", "-", "_", "A.b-C_d+e", "0", &long];
    ids.sort_unstable();
    for id in ids {
        let mount = images.mount(pod.id(), &ImageMountSpec { id: id.to_owned(), ..spec.clone() }).await?;
        ensure_eq!(mount.id, id);
    }
    ensure_eq!(mounted(env, pod.id()).await?, ids);
    for id in ids {
        images.unmount(pod.id(), id).await?;
    }
    ensure!(mounted(env, pod.id()).await?.is_empty(), "something is still mounted");
    Ok(())
}

async fn mounting_into_a_missing_or_stopped_pod(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    let images = env.client().images();
    let unknown = PodId::from("wharf-conformance-unknown");
    kind_of(images.mount(&unknown, &spec).await, ErrorKind::NotFound)?;
    kind_of(images.mounts(&unknown).await, ErrorKind::NotFound)?;
    pod.stop(&StopOptions::now()).await?;
    kind_of(images.mount(pod.id(), &spec).await, ErrorKind::InvalidState)?;
    ensure!(images.mounts(pod.id()).await?.is_empty(), "a stopped pod has mounts");
    Ok(())
}

async fn a_source_that_is_no_image_is_refused(env: &Env) -> Verdict {
    let (pod, good) = (env.bare().await?, image(env, "a").await?);
    let (small, large) = (env.directory().join("small"), env.directory().join("large"));
    tokio::fs::write(&small, "no image").await?;
    tokio::fs::write(&large, vec![b'x'; 100_000]).await?;
    for source in [small.as_path(), large.as_path(), env.directory()] {
        let spec = ImageMountSpec { source: source.display().to_string(), ..good.clone() };
        let Err(error) = env.client().images().mount(pod.id(), &spec).await else {
            return Err(Failure::Failed(format!("{} was mounted", source.display())));
        };
        let fits = matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::Failed);
        ensure!(fits && !error.is_transient(), "{}: {error:?}", source.display());
    }
    ensure!(mounted(env, pod.id()).await?.is_empty(), "something was mounted");
    // It has done no harm to the pod.
    env.client().images().mount(pod.id(), &good).await?;
    Ok(())
}

async fn a_missing_source_is_refused(env: &Env) -> Verdict {
    let (pod, good) = (env.bare().await?, image(env, "a").await?);
    let missing = env.directory().join("no-such-image").display().to_string();
    for source in [missing.as_str(), "", "relative/path"] {
        let spec = ImageMountSpec { source: source.to_owned(), ..good.clone() };
        let Err(error) = env.client().images().mount(pod.id(), &spec).await else {
            return Err(Failure::Failed(format!("{source:?} was mounted")));
        };
        let fits = matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::NotFound);
        ensure!(fits && !error.is_transient(), "{source:?}: {error:?}");
    }
    ensure!(mounted(env, pod.id()).await?.is_empty(), "something was mounted");
    Ok(())
}

async fn an_id_is_mounted_once(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    env.client().images().mount(pod.id(), &spec).await?;
    kind_of(env.client().images().mount(pod.id(), &spec).await, ErrorKind::AlreadyExists)?;
    ensure_eq!(mounted(env, pod.id()).await?, ["a"]);
    Ok(())
}

async fn of_concurrent_mounts_of_one_id_one_wins(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    let images = env.client().images();
    let results = join_all((0..4).map(|_| images.mount(pod.id(), &spec))).await;
    ensure_eq!(results.iter().flatten().count(), 1);
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        ensure_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    ensure_eq!(mounted(env, pod.id()).await?, ["a"]);
    Ok(())
}

async fn many_images_are_mounted_at_once(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    let images = env.client().images();
    let ids: Vec<_> = (10..26).map(|number| format!("m{number}")).collect();
    let specs: Vec<_> = ids.iter().map(|id| ImageMountSpec { id: id.clone(), ..spec.clone() }).collect();
    try_join_all(specs.iter().map(|spec| images.mount(pod.id(), spec))).await?;
    ensure_eq!(mounted(env, pod.id()).await?, ids);
    try_join_all(ids.iter().map(|id| images.unmount(pod.id(), id))).await?;
    ensure!(mounted(env, pod.id()).await?.is_empty(), "something is still mounted");
    Ok(())
}

async fn each_pod_has_mounts_of_its_own(env: &Env) -> Verdict {
    let (first, second, spec) = (env.bare().await?, env.bare().await?, image(env, "a").await?);
    let images = env.client().images();
    for pod in [&first, &second] {
        ensure_eq!(&images.mount(pod.id(), &spec).await?.pod, pod.id());
    }
    images.unmount(first.id(), "a").await?;
    ensure!(mounted(env, first.id()).await?.is_empty(), "it is still mounted");
    ensure_eq!(mounted(env, second.id()).await?, ["a"]);
    Ok(())
}

async fn mounts_of_another_client_are_seen(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    let here = env.client().images().mount(pod.id(), &spec).await?;
    let other = env.reconnect().await?.images();
    let there: Vec<ImageMount> = other.mounts(pod.id()).await?;
    ensure_eq!(there.len(), 1);
    ensure_eq!(
        (&there[0].id, &there[0].mountpoint, &there[0].path),
        (&here.id, &here.mountpoint, &here.path)
    );
    other.mount(pod.id(), &ImageMountSpec { id: "b".to_owned(), ..spec.clone() }).await?;
    other.unmount(pod.id(), "a").await?;
    ensure_eq!(mounted(env, pod.id()).await?, ["b"]);
    Ok(())
}

async fn mounts_go_with_their_pod(env: &Env) -> Verdict {
    let spec = image(env, "a").await?;
    for stop_first in [false, true] {
        let pod: PodHandle = env.bare().await?;
        let path = env.client().images().mount(pod.id(), &spec).await?.path;
        if stop_first {
            pod.stop(&StopOptions::default()).await?;
            ensure!(mounted(env, pod.id()).await?.is_empty(), "a stopped pod has mounts");
        }
        pod.remove().await?;
        kind_of(env.client().images().mounts(pod.id()).await, ErrorKind::NotFound)?;
        ensure!(path.is_none_or(|path| !path.exists()), "its files are still there");
    }
    Ok(())
}

async fn a_mount_is_dropped_anywhere(env: &Env) -> Verdict {
    let (pod, spec) = (env.bare().await?, image(env, "a").await?);
    let images = env.client().images();
    let mut draw = Draw::new(env.seed(), 6);
    for round in 0..ROUNDS {
        let polls = if round == 0 { 1 } else { 1 + draw.below(MAX_POLLS) };
        if let Some(done) = up_to(polls, images.mount(pod.id(), &spec)).await {
            done?;
            images.unmount(pod.id(), "a").await?;
        }
        env.settle().await?;
        let left = mounted(env, pod.id()).await?;
        ensure!(left.is_empty(), "mounted after {polls} polls: {left:?}");
    }
    images.mount(pod.id(), &spec).await?;
    Ok(())
}

/// Whatever is in between keeps files for ever: they never change, but the image below a path does.
async fn files_are_those_of_the_image_that_is_mounted_now(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let first = env.mountable(&[("same", "of the first\n"), ("first", "\n")]).await?;
    let second = env.mountable(&[("same", "of the second, which is longer\n"), ("second", "\n")]).await?;
    let images = env.client().images();
    let with_id = |spec: ImageMountSpec| ImageMountSpec { id: "a".to_owned(), ..spec };
    let (first, second) = (with_id(first), with_id(second));
    let mount = images.mount(pod.id(), &first).await?;
    let path = mount.path.ok_or("the files are said to be on this host, and nobody says where")?;
    let are = async |text: &str, own: &str, other: &str| -> Verdict {
        ensure_eq!(tokio::fs::read_to_string(path.join("same")).await?, text);
        ensure!(tokio::fs::try_exists(path.join(own)).await?, "{own} is not there");
        ensure!(!tokio::fs::try_exists(path.join(other)).await?, "{other} is there");
        Ok(())
    };
    are("of the first\n", "first", "second").await?;
    images.remount(pod.id(), &second).await?;
    are("of the second, which is longer\n", "second", "first").await?;
    images.unmount(pod.id(), "a").await?;
    images.mount(pod.id(), &first).await?;
    are("of the first\n", "first", "second").await?;
    images.unmount(pod.id(), "a").await?;
    Ok(())
}

async fn files_are_fetched_ahead(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let mut spec = env.mountable(&[("hello", "from the image\n")]).await?.with_prefetch(["/hello"]);
    spec.id = "a".to_owned();
    env.client().images().mount(pod.id(), &spec).await?;
    ensure_eq!(mounted(env, pod.id()).await?, ["a"]);
    Ok(())
}

async fn bad_paths_to_fetch_ahead_are_refused(env: &Env) -> Verdict {
    let (pod, good) = (env.bare().await?, image(env, "a").await?);
    for path in ["", "relative"] {
        let spec = good.clone().with_prefetch(["/fine", path]);
        let result = env.client().images().mount(pod.id(), &spec).await;
        let error = kind_of(result, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some("spec.prefetch[1]"));
    }
    ensure!(mounted(env, pod.id()).await?.is_empty(), "something was mounted");
    Ok(())
}

/// An image of the case's own, to be mounted as `id`.
async fn image(env: &Env, id: &str) -> Result<ImageMountSpec, Failure> {
    let spec = env.mountable(&[("hello", &env.unique("hello"))]).await?;
    Ok(ImageMountSpec { id: id.to_owned(), ..spec })
}

/// The ids of what is mounted in a pod, in order.
async fn mounted(env: &Env, pod: &PodId) -> Result<Vec<String>, Failure> {
    let mounts = env.client().images().mounts(pod).await?;
    ensure!(mounts.iter().all(|mount| mount.pod == *pod), "{mounts:?}");
    let mut ids: Vec<_> = mounts.into_iter().map(|mount| mount.id).collect();
    ids.sort_unstable();
    Ok(ids)
}
