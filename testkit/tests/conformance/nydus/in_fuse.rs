//! Daemons that serve a mount of this host.

use testkit::{
    cases,
    conformance::{Env, Verdict, kind_of},
    ensure, ensure_eq,
};
use wharf::{ErrorKind, StopOptions, nydus::Mode};

use super::{
    holdings::mounts_below,
    own::{status, with},
};

cases! { Volumes;
    a_mount_point_of_the_callers_is_used_and_given_back: proves [], needs [PodWithoutContainers];
    a_mount_point_that_can_not_be_used_is_refused: proves [], needs [PodWithoutContainers];
    a_pod_may_choose_the_other_mode: proves [], needs [PodWithoutContainers];
    files_are_read_by_many_at_once: proves [], needs [PodWithoutContainers, ImageMountPath];
    a_pod_whose_files_are_in_use_is_stopped: proves [], needs [PodWithoutContainers, ImageMountPath];
}

async fn a_mount_point_of_the_callers_is_used_and_given_back(env: &Env) -> Verdict {
    let place = env.directory().join("here and there");
    std::fs::create_dir(&place)?;
    let pod = env.client().run_pod(&with(env, |options| options.mountpoint = Some(place.clone()))?).await?;
    ensure_eq!(status(&pod).await?.mountpoint, Some(place.clone()));
    ensure_eq!(mounts_below(&place)?, [place.clone()]);
    ensure!(place.join("containers").is_dir(), "nothing is shared there");
    pod.stop(&StopOptions::default()).await?;
    ensure!(mounts_below(&place)?.is_empty(), "it is still mounted");
    pod.remove().await?;
    ensure_eq!(std::fs::read_dir(&place)?.count(), 0);
    env.ensure_nothing_left().await
}

async fn a_mount_point_that_can_not_be_used_is_refused(env: &Env) -> Verdict {
    let full = env.directory().join("full");
    std::fs::create_dir(&full)?;
    std::fs::write(full.join("file"), "")?;
    for place in [full.join("missing"), full.join("file"), full] {
        let spec = with(env, |options| options.mountpoint = Some(place.clone()))?;
        let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some("extensions.nydus.mountpoint"));
    }
    env.ensure_nothing_left().await
}

async fn a_pod_may_choose_the_other_mode(env: &Env) -> Verdict {
    let pod = env.client().run_pod(&with(env, |options| options.mode = Some(Mode::Virtiofs))?).await?;
    let own = status(&pod).await?;
    ensure_eq!((own.mode, own.mountpoint), (Mode::Virtiofs, None));
    ensure!(own.socket.is_some_and(|socket| socket.exists()), "it has no vhost-user socket");
    Ok(())
}

async fn files_are_read_by_many_at_once(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let text = "0123456789abcdef".repeat(65_536);
    let spec = env.mountable(&[("large", &text)]).await?;
    let path = env.client().images().mount(pod.id(), &spec).await?.path.ok_or("nobody says where it is")?;
    let reads = (0..8).map(|_| tokio::fs::read_to_string(path.join("large")));
    for read in futures::future::join_all(reads).await {
        ensure!(read? == text, "what was read is not what is in the image");
    }
    Ok(())
}

async fn a_pod_whose_files_are_in_use_is_stopped(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let spec = env.mountable(&[("file", "text")]).await?;
    let path = env.client().images().mount(pod.id(), &spec).await?.path.ok_or("nobody says where it is")?;
    let open = std::fs::File::open(path.join("file"))?;
    pod.stop(&StopOptions::default()).await?;
    let mountpoint = status(&pod).await?.mountpoint.ok_or("it has no mount point")?;
    ensure!(mounts_below(&mountpoint)?.is_empty(), "it is still mounted");
    drop(open);
    pod.remove().await?;
    env.ensure_nothing_left().await
}
