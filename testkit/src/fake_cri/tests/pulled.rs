//! Images from a registry, and containers with walls. The latter need root.

use super::*;
use crate::image::{guest, standard};
use crate::registry::{Auth, Credentials, Options, Registry};

async fn registry() -> Registry {
    let program = tokio::task::spawn_blocking(guest::binary).await.unwrap().unwrap();
    let auth = Auth::Basic(Credentials::new("user", "secret"));
    let registry = Registry::start(Options { auth, ..Default::default() }).await.unwrap();
    for named in standard::all(&program).unwrap() {
        registry.push(named.name, standard::TAG, &named.image);
    }
    registry
}

async fn pull(bench: &mut Bench, reference: &str, password: &str) -> Result<String, Status> {
    let auth = AuthConfig { username: "user".into(), password: password.into(), ..Default::default() };
    let image = Some(ImageSpec { image: reference.into(), ..Default::default() });
    let request = PullImageRequest { image, auth: Some(auth), sandbox_config: None };
    Ok(bench.images.pull_image(request).await?.into_inner().image_ref)
}

async fn image_status(bench: &mut Bench, reference: &str) -> Option<Image> {
    let image = Some(ImageSpec { image: reference.into(), ..Default::default() });
    let request = ImageStatusRequest { image, verbose: false };
    bench.images.image_status(request).await.unwrap().into_inner().image
}

#[tokio::test]
async fn images_come_and_go() {
    let mut bench = Bench::new().await;
    let registry = registry().await;
    let (guest, user) = (registry.reference("guest", "1"), registry.reference("guest-user", "1"));
    assert_refused(pull(&mut bench, &guest, "wrong").await, Code::Unknown, "[manifests 1]: 401 Unauthorized");
    let nope = registry.reference("nope", "1");
    let words = format!("failed to resolve reference \"{nope}\": {nope}: not found");
    assert_refused(pull(&mut bench, &nope, "secret").await, Code::NotFound, &words);

    let id = pull(&mut bench, &guest, "secret").await.unwrap();
    let told = image_status(&mut bench, &guest).await.unwrap();
    assert_eq!((told.id.as_str(), told.repo_tags.as_slice()), (id.as_str(), &[guest.clone()][..]));
    assert!(told.repo_digests[0].starts_with(&format!("{}/guest@sha256:", registry.address())), "{told:?}");
    // By digest, id, a prefix of the id, and by nothing, which is a prefix of the only one.
    for reference in [&told.repo_digests[0], &id, &id[7..19], ""] {
        assert_eq!(image_status(&mut bench, reference).await.as_ref(), Some(&told), "{reference:?}");
    }
    pull(&mut bench, &user, "secret").await.unwrap();
    assert_eq!(image_status(&mut bench, &user).await.unwrap().uid, Some(Int64Value { value: 1000 }));
    assert_eq!(image_status(&mut bench, "").await, None);

    // Whatever the filter, all are listed.
    let filter = Some(ImageFilter { image: Some(ImageSpec { image: guest.clone(), ..Default::default() }) });
    let listed = bench.images.list_images(ListImagesRequest { filter }).await.unwrap().into_inner().images;
    assert_eq!(listed.len(), 2);
    for reference in [&guest, &guest, &user] {
        let image = Some(ImageSpec { image: reference.clone(), ..Default::default() });
        bench.images.remove_image(RemoveImageRequest { image }).await.unwrap();
    }
    assert_eq!(image_status(&mut bench, &guest).await, None);
    bench.finish().await;
}

#[tokio::test]
async fn a_container_with_walls_sees_what_was_asked_for() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: needs root");
        return;
    }
    let mut bench = Bench::with(FakeCriOptions::default(), None).await;
    let registry = registry().await;
    let reference = registry.reference("guest", "1");
    let id = pull(&mut bench, &reference, "secret").await.unwrap();
    let sandbox = bench.run("a").await;
    let made = bench.logs.path().join("made");
    let config = ContainerConfig {
        image: Some(ImageSpec { image: reference.clone(), ..Default::default() }),
        command: Vec::new(),
        mounts: vec![Mount {
            container_path: "data".into(),
            host_path: made.to_string_lossy().into_owned(),
            ..Default::default()
        }],
        linux: Some(LinuxContainerConfig {
            resources: Some(LinuxContainerResources {
                memory_limit_in_bytes: 64 << 20,
                ..Default::default()
            }),
            security_context: Some(LinuxContainerSecurityContext {
                run_as_username: "app".into(),
                readonly_rootfs: true,
                ..Default::default()
            }),
        }),
        ..shell("c", "")
    };
    let container = bench.create(&sandbox, config).await;
    assert!(made.is_dir(), "a host path that is missing is made");
    bench.start(&container).await.unwrap();
    let status = bench.status(&container).await;
    assert!(
        status.image_ref.starts_with(&format!("{}/guest@sha256:", registry.address())),
        "{}",
        status.image_ref
    );
    assert_eq!(bench.fake.engine().container(&container).unwrap().image.id, id);
    for (cmd, want) in [
        (&["/guest", "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes"][..], "67108864\n"),
        (&["/guest", "cat", "/sys/fs/cgroup/cpu/cpu.shares"], "1024\n"),
        (&["/guest", "cwd"], "/work\n"),
        (&["/guest", "proc-status", "Groups"], "1000 2000\n"),
    ] {
        let answer = bench.exec(&container, cmd, 10).await.unwrap();
        let (out, err) = (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
        assert_eq!(out, want, "{cmd:?} {err}");
    }
    let env = bench.exec(&container, &["/guest", "env"], 10).await.unwrap().stdout;
    let env = String::from_utf8(env).unwrap();
    for line in ["IMAGE_ENV=from-image", "PATH=/bin", "WITH_EQUALS=a=b=c", "HOME=/work"] {
        assert!(env.lines().any(|have| have == line), "{line} is not in {env}");
    }
    let answer = bench.exec(&container, &["/guest", "write", "/x", "y"], 10).await.unwrap();
    let refused = String::from_utf8(answer.stderr).unwrap();
    assert!(answer.exit_code != 0 && refused.contains("Read-only file system"), "{refused}");
    bench.stop(&container, 5).await.unwrap();
    bench.finish().await;
}
