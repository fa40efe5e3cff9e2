//! Copies that don't come to a good end: of hostile and cut archives, of containers that die, of callers that leave.

use std::{fs, os::unix::fs::symlink, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use runtime_core::{
    ByteStream, ContainerHandle, CopyOptions, Error, ErrorKind, StopOptions,
    copy::{Limits, LocalSource},
};
use tar::{Builder, EntryType, Header};

use super::copy::{all, exists, noise};
use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    ending::stop,
    env::{guest_command, guest_exec, kind_of},
};

cases! { Copy;
    a_hostile_archive_gets_nowhere_on_the_way_in: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    nothing_is_written_through_a_link_on_the_way_out: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    a_cut_archive_is_an_error_and_leaves_no_short_file: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    a_container_that_dies_cuts_the_copy: proves [], needs [ContainerCopy, PodRun, ExecSync, PodStop, ContainerRootfs];
    a_container_that_does_not_run_refuses_copies: proves [], needs [ContainerCopy, PodRun, ContainerCreate, ContainerWait];
    a_dropped_copy_ends_in_the_container: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
    a_copy_has_bounds_if_it_is_asked: proves [], needs [ContainerCopy, PodRun, ExecSync, ContainerRootfs];
}

/// An archive of headers as they are, with names that a builder would refuse.
fn hostile(entries: &[(EntryType, &str, &str)]) -> Result<Vec<u8>, Failure> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        let is_file = *kind == EntryType::Regular;
        header.set_size(if is_file { content.len() as u64 } else { 0 });
        let raw = header.as_mut_bytes();
        for (at, text) in [(0, *name), (157, if is_file { "" } else { *content })] {
            for (place, byte) in raw.iter_mut().skip(at).zip(text.bytes()) {
                *place = byte;
            }
        }
        header.set_cksum();
        builder.append(&header, if is_file { content.as_bytes() } else { b"" })?;
    }
    Ok(builder.into_inner()?)
}

fn in_one_piece(archive: Vec<u8>) -> ByteStream {
    stream::iter([Ok(Bytes::from(archive))]).boxed()
}

async fn a_hostile_archive_gets_nowhere_on_the_way_in(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    guest_exec(&container, ["do", "mkdir", "/work/target", ";;", "mkdir", "/work/outside"]).await?;
    let (file, link, hard) = (EntryType::Regular, EntryType::Symlink, EntryType::Link);
    for entries in [
        &[(file, "../escaped", "x")][..],
        &[(file, "a/../../escaped", "x")],
        &[(file, "/work/escaped", "x")],
        &[(link, "way", "/work/outside"), (file, "way/escaped", "x")],
        &[(link, "way2", ".."), (file, "way2/escaped", "x")],
        &[(link, "a", "b"), (link, "b", ".."), (file, "a/escaped", "x")],
        &[(hard, "same", "../../etc/passwd")],
        &[(EntryType::Char, "device", "")],
    ] {
        let result = container.copy_in_archive("/work/target", in_one_piece(hostile(entries)?)).await;
        kind_of(result, ErrorKind::Failed)?;
    }
    for path in ["/work/escaped", "/work/outside/escaped", "/escaped", "/work/target/device"] {
        ensure!(!exists(&container, path).await?, "{path} was made");
    }
    Ok(())
}

async fn nothing_is_written_through_a_link_on_the_way_out(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let (outside, out) = (env.directory().join("outside"), env.directory().join("out"));
    fs::create_dir(&outside)?;
    fs::create_dir(&out)?;
    let target = outside.to_str().ok_or("the directory is not UTF-8")?;
    let make_link = ["do", "mkdir", "/work/tree", ";;", "symlink", target, "/work/tree/way"];
    guest_exec(&container, make_link).await?;
    container.copy_out("/work/tree", &out, &all()).await?;
    ensure_eq!(fs::read_link(out.join("tree/way"))?, outside);
    // What was a link is a directory now, with something in it.
    let change = [
        "do",
        "rm",
        "/work/tree/way",
        ";;",
        "mkdir",
        "/work/tree/way",
        ";;",
        "write",
        "/work/tree/way/escaped",
        "x",
    ];
    guest_exec(&container, change).await?;
    kind_of(container.copy_out("/work/tree", &out, &all()).await, ErrorKind::Failed)?;
    ensure_eq!(fs::read_dir(&outside)?.count(), 0);
    // A file takes the place of the link, not of what it points to.
    fs::write(outside.join("precious"), "kept")?;
    symlink(outside.join("precious"), out.join("file"))?;
    guest_exec(&container, ["write", "/work/file", "new"]).await?;
    container.copy_out("/work/file", &out, &all()).await?;
    ensure_eq!(fs::read_to_string(outside.join("precious"))?, "kept");
    ensure_eq!(fs::read_to_string(out.join("file"))?, "new");
    Ok(())
}

