//! Copies in and out of containers: by the memory driver, and by the containers' own `tar` over exec.

#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use runtime_core::{
    ByteStream, Client, ContainerHandle, Context, CopyOptions, Error, ErrorKind, PodHandle,
    copy::{self, Archiver, Limits, LocalSource},
    spec::{ContainerSpec, PodSpec},
};
use tempfile::TempDir;
use testkit::{
    engine::HOST_IMAGE,
    memory::{MemoryDriver, MemoryOptions},
};

/// A container that sees the host's files, and a directory for it.
struct Bed {
    driver: MemoryDriver,
    pod: PodHandle,
    app: ContainerHandle,
    dir: TempDir,
}

impl Bed {
    async fn new() -> Self {
        let driver = MemoryDriver::start(MemoryOptions::default()).await.unwrap();
        let container = ContainerSpec::new("app", HOST_IMAGE).with_command(["sleep", "1000"]);
        let pod = Client::new(driver.clone())
            .run_pod(&PodSpec::new("web").with_container(container))
            .await
            .unwrap();
        let app = pod.container("app").unwrap();
        Self { driver, pod, app, dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn remote(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    async fn tar_in(&self, directory: &str, archive: ByteStream) -> Result<(), Error> {
        let cx = Context::background().with_timeout(Duration::from_secs(60));
        copy::copy_in(&self.driver, &cx, self.app.id(), &Archiver::Tar, directory, archive).await
    }

    async fn tar_out(&self, path: &str) -> Result<ByteStream, Error> {
        let cx = Context::background().with_timeout(Duration::from_secs(60));
        copy::copy_out(&self.driver, &cx, self.app.id(), &Archiver::Tar, path).await
    }

    async fn end(self) {
        self.pod.remove().await.unwrap();
        assert!(self.driver.engine().ledger().is_empty_except_images());
    }
}

/// A tree with everything that is hard to copy.
fn make_tree(root: &Path) {
    let long = "n".repeat(200);
    fs::create_dir_all(root.join(&long).join(&long)).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    for name in ["plain", "-rf", "two words", "line\nbreak", "\"'`$HOME", ".hidden", "..more", "*"] {
        fs::write(root.join(name), name).unwrap();
    }
    fs::write(root.join(OsStr::from_bytes(b"\xff\xfe")), "bytes").unwrap();
    fs::write(root.join(&long).join(&long).join("deep"), vec![7; 300_000]).unwrap();
    fs::write(root.join("nothing"), "").unwrap();
    fs::set_permissions(root.join("plain"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o700)).unwrap();
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("empty", root.join("to-directory")).unwrap();
    fs::hard_link(root.join("plain"), root.join("same")).unwrap();
    let file = fs::File::options().write(true).open(root.join("plain")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
}

type Tree = BTreeMap<Vec<u8>, (u32, i64, Vec<u8>)>;

fn tree(root: &Path) -> Tree {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_dir() {
                todo.push(path.clone());
                b"a directory".to_vec()
            } else if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
            found.insert(name, (metadata.mode() & 0o7777, metadata.mtime(), content));
        }
    }
    found
}

#[tokio::test]
async fn a_tree_goes_in_and_comes_out_as_it_was() {
    let bed = Bed::new().await;
    let from = bed.path("from");
    fs::create_dir(&from).unwrap();
    make_tree(&from);
    let all = CopyOptions::default();
    bed.app.copy_in(&from, &bed.remote("native"), &all).await.unwrap();
    assert_eq!(tree(&bed.path("native")), tree(&from));
    bed.app.copy_out(&bed.remote("from"), bed.path("native-out"), &all).await.unwrap();
    assert_eq!(tree(&bed.path("native-out")), tree(&from));

    let source = LocalSource::open(&from).await.unwrap();
    bed.tar_in(&bed.remote(""), source.named("tar", Limits::NONE)).await.unwrap();
    assert_eq!(tree(&bed.path("tar")), tree(&from));
    // Once more, over what is there.
    bed.tar_in(&bed.remote(""), source.named("tar", Limits::NONE)).await.unwrap();
    assert_eq!(tree(&bed.path("tar")), tree(&from));
    let archive = bed.tar_out(&bed.remote("from")).await.unwrap();
    copy::unpack_local(archive, &bed.path("tar-out"), "from", false, Limits::NONE).await.unwrap();
    assert_eq!(tree(&bed.path("tar-out")), tree(&from));
    let rest: Vec<_> = fs::read_dir(bed.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(rest.len(), 5, "{rest:?}");
    bed.end().await;
}

#[tokio::test]
async fn where_a_copy_goes() {
    let bed = Bed::new().await;
    let all = CopyOptions::default();
    fs::create_dir_all(bed.path("source/below")).unwrap();
    fs::write(bed.path("source/below/file"), "new").unwrap();
    let file = bed.path("source/below/file");
    let (app, remote) = (&bed.app, |name: &str| bed.remote(name));
    // Into a directory, under a new name, over a file.
    fs::create_dir(bed.path("dir")).unwrap();
    app.copy_in(&file, &remote("dir"), &all).await.unwrap();
    app.copy_in(&file, &remote("dir/renamed"), &all).await.unwrap();
    fs::write(bed.path("dir/old"), "something longer that was there before").unwrap();
    app.copy_in(&file, &remote("dir/old"), &all).await.unwrap();
    app.copy_in(bed.path("source"), &remote("dir/"), &all).await.unwrap();
    app.copy_in(bed.path("source/."), &remote("dir"), &all).await.unwrap();
    app.copy_in(bed.path("source"), &remote("dir/copy"), &all).await.unwrap();
    for path in ["file", "renamed", "old", "source/below/file", "below/file", "copy/below/file"] {
        assert_eq!(fs::read_to_string(bed.path("dir").join(path)).unwrap(), "new", "{path}");
    }
    // The same on the way out.
    fs::create_dir(bed.path("out")).unwrap();
    fs::write(bed.path("out/old"), "something longer that was there before").unwrap();
    let out = |name: &str| bed.path("out").join(name);
    app.copy_out(&remote("source/below/file"), out(""), &all).await.unwrap();
    app.copy_out(&remote("source/below/file"), out("renamed"), &all).await.unwrap();
    app.copy_out(&remote("source/below/file"), out("old"), &all).await.unwrap();
    app.copy_out(&remote("source"), out(""), &all).await.unwrap();
    app.copy_out(&remote("source/."), out(""), &all).await.unwrap();
    app.copy_out(&remote("source/"), out("copy"), &all).await.unwrap();
    let (mut one, mut other) = (tree(&bed.path("dir")), tree(&bed.path("out")));
    for tree in [&mut one, &mut other] {
        tree.values_mut().for_each(|(_, time, _)| *time = 0);
    }
    assert_eq!(one, other);
    // What can't be.
    let missing = ErrorKind::NotFound;
    for (from, to, kind) in [
        (bed.path("nothing"), remote("dir"), missing),
        (file.clone(), remote("no/such/directory"), missing),
        (file.clone(), remote("no/"), missing),
        (file.clone(), remote("dir/file/"), ErrorKind::InvalidArgument),
        (file.clone(), remote("dir/file/below"), ErrorKind::InvalidArgument),
        (bed.path("source"), remote("dir/file"), ErrorKind::InvalidState),
        (bed.path("source/below"), bed.remote("dir/copy/below/file"), ErrorKind::InvalidState),
    ] {
        let error = app.copy_in(&from, &to, &all).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{from:?} to {to}: {error:?}");
    }
    for (from, to, kind) in [
        (remote("nothing"), out(""), missing),
        (remote("source/below/file/below"), out(""), missing),
        (remote("source"), out("no/such"), missing),
        (remote("source"), out("no/"), missing),
        (remote("source"), out("file"), ErrorKind::InvalidState),
        (remote("source"), out("file/"), ErrorKind::InvalidState),
        ("/".to_owned(), out(""), ErrorKind::InvalidArgument),
        ("relative".to_owned(), out(""), ErrorKind::InvalidArgument),
    ] {
        let error = app.copy_out(&from, &to, &all).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{from} to {to:?}: {error:?}");
    }
    let few = CopyOptions::at_most(2, 100);
    for error in [
        app.copy_in(&file, &remote("dir"), &few).await.unwrap_err(),
        app.copy_out(&remote("source"), out(""), &few).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error:?}");
    }
    bed.end().await;
}

#[tokio::test]
async fn the_containers_own_tar_says_what_is_wrong() {
    let bed = Bed::new().await;
    fs::write(bed.path("file"), "x").unwrap();
    let kind = |error: Error| error.kind();
    assert_eq!(kind(bed.tar_out(&bed.remote("nothing")).await.map(drop).unwrap_err()), ErrorKind::NotFound);
    let pack = || async { LocalSource::open(&bed.path("file")).await.unwrap().into_directory(Limits::NONE) };
    let error = bed.tar_in(&bed.remote("nothing"), pack().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    let error = bed.tar_in(&bed.remote("file"), pack().await).await.unwrap_err();
    assert_eq!(error.field(), Some("directory"), "{error:?}");
    // What tar itself refuses: a directory that is in the way.
    fs::create_dir_all(bed.path("target/file/full")).unwrap();
    let error = bed.tar_in(&bed.remote("target"), pack().await).await.unwrap_err();
    assert!(error.reason().is_some_and(|reason| reason.contains("file")), "{error:?}");
    assert_eq!(tree(&bed.path("target")).len(), 2);
    // A cut, and an error, leave nothing that looks whole.
    fs::create_dir(bed.path("empty")).unwrap();
    let whole: Vec<_> = pack().await.collect().await;
    let whole = whole.into_iter().map(Result::unwrap).collect::<Vec<_>>().concat();
    for (archive, kind) in [
        (vec![Ok(Bytes::copy_from_slice(&whole[..600]))], ErrorKind::Failed),
        (vec![Ok(Bytes::copy_from_slice(&whole[..1024]))], ErrorKind::Failed),
        (
            vec![Ok(Bytes::copy_from_slice(&whole[..1024])), Err(Error::new(ErrorKind::Unavailable, "cut"))],
            ErrorKind::Unavailable,
        ),
        (
            vec![Ok(Bytes::from(whole.clone())), Err(Error::new(ErrorKind::Unavailable, "at the very end"))],
            ErrorKind::Unavailable,
        ),
    ] {
        let error = bed.tar_in(&bed.remote("empty"), stream::iter(archive).boxed()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let left = tree(&bed.path("empty"));
        // Nothing short: with the end of the archive all of it was there, whatever came then.
        assert!(left.get(b"file".as_slice()).is_none_or(|(_, _, content)| content == b"x"), "{left:?}");
    }
    bed.end().await;
}

#[tokio::test]
async fn a_dropped_copy_ends_what_it_began() {
    let bed = Bed::new().await;
    fs::write(bed.path("large"), vec![1; 8 << 20]).unwrap();
    let mut archive = bed.tar_out(&bed.remote("large")).await.unwrap();
    archive.next().await.unwrap().unwrap();
    assert_eq!(bed.driver.engine().ledger().execs.len(), 1);
    drop(archive);
    let mut pause = Duration::from_millis(1);
    while !bed.driver.engine().ledger().execs.is_empty() {
        tokio::time::sleep(pause).await;
        pause *= 2;
        assert!(pause < Duration::from_secs(10), "it goes on");
    }
    // Killed in the middle, it is an error and not an end.
    let archive = bed.app.copy_out_archive(&bed.remote("large")).await.unwrap();
    let tar = bed.tar_out(&bed.remote("large")).await.unwrap();
    bed.app.stop(&runtime_core::StopOptions::now()).await.unwrap();
    for archive in [archive, tar] {
        let last = archive.collect::<Vec<_>>().await.pop().unwrap();
        assert!(last.is_err());
    }
    let error = bed.app.copy_out_archive("/etc/passwd").await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    bed.end().await;
}
