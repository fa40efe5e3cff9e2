//! Files into containers and out of them.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
    },
    path::Path,
    time::{Duration, SystemTime},
};

use futures::future::join_all;
use runtime_core::{
    ContainerHandle, CopyOptions, ErrorKind,
    copy::{Limits, LocalSource},
};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_exec, kind_of},
};

cases! { Copy;
    a_file_goes_in_and_comes_out: proves [ContainerCopy], needs [PodRun, ExecSync, ContainerRootfs];
    a_tree_goes_in_and_comes_out_as_it_was: proves [], needs [ContainerCopy, PodRun, ContainerRootfs];
    empty_files_and_directories: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    a_large_file_arrives_whole: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    modes_and_times_are_kept: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    links_stay_links: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    odd_names: proves [], needs [ContainerCopy, PodRun, ContainerRootfs];
    long_names: proves [], needs [ContainerCopy, PodRun, ContainerRootfs];
    into_a_directory_or_under_a_new_name: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    what_exists_is_replaced_and_directories_are_merged: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    what_is_missing_is_told: proves [], needs [ContainerCopy, PodRun, ContainerRootfs];
    files_and_directories_are_not_mixed_up: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    several_copies_at_once: proves [], needs [ContainerCopy, PodRun, ContainerRootfs];
}

pub(super) fn all() -> CopyOptions {
    CopyOptions::default()
}

async fn text_of(container: &ContainerHandle, path: &str) -> Result<String, Failure> {
    let output = guest_exec(container, ["cat", path]).await?;
    ensure!(output.exit.success(), "{path}: {}", output.stderr_text());
    Ok(output.stdout_text())
}

pub(super) async fn exists(container: &ContainerHandle, path: &str) -> Result<bool, Failure> {
    Ok(guest_exec(container, ["stat", path]).await?.exit.success())
}

/// Mode, time and content by name.
type Tree = BTreeMap<Vec<u8>, (u32, i64, Vec<u8>)>;

/// What is below a directory.
fn tree(root: &Path) -> std::io::Result<Tree> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            let metadata = fs::symlink_metadata(&path)?;
            let content = if metadata.is_dir() {
                todo.push(path.clone());
                b"a directory".to_vec()
            } else if metadata.is_symlink() {
                fs::read_link(&path)?.as_os_str().as_bytes().to_vec()
            } else {
                fs::read(&path)?
            };
            let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes().to_vec();
            found.insert(name, (metadata.mode() & 0o7777, metadata.mtime(), content));
        }
    }
    Ok(found)
}

/// Copies a tree in and out again, and fails unless it is what it was.
async fn there_and_back(env: &Env, from: &Path) -> Verdict {
    let (_, container) = env.idle().await?;
    container.copy_in(from, "/work/there", &all()).await?;
    let back = env.directory().join("back");
    container.copy_out("/work/there", &back, &all()).await?;
    let (back, from) = (tree(&back)?, tree(from)?);
    for (name, was) in &from {
        ensure!(back.get(name) == Some(was), "{:?} differs", String::from_utf8_lossy(name));
    }
    ensure_eq!(back.len(), from.len());
    Ok(())
}

async fn a_file_goes_in_and_comes_out(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let (local, back) = (env.directory().join("file"), env.directory().join("back"));
    fs::write(&local, "from outside\n")?;
    container.copy_in(&local, "/work/inside", &all()).await?;
    ensure_eq!(text_of(&container, "/work/inside").await?, "from outside\n");
    guest_exec(&container, ["write", "/work/other", "from inside"]).await?;
    container.copy_out("/work/other", &back, &all()).await?;
    ensure_eq!(fs::read_to_string(back)?, "from inside");
    Ok(())
}

async fn a_tree_goes_in_and_comes_out_as_it_was(env: &Env) -> Verdict {
    let from = env.directory().join("tree");
    for directory in ["a/b/c/d", "e", "a/f"] {
        fs::create_dir_all(from.join(directory))?;
    }
    for (number, file) in ["top", "a/one", "a/b/two", "a/b/c/d/three", "e/four"].iter().enumerate() {
        fs::write(from.join(file), vec![b'x'; number * 10_000])?;
    }
    there_and_back(env, &from).await
}

