//! Mounts that the host makes when a container runs already.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::*;

/// What containers see of a file system that is mounted later, below a directory that they mount.
async fn later_mounts(shared: &Path) {
    let Some(bed) = Bed::walled().await else { return };
    let tmpfs = |at: &Path| mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    let none = None::<&str>;
    tmpfs(shared);
    mount(none, shared, none, MsFlags::MS_SHARED, none).unwrap();
    fs::create_dir(shared.join("later")).unwrap();
    let mut ids = Vec::new();
    for propagation in [Propagation::Private, Propagation::HostToContainer] {
        let kind = MountKind::Bind { host_path: shared.to_path_buf() };
        let mounted = Mount { container_path: "/data".into(), read_only: true, kind, propagation };
        let launch = bed.launch(&["sleep", "1000"]);
        ids.push(
            bed.start(Launch { name: format!("{propagation:?}"), mounts: vec![mounted], ..launch }).await,
        );
    }
    tmpfs(&shared.join("later"));
    fs::write(shared.join("later/file"), "seen").unwrap();
    let see = "cat /data/later/file";
    assert_eq!(bed.exec(&ids[0], see).await.stdout, b"");
    assert_eq!(bed.exec(&ids[1], see).await.stdout, b"seen");
    bed.end().await;
    umount2(shared, MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn mounts_made_later_are_seen_when_asked_for() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root");
        return;
    }
    // On a thread with mounts of its own, which end with it; the engine's threads inherit them.
    let tested = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(later_mounts(directory.path()));
    });
    tested.join().unwrap();
}