async fn a_cut_archive_is_an_error_and_leaves_no_short_file(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let local = env.directory().join("file");
    fs::write(&local, noise(env.seed(), 300_000))?;
    let archive = LocalSource::open(&local).await?.into_directory(Limits::NONE);
    let pieces: Vec<_> = archive.collect().await;
    let whole = pieces.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    let lost = || Err(Error::new(ErrorKind::Unavailable, "cut on the way"));
    let piece = |length: usize| Ok(Bytes::copy_from_slice(whole.get(..length).unwrap_or(&whole)));
    for (archive, kind) in [
        (vec![], ErrorKind::Failed),
        (vec![piece(100)], ErrorKind::Failed),
        (vec![piece(512)], ErrorKind::Failed),
        (vec![piece(200_000)], ErrorKind::Failed),
        (vec![piece(whole.len() - 1024)], ErrorKind::Failed),
        (vec![lost()], ErrorKind::Unavailable),
        (vec![piece(200_000), lost()], ErrorKind::Unavailable),
    ] {
        let pieces = archive.len();
        let result = container.copy_in_archive("/work", stream::iter(archive).boxed()).await;
        kind_of(result, kind)?;
        // What ends before its end mark may have left the file, but then it is whole.
        if exists(&container, "/work/file").await? {
            let told = guest_exec(&container, ["stat", "/work/file"]).await?.stdout_text();
            ensure!(told.trim_end().ends_with(" 300000"), "after {pieces} pieces a short file: {told}");
            guest_exec(&container, ["rm", "/work/file"]).await?;
        }
    }
    Ok(())
}

async fn a_container_that_dies_cuts_the_copy(env: &Env) -> Verdict {
    let (pod, container) = env.idle().await?;
    let local = env.directory().join("large");
    fs::write(&local, vec![1; 16 << 20])?;
    container.copy_in(&local, "/work/large", &all()).await?;
    let mut archive = container.copy_out_archive("/work/large").await?;
    // The rest is not read until the container is dead, so it can't all have been sent.
    let first = archive.next().await.ok_or("an empty archive")??;
    ensure!(!first.is_empty(), "an empty piece");
    stop(env, (&pod, &container), &StopOptions::now()).await?;
    let back = env.directory().join("back");
    let archive = stream::iter([Ok(first)]).chain(archive).boxed();
    let unpacked = runtime_core::copy::unpack_local(archive, &back, "large", false, Limits::NONE).await;
    ensure!(unpacked.is_err(), "a copy that was cut succeeded");
    let left: Vec<_> =
        fs::read_dir(env.directory())?.map(|entry| entry.map(|entry| entry.file_name())).collect();
    ensure!(left.len() == 1, "left beside the source: {left:?}");
    Ok(())
}

async fn a_container_that_does_not_run_refuses_copies(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let created = pod.create_container(&env.container("created", ["pause"])).await?;
    let ended = pod.create_container(&env.container("ended", ["exit", "0"])).await?;
    ended.start().await?;
    ended.wait().await?;
    let local = env.directory().join("file");
    fs::write(&local, "x")?;
    for container in [created, ended] {
        kind_of(container.copy_out("/guest", env.directory(), &all()).await, ErrorKind::InvalidState)?;
        kind_of(container.copy_in(&local, "/work", &all()).await, ErrorKind::InvalidState)?;
    }
    Ok(())
}

/// How many processes the container has, without the one that counts them.
async fn processes(container: &ContainerHandle) -> Result<usize, Failure> {
    let listed = guest_exec(container, ["ls", "/proc"]).await?.stdout_text();
    let is_process = |name: &&str| name.bytes().all(|byte| byte.is_ascii_digit());
    Ok(listed.lines().filter(is_process).count())
}

async fn a_dropped_copy_ends_in_the_container(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let local = env.directory().join("large");
    fs::write(&local, vec![1; 16 << 20])?;
    container.copy_in(&local, "/work/large", &all()).await?;
    let before = processes(&container).await?;
    let mut archive = container.copy_out_archive("/work/large").await?;
    archive.next().await.ok_or("an empty archive")??;
    drop(archive);
    {
        // An archive that begins and then doesn't go on.
        let header = hostile(&[(EntryType::Regular, "begun", "x")])?;
        let begun = Ok(Bytes::copy_from_slice(header.get(..512).unwrap_or_default()));
        let archive = stream::iter([begun]).chain(stream::pending()).boxed();
        let copy = container.copy_in_archive("/work", archive);
        let _ = tokio::time::timeout(Duration::from_millis(500), copy).await;
    }
    let mut pause = Duration::from_millis(1);
    while processes(&container).await? > before {
        ensure!(pause < Duration::from_secs(8), "what it began still runs");
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    ensure!(!exists(&container, "/work/begun").await?, "a file that was only begun");
    Ok(())
}

async fn a_copy_has_bounds_if_it_is_asked(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let from = env.directory().join("from");
    fs::create_dir(&from)?;
    fs::write(from.join("file"), "12345")?;
    let exec = guest_command(["do", "mkdir", "/work/d", ";;", "write", "/work/d/file", "12345"]);
    container.exec(&exec).await?;
    let out = env.directory().join("out");
    for options in [CopyOptions::at_most(4, 10), CopyOptions::at_most(5, 1)] {
        kind_of(container.copy_in(&from, "/work", &options).await, ErrorKind::ResourceExhausted)?;
        kind_of(container.copy_out("/work/d", &out, &options).await, ErrorKind::ResourceExhausted)?;
    }
    container.copy_in(&from, "/work", &CopyOptions::at_most(5, 2)).await?;
    container.copy_out("/work/d", &out, &CopyOptions::at_most(5, 2)).await?;
    Ok(())
}
