//! Mounts, devices and volumes.

use runtime_core::{
    ErrorKind,
    spec::{Bytes, Device, Mount, MountPropagation, MountSource, PodSpec, Volume, VolumeSource},
};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_command, guest_exec, kind_of},
};

cases! { Volumes;
    a_directory_of_the_host: proves [ContainerMounts], needs [PodRun, ExecSync];
    a_file_of_the_host: proves [], needs [ContainerMounts, PodRun, ExecSync];
    a_mount_that_refuses_writing: proves [ContainerReadOnlyMounts], needs [ContainerMounts, PodRun, ExecSync];
    a_mount_below_a_read_only_root: proves [], needs [ContainerMounts, ContainerReadOnlyRootfs, PodRun, ExecSync];
    a_mount_over_a_path_of_the_image: proves [], needs [ContainerMounts, PodRun, ExecSync];
    two_containers_share_a_directory: proves [], needs [ContainerMounts, PodRun, ExecSync];
    several_mounts_in_one_another: proves [], needs [ContainerMounts, PodRun, ExecSync];
    what_was_written_outlives_the_pod: proves [], needs [ContainerMounts, PodRun, PodRemove, ExecSync];
    mounts_made_later_are_seen: proves [ContainerMountPropagation], needs [ContainerMounts, PodRun, ExecSync];
    a_device_of_the_host: proves [ContainerDevices], needs [PodRun, ExecSync];
    a_volume_in_memory: proves [PodTmpfsVolumes], needs [PodRun, ExecSync];
    a_volume_in_memory_is_limited: proves [], needs [PodTmpfsVolumes, PodRun, ExecSync];
    the_files_of_an_image: proves [ContainerImageMounts], needs [PodRun, ExecSync];
    relabelled_mounts: proves [ContainerMountRelabel], needs [ContainerMounts, PodRun, ExecSync];
}

fn with_mounts(env: &Env, mounts: impl IntoIterator<Item = Mount>) -> PodSpec {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0].mounts = mounts.into_iter().collect();
    spec
}

async fn a_directory_of_the_host(env: &Env) -> Verdict {
    std::fs::write(env.directory().join("in"), "from the host")?;
    let (_, container) = env.run(&with_mounts(env, [Mount::host(env.directory(), "/data")])).await?;
    ensure_eq!(guest_exec(&container, ["cat", "/data/in"]).await?.stdout_text(), "from the host");
    let output = guest_exec(&container, ["write", "/data/out", "from inside"]).await?;
    ensure!(output.exit.success(), "{}", output.stderr_text());
    ensure!(std::fs::read_to_string(env.directory().join("out"))?.starts_with("from inside"), "not written");
    Ok(())
}

async fn a_file_of_the_host(env: &Env) -> Verdict {
    let file = env.directory().join("file");
    std::fs::write(&file, "one file")?;
    std::fs::write(env.directory().join("neighbour"), "not mounted")?;
    let (_, container) = env.run(&with_mounts(env, [Mount::host(&file, "/data/renamed")])).await?;
    ensure_eq!(guest_exec(&container, ["cat", "/data/renamed"]).await?.stdout_text(), "one file");
    ensure_eq!(guest_exec(&container, ["ls", "/data"]).await?.stdout_text().trim(), "renamed");
    Ok(())
}

async fn a_mount_that_refuses_writing(env: &Env) -> Verdict {
    std::fs::write(env.directory().join("in"), "x")?;
    let (_, container) =
        env.run(&with_mounts(env, [Mount::host(env.directory(), "/data").read_only()])).await?;
    ensure_eq!(guest_exec(&container, ["cat", "/data/in"]).await?.stdout_text(), "x");
    for command in [["write", "/data/in", "y"], ["write", "/data/new", "y"]] {
        ensure!(!guest_exec(&container, command).await?.exit.success(), "{command:?} succeeded");
    }
    ensure_eq!(std::fs::read_to_string(env.directory().join("in"))?, "x");
    ensure!(!env.directory().join("new").exists(), "written through a read-only mount");
    Ok(())
}

async fn a_mount_below_a_read_only_root(env: &Env) -> Verdict {
    let mut spec = with_mounts(env, [Mount::host(env.directory(), "/data")]);
    spec.containers[0].security.read_only_rootfs = true;
    let (_, container) = env.run(&spec).await?;
    ensure!(
        guest_exec(&container, ["write", "/data/x", "y"]).await?.exit.success(),
        "the mount can't be written"
    );
    ensure!(!guest_exec(&container, ["write", "/x", "y"]).await?.exit.success(), "the root can be written");
    Ok(())
}

async fn a_mount_over_a_path_of_the_image(env: &Env) -> Verdict {
    std::fs::write(env.directory().join("passwd"), "root:x:0:0::/:/\n")?;
    let (_, container) = env.run(&with_mounts(env, [Mount::host(env.directory(), "/etc")])).await?;
    ensure_eq!(guest_exec(&container, ["cat", "/etc/passwd"]).await?.stdout_text(), "root:x:0:0::/:/\n");
    Ok(())
}

async fn two_containers_share_a_directory(env: &Env) -> Verdict {
    let mount = Mount::host(env.directory(), "/shared");
    let mut spec = with_mounts(env, [mount.clone()]);
    spec.containers.push(env.container("second", ["pause"]).with_mount(mount));
    let (pod, first) = env.run(&spec).await?;
    let second = pod.container("second").ok_or("no container second")?;
    guest_exec(&first, ["write", "/shared/note", "hello"]).await?;
    ensure!(
        guest_exec(&second, ["cat", "/shared/note"]).await?.stdout_text().starts_with("hello"),
        "not seen"
    );
    Ok(())
}