async fn empty_files_and_directories(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let from = env.directory().join("from");
    fs::create_dir_all(from.join("directory"))?;
    fs::write(from.join("file"), "")?;
    container.copy_in(from.join("file"), "/work/file", &all()).await?;
    container.copy_in(from.join("directory"), "/work/directory", &all()).await?;
    let told = guest_exec(&container, ["stat", "/work/file"]).await?.stdout_text();
    ensure!(told.starts_with("file") && told.trim_end().ends_with(" 0"), "{told}");
    ensure!(
        guest_exec(&container, ["stat", "/work/directory"]).await?.stdout_text().starts_with("dir"),
        "no directory"
    );
    let back = env.directory().join("back");
    fs::create_dir(&back)?;
    container.copy_out("/work/file", &back, &all()).await?;
    container.copy_out("/work/directory", &back, &all()).await?;
    ensure_eq!(fs::metadata(back.join("file"))?.len(), 0);
    ensure_eq!(fs::read_dir(back.join("directory"))?.count(), 0);
    Ok(())
}

/// Bytes that don't repeat, from a seed.
pub(super) fn noise(mut state: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    state |= 1;
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

async fn a_large_file_arrives_whole(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let (local, back) = (env.directory().join("large"), env.directory().join("back"));
    // Not a multiple of anything.
    let content = noise(env.seed(), (64 << 20) + 4321);
    fs::write(&local, &content)?;
    container.copy_in(&local, "/work/large", &all()).await?;
    let told = guest_exec(&container, ["stat", "/work/large"]).await?.stdout_text();
    ensure!(told.trim_end().ends_with(&content.len().to_string()), "{told}");
    container.copy_out("/work/large", &back, &all()).await?;
    ensure!(fs::read(back)? == content, "seed {}: it came back as something else", env.seed());
    Ok(())
}

async fn modes_and_times_are_kept(env: &Env) -> Verdict {
    let from = env.directory().join("from");
    fs::create_dir_all(from.join("private"))?;
    for (name, mode) in [("run", 0o755), ("read", 0o444), ("secret", 0o600), ("private", 0o700)] {
        let path = from.join(name);
        if name != "private" {
            fs::write(&path, name)?;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + u64::from(mode));
        fs::File::open(&path)?.set_modified(time)?;
    }
    let (_, container) = env.idle().await?;
    container.copy_in(&from, "/work/kept", &all()).await?;
    for (name, mode) in [("run", "0755"), ("read", "0444"), ("secret", "0600"), ("private", "0700")] {
        let told = guest_exec(&container, ["stat", &format!("/work/kept/{name}")]).await?.stdout_text();
        ensure!(told.split(' ').nth(1) == Some(mode), "{name}: {told}");
    }
    let back = env.directory().join("back");
    container.copy_out("/work/kept", &back, &all()).await?;
    ensure_eq!(tree(&back)?, tree(&from)?);
    Ok(())
}

async fn links_stay_links(env: &Env) -> Verdict {
    let from = env.directory().join("from");
    fs::create_dir_all(from.join("directory"))?;
    fs::write(from.join("directory/file"), "x")?;
    fs::hard_link(from.join("directory/file"), from.join("same"))?;
    for (name, to) in
        [("dangling", "nothing"), ("absolute", "/etc/passwd"), ("to-directory", "directory"), ("up", "../..")]
    {
        symlink(to, from.join(name))?;
    }
    there_and_back(env, &from).await?;
    let (_, container) = env.idle().await?;
    container.copy_in(from.join("absolute"), "/work/link", &all()).await?;
    ensure_eq!(guest_exec(&container, ["readlink", "/work/link"]).await?.stdout_text().trim(), "/etc/passwd");
    let back = env.directory().join("link");
    container.copy_out("/work/link", &back, &all()).await?;
    ensure_eq!(fs::read_link(back)?, Path::new("/etc/passwd"));
    // On the way to a path links are followed, inside the container.
    guest_exec(&container, ["mkdir", "/work/real"]).await?;
    guest_exec(&container, ["symlink", "/work/real", "/work/way"]).await?;
    container.copy_in(from.join("same"), "/work/way/file", &all()).await?;
    ensure_eq!(text_of(&container, "/work/real/file").await?, "x");
    container.copy_out("/work/way/file", env.directory().join("file"), &all()).await?;
    Ok(())
}

async fn odd_names(env: &Env) -> Verdict {
    let from = env.directory().join("from");
    fs::create_dir(&from)?;
    let names: [&[u8]; 14] = [
        b"-rf",
        b"--help",
        b" ",
        b"two words",
        b"line\nbreak",
        b"quote\"'",
        b"$HOME",
        b"`id`",
        b"*",
        b"\\",
        b".hidden",
        b"..more",
        b"\xff\xfe",
        "ünïcödé".as_bytes(),
    ];
    for name in names {
        fs::write(from.join(std::ffi::OsStr::from_bytes(name)), name)?;
    }
    there_and_back(env, &from).await?;
    // The same as the paths that are asked for.
    let (_, container) = env.idle().await?;
    let back = env.directory().join("one");
    for name in names.iter().filter_map(|name| std::str::from_utf8(name).ok()) {
        let remote = format!("/work/{name}");
        container.copy_in(from.join(name), &remote, &all()).await?;
        container.copy_out(&remote, &back, &all()).await?;
        ensure_eq!(fs::read(&back)?, name.as_bytes());
    }
    Ok(())
}

async fn long_names(env: &Env) -> Verdict {
    let from = env.directory().join("from");
    let name = "n".repeat(255);
    let deep = from.join(&name).join(&name).join(&name);
    fs::create_dir_all(&deep)?;
    fs::write(deep.join(&name), "deep")?;
    fs::write(from.join("m".repeat(101)), "just too long for a header")?;
    symlink("l/".repeat(400), deep.join("link"))?;
    there_and_back(env, &from).await
}

async fn into_a_directory_or_under_a_new_name(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let from = env.directory().join("from");
    fs::create_dir(&from)?;
    fs::write(from.join("file"), "x")?;
    guest_exec(&container, ["mkdir", "/work/dir"]).await?;
    for (local, remote) in [
        (from.join("file"), "/work/dir"),
        (from.join("file"), "/work/dir/renamed"),
        (from.clone(), "/work/dir/"),
        (from.clone(), "/work/dir/copy"),
        (from.join("."), "/work/dir/copy"),
    ] {
        container.copy_in(local, remote, &all()).await?;
    }
    for path in ["file", "renamed", "from/file", "copy/file"] {
        ensure_eq!(text_of(&container, &format!("/work/dir/{path}")).await?, "x");
    }
    ensure!(!exists(&container, "/work/dir/copy/from").await?, "the content came with its directory");
    let out = env.directory().join("out");
    fs::create_dir(&out)?;
    container.copy_out("/work/dir/file", &out, &all()).await?;
    container.copy_out("/work/dir/file", out.join("renamed"), &all()).await?;
    container.copy_out("/work/dir/from", &out, &all()).await?;
    container.copy_out("/work/dir/from/", out.join("copy"), &all()).await?;
    container.copy_out("/work/dir/from/.", out.join("copy"), &all()).await?;
    let names: Vec<_> =
        tree(&out)?.into_keys().map(|name| String::from_utf8_lossy(&name).into_owned()).collect();
    ensure_eq!(names, ["copy", "copy/file", "file", "from", "from/file", "renamed"]);
    Ok(())
}

async fn what_exists_is_replaced_and_directories_are_merged(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let local = env.directory().join("local");
    fs::create_dir(&local)?;
    fs::write(local.join("both"), "local")?;
    fs::write(local.join("mine"), "local")?;
    for (name, text) in [("both", "something longer that was there"), ("theirs", "remote")] {
        guest_exec(
            &container,
            ["do", "mkdir", "/work/local", ";;", "write", &format!("/work/local/{name}"), text],
        )
        .await?;
    }
    container.copy_in(&local, "/work", &all()).await?;
    for (name, text) in [("both", "local"), ("mine", "local"), ("theirs", "remote")] {
        ensure_eq!(text_of(&container, &format!("/work/local/{name}")).await?, text);
    }
    fs::write(local.join("both"), "something longer that was there")?;
    fs::remove_file(local.join("theirs")).ok();
    fs::write(local.join("only"), "here")?;
    container.copy_out("/work/local", env.directory(), &all()).await?;
    for (name, text) in [("both", "local"), ("mine", "local"), ("theirs", "remote"), ("only", "here")] {
        ensure_eq!(fs::read_to_string(local.join(name))?, text);
    }
    Ok(())
}

async fn what_is_missing_is_told(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let (local, missing) = (env.directory().join("file"), env.directory().join("missing"));
    fs::write(&local, "x")?;
    for result in [
        container.copy_in(&missing, "/work", &all()).await,
        container.copy_in(&local, "/work/no/such/directory", &all()).await,
        container.copy_in(&local, "/no/", &all()).await,
        container.copy_out("/work/missing", env.directory(), &all()).await,
        container.copy_out("/work/missing/below", env.directory(), &all()).await,
        container.copy_out("/guest", missing.join("below"), &all()).await,
    ] {
        let error = kind_of(result, ErrorKind::NotFound)?;
        ensure!(!error.is_transient(), "{error:?}");
    }
    ensure!(!missing.exists(), "something was made");
    // The archive's own call says it at once, not later.
    kind_of(container.copy_out_archive("/work/missing").await.map(drop), ErrorKind::NotFound)?;
    let archive = LocalSource::open(&local).await?.into_directory(Limits::NONE);
    kind_of(container.copy_in_archive("/work/missing", archive).await, ErrorKind::NotFound)?;
    pod.remove().await?;
    kind_of(container.copy_out("/guest", env.directory(), &all()).await, ErrorKind::NotFound)?;
    kind_of(container.copy_in(&local, "/work", &all()).await, ErrorKind::NotFound)?;
    Ok(())
}

async fn files_and_directories_are_not_mixed_up(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let (file, dir) = (env.directory().join("file"), env.directory().join("dir"));
    fs::write(&file, "x")?;
    fs::create_dir_all(dir.join("inner"))?;
    guest_exec(&container, ["do", "write", "/work/file", "theirs", ";;", "mkdir", "/work/into/file"]).await?;
    // A directory over a file, a file over a directory, and below a file.
    kind_of(container.copy_in(&dir, "/work/file", &all()).await, ErrorKind::InvalidState)?;
    kind_of(container.copy_in(&file, "/work/into", &all()).await, ErrorKind::InvalidState)?;
    let archive = LocalSource::open(&dir).await?.into_directory(Limits::NONE);
    let error = kind_of(container.copy_in_archive("/work/file", archive).await, ErrorKind::InvalidArgument)?;
    ensure_eq!(error.field(), Some("directory"));
    ensure_eq!(text_of(&container, "/work/file").await?, "theirs");
    kind_of(container.copy_out("/work/into", &file, &all()).await, ErrorKind::InvalidState)?;
    fs::create_dir(dir.join("file"))?;
    kind_of(container.copy_out("/work/file", &dir, &all()).await, ErrorKind::InvalidState)?;
    ensure_eq!(fs::read_to_string(&file)?, "x");
    Ok(())
}

async fn several_copies_at_once(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let copies = (0..8_u64).map(|number| {
        let (container, directory) = (&container, env.directory());
        async move {
            let (local, back) = (directory.join(format!("f{number}")), directory.join(format!("b{number}")));
            let content = noise(env.seed() + number * 7919, 1_000_000 + number as usize);
            fs::write(&local, &content)?;
            let remote = format!("/work/f{number}");
            container.copy_in(&local, &remote, &all()).await?;
            container.copy_out(&remote, &back, &all()).await?;
            ensure!(fs::read(&back)? == content, "{remote} came back as something else");
            Ok(())
        }
    });
    join_all(copies).await.into_iter().collect()
}
