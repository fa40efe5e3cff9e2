//! Pulls from testkit's own registry, whole and broken.

use std::fs;
use std::time::Duration;

use futures::StreamExt;

use super::*;
use crate::engine::core::Engine;
use crate::engine::{EngineError, EngineOptions};
use crate::image::{Entry, Format, Image, ImageBuilder, ImageIndex, LayerBuilder, Platform};
use crate::registry::{self, Action, Auth, Options, Registry, Rule};

async fn engine() -> Engine {
    Engine::start(EngineOptions::default()).await.unwrap()
}

async fn serve(image: &Image, options: Options) -> (Registry, String) {
    let registry = Registry::start(options).await.unwrap();
    registry.push("team/app", "1", image);
    let reference = registry.reference("team/app", "1");
    (registry, reference)
}

fn two_layers() -> Image {
    let lower = LayerBuilder::new()
        .with("etc", Entry::directory())
        .with("etc/passwd", Entry::file("root:x:0:0::/root:/bin/sh\n").mode(0o644))
        .with("gone", Entry::file("x"))
        .with("full", Entry::directory())
        .with("full/old", Entry::file("x"))
        .with("link", Entry::symlink("/etc/passwd"));
    let upper = LayerBuilder::new()
        .without("gone")
        .opaque("full")
        .with("full/new", Entry::file("y").mode(0o600).owner(7, 8));
    image().layer(lower.build().unwrap()).layer(upper.build().unwrap()).build().unwrap()
}

fn image() -> ImageBuilder {
    ImageBuilder::new(Platform::host())
        .env("A", "b=c")
        .entrypoint(["/x"])
        .cmd(["y"])
        .user("7:8")
        .working_dir("/w")
}