async fn several_mounts_in_one_another(env: &Env) -> Verdict {
    let (outer, inner) = (env.directory().join("outer"), env.directory().join("inner"));
    std::fs::create_dir_all(outer.join("below"))?;
    std::fs::create_dir_all(&inner)?;
    std::fs::write(inner.join("file"), "inner")?;
    // Given in the wrong order, as sorted maps and careless callers do.
    let mounts = [Mount::host(&outer, "/data"), Mount::host(&inner, "/data/below")];
    let (_, container) = env.run(&with_mounts(env, mounts)).await?;
    ensure_eq!(guest_exec(&container, ["cat", "/data/below/file"]).await?.stdout_text(), "inner");
    Ok(())
}

async fn what_was_written_outlives_the_pod(env: &Env) -> Verdict {
    let (pod, container) = env.run(&with_mounts(env, [Mount::host(env.directory(), "/data")])).await?;
    guest_exec(&container, ["write", "/data/kept", "still here"]).await?;
    pod.remove().await?;
    ensure!(std::fs::read_to_string(env.directory().join("kept"))?.starts_with("still here"), "gone");
    Ok(())
}

async fn mounts_made_later_are_seen(env: &Env) -> Verdict {
    // Without a mount to make, what can be seen is the propagation that the mount was made with.
    let propagation_of = |propagation: MountPropagation| {
        let mut mount = Mount::host("/", "/data").read_only();
        mount.propagation = propagation;
        with_mounts(env, [mount])
    };
    let (_, private) = env.run(&propagation_of(MountPropagation::Private)).await?;
    let text = guest_exec(&private, ["mount-of", "/data"]).await?.stdout_text();
    ensure!(!text.contains("master:") && !text.contains("shared:"), "{text}");
    let spec = propagation_of(MountPropagation::HostToContainer);
    let (_, following) = match env.run(&spec).await {
        Ok(run) => run,
        Err(crate::conformance::Failure::Failed(reason))
            if reason.contains("not a shared or slave mount") =>
        {
            return Err(crate::conformance::Failure::Skipped(
                "the host's root is a private mount".to_owned(),
            ));
        }
        Err(failure) => return Err(failure),
    };
    let text = guest_exec(&following, ["mount-of", "/data"]).await?.stdout_text();
    ensure!(text.contains("master:"), "{text}");
    Ok(())
}

async fn a_device_of_the_host(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    let device = |container_path: &str| Device {
        container_path: container_path.to_owned(),
        host_path: "/dev/null".to_owned(),
        permissions: "rwm".to_owned(),
    };
    spec.containers[0].devices = vec![device("/dev/wharf-null")];
    let (_, container) = env.run(&spec).await?;
    let text = guest_exec(&container, ["stat", "/dev/wharf-null"]).await?.stdout_text();
    ensure!(text.contains("char"), "{text}");
    ensure!(
        guest_exec(&container, ["write", "/dev/wharf-null", "x"]).await?.exit.success(),
        "can't be written"
    );
    Ok(())
}

fn with_volume(env: &Env, size_limit: Option<Bytes>) -> PodSpec {
    let mut spec = with_mounts(env, [Mount::volume("scratch", "/scratch")]);
    spec.volumes = vec![Volume { name: "scratch".to_owned(), source: VolumeSource::Tmpfs { size_limit } }];
    spec
}

async fn a_volume_in_memory(env: &Env) -> Verdict {
    let (_, container) = env.run(&with_volume(env, None)).await?;
    ensure!(guest_exec(&container, ["write", "/scratch/x", "y"]).await?.exit.success(), "can't be written");
    let text = guest_exec(&container, ["mount-of", "/scratch"]).await?.stdout_text();
    ensure!(text.contains("tmpfs"), "{text}");
    Ok(())
}

async fn a_volume_in_memory_is_limited(env: &Env) -> Verdict {
    let (_, container) = env.run(&with_volume(env, Some(Bytes::mib(1)))).await?;
    let text = guest_exec(&container, ["mount-of", "/scratch"]).await?.stdout_text();
    ensure!(text.contains("size=1024k"), "{text}");
    Ok(())
}

async fn the_files_of_an_image(env: &Env) -> Verdict {
    let of = |reference: String| {
        let (annotations, user_specified, runtime_handler) = Default::default();
        let source = MountSource::Image { reference, annotations, user_specified, runtime_handler };
        let mut mount = Mount::host("", "/data").read_only();
        mount.source = source;
        mount
    };
    let (_, container) = env.run(&with_mounts(env, [of(env.image("guest-user"))])).await?;
    let listed = |text: String, name: &str| text.lines().any(|line| line == name);
    let mounted = guest_exec(&container, ["ls", "/data"]).await?.stdout_text();
    ensure!(listed(mounted.clone(), "guest"), "{mounted:?}");
    // The container has such a directory, the image hasn't.
    ensure!(!listed(mounted, "data"), "the container's own files are there");
    let written = guest_exec(&container, ["write", "/data/new", "x"]).await?;
    ensure!(!written.exit.success(), "the files of an image were written to");
    // One that can't be had is as bad as the container's own.
    let spec = with_mounts(env, [of(env.image("no-such-image"))]);
    kind_of(env.client().run_pod(&spec).await, ErrorKind::NotFound)?;
    env.settle().await?;
    Ok(())
}

async fn relabelled_mounts(env: &Env) -> Verdict {
    let mut mount = Mount::host(env.directory(), "/data");
    mount.selinux_relabel = true;
    let (_, container) = env.run(&with_mounts(env, [mount])).await?;
    let output = container.exec(&guest_command(["write", "/data/x", "y"])).await?;
    ensure!(output.exit.success(), "{}", output.stderr_text());
    Ok(())
}