async fn pull(engine: &Engine, reference: &str) -> Result<std::sync::Arc<ImageRecord>, PullError> {
    match engine.pull(reference, None).finish().await {
        Ok(record) => Ok(record),
        Err(EngineError::Pull { error, .. }) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// No image, no directory.
async fn left_nothing(engine: Engine) {
    assert!(engine.ledger().is_empty(), "{:?}", engine.ledger());
    let images = fs::read_dir(engine.snapshotter_dir().join("snapshots")).unwrap().count();
    assert_eq!(images, 0);
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn layers_end_up_as_files_and_names_find_the_image() {
    let image = two_layers();
    let (_registry, reference) = serve(&image, Options::default()).await;
    let engine = engine().await;
    let events: Vec<_> = engine.pull(&reference, None).collect().await;
    let Some(Ok(PullEvent::Done(record))) = events.last() else { panic!("{events:?}") };
    assert_eq!(record.tags, std::slice::from_ref(&reference));
    assert_eq!(record.digests, [format!("{}@{}", reference.trim_end_matches(":1"), image.digest())]);
    assert_eq!(
        (record.config.env.as_slice(), record.config.user.as_deref()),
        (["A=b=c".to_owned()].as_slice(), Some("7:8"))
    );
    for name in [&record.id, &reference, &record.digests[0], &record.id[7..], &record.id[7..20]] {
        assert_eq!(engine.image(name).unwrap().id, record.id, "{name}");
    }
    let stored = engine.shared().images.find(&reference).unwrap();
    let root = stored.rootfs.directory().unwrap().to_path_buf();
    assert!(!root.join("gone").exists() && !root.join("full/old").exists());
    assert_eq!(fs::read_to_string(root.join("full/new")).unwrap(), "y");
    assert_eq!(fs::read_link(root.join("link")).unwrap().to_str(), Some("/etc/passwd"));
    drop(stored);
    assert!(engine.image_usage().await.unwrap().0 > 0);
    assert!(engine.remove_image(&reference).await.unwrap());
    assert!(!root.exists());
    left_nothing(engine).await;
}

#[tokio::test]
async fn an_index_is_resolved_for_this_machine() {
    let other = ImageBuilder::new(Platform::linux("other")).build().unwrap();
    let index = ImageIndex::new(Format::Oci, vec![other.clone(), two_layers()]).unwrap();
    let registry = Registry::start(Options::default()).await.unwrap();
    registry.push_index("app", "both", &index);
    registry.push_index("app", "other", &ImageIndex::new(Format::Oci, vec![other]).unwrap());
    let engine = engine().await;
    let record = pull(&engine, &registry.reference("app", "both")).await.unwrap();
    assert!(record.digests[0].ends_with(&index.digest().to_string()));
    let by_digest = pull(&engine, &registry.reference_by_digest("app", index.digest())).await.unwrap();
    assert_eq!(by_digest.id, record.id);
    let none = pull(&engine, &registry.reference("app", "other")).await;
    assert!(matches!(none, Err(PullError::NotFound { .. })), "{none:?}");
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn passwords_and_tokens_open_a_registry() {
    let right = Credentials { username: "me".into(), password: "s3cret".into() };
    let wrong = Credentials { password: "wrong".into(), ..right.clone() };
    assert!(!format!("{right:?}").contains("s3cret"));
    let theirs = registry::Credentials::new("me", "s3cret");
    let bearer = Auth::Bearer { credentials: Some(theirs.clone()), lifetime: Duration::from_secs(60) };
    for auth in [Auth::Basic(theirs), bearer] {
        let (_registry, reference) = serve(&two_layers(), Options { auth, ..Options::default() }).await;
        let engine = engine().await;
        for credentials in [None, Some(wrong.clone())] {
            let refused = engine.pull(&reference, credentials).finish().await;
            let Err(EngineError::Pull { error: PullError::Status { status: 401, .. }, .. }) = refused else {
                panic!("{refused:?}");
            };
        }
        engine.pull(&reference, Some(right.clone())).finish().await.unwrap();
        engine.remove_image(&reference).await.unwrap();
        left_nothing(engine).await;
    }
}

#[tokio::test]
async fn what_is_broken_is_named_and_leaves_nothing() {
    let image = two_layers();
    let config_and_layers = image.blobs().filter(|blob| blob.digest != *image.digest());
    let mut paths: Vec<_> = config_and_layers.map(|blob| format!("*/blobs/{}", blob.digest)).collect();
    paths.push("*/manifests/1".to_owned());
    assert_eq!(paths.len(), 4);
    let (registry, reference) = serve(&image, Options::default()).await;
    let engine = engine().await;
    for path in &paths {
        registry.script(Rule::new(path, Action::WrongBytes { seed: 1 }).times(1));
        let wrong = pull(&engine, &reference).await;
        assert!(matches!(wrong, Err(PullError::DigestMismatch { .. })), "{path}: {wrong:?}");
        registry.script(Rule::new(path, Action::CutBody { after: 3 }).times(1));
        let cut = pull(&engine, &reference).await;
        assert!(matches!(cut, Err(PullError::Cut { .. })), "{path}: {cut:?}");
    }
    registry.script(Rule::new("*/manifests/*", Action::Status { code: 500, body: String::new() }).times(1));
    assert_eq!(
        pull(&engine, &reference).await,
        Err(PullError::Status { asked: Asked::Manifest, status: 500 })
    );
    let missing = pull(&engine, &registry.reference("team/app", "2")).await;
    assert!(matches!(missing, Err(PullError::NotFound { .. })), "{missing:?}");
    drop(registry);
    let gone = pull(&engine, &reference).await;
    assert!(matches!(gone, Err(PullError::Unreachable { .. })), "{gone:?}");
    left_nothing(engine).await;
}

#[tokio::test]
async fn pulls_of_one_image_are_one_fetch_and_end_with_the_last_who_waits() {
    let (registry, reference) = serve(&two_layers(), Options::default()).await;
    let hang = registry.script(Rule::new("*/manifests/*", Action::Hang));
    let engine = engine().await;
    let mut pulls: Vec<_> = (0..5).map(|_| engine.pull(&reference, None)).collect();
    for pull in &mut pulls {
        assert_eq!(pull.next().await.unwrap().unwrap(), PullEvent::Progress(vec![]));
    }
    hang.release();
    let ended = futures::future::join_all(pulls.into_iter().map(Pull::finish)).await;
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    let manifests = registry.requests().iter().filter(|request| request.path.contains("manifests")).count();
    assert_eq!(manifests, 1);
    engine.remove_image(&reference).await.unwrap();

    registry.script(Rule::new("*/blobs/*", Action::Hang));
    let mut given_up = engine.pull(&reference, None);
    given_up.next().await.unwrap().unwrap();
    registry.wait_for_request(|request| request.path.contains("blobs")).await;
    drop(given_up);
    let mut wait = Duration::from_millis(1);
    while !engine.ledger().is_empty() {
        assert!(wait < Duration::from_secs(5));
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    left_nothing(engine).await;
}

#[tokio::test]
async fn the_host_image_is_always_here() {
    let engine = engine().await;
    let record = pull(&engine, HOST_IMAGE).await.unwrap();
    assert_eq!(engine.image("wharf.local/host").unwrap().id, record.id);
    assert!(engine.remove_image(HOST_IMAGE).await.is_err());
    let far = pull(&engine, "registry.test/app").await;
    assert!(matches!(far, Err(PullError::Unreachable { .. })), "{far:?}");
    left_nothing(engine).await;
}
