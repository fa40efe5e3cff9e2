//! A handle on a container.

use std::path::Path;

use super::Client;
use crate::{
    AttachOptions, ByteStream, ContainerId, ContainerStats, ContainerStatus, CopyOptions, ErrorKind,
    ExecOutput, ExecSession, ExitStatus, LogOptions, LogStream, Operation, Result, StopOptions,
    copy::{self, LocalSource, RemotePath},
    spec::{ExecSpec, Resources},
};

/// A container by its id. Dropping the handle leaves the container alone.
#[derive(Debug, Clone)]
pub struct ContainerHandle {
    client: Client,
    id: ContainerId,
}

impl ContainerHandle {
    pub(super) fn new(client: Client, id: ContainerId) -> Self {
        Self { client, id }
    }

    /// The durable id.
    #[must_use]
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Starts it. See [`Container::start`](crate::Container::start).
    ///
    /// # Errors
    /// As there.
    pub async fn start(&self) -> Result<()> {
        self.client.containers(Operation::ContainerStart)?.start(&self.client.cx, &self.id).await
    }

    /// Stops it. See [`Container::stop`](crate::Container::stop).
    ///
    /// # Errors
    /// As there.
    pub async fn stop(&self, options: &StopOptions) -> Result<()> {
        self.client.containers(Operation::ContainerStop)?.stop(&self.client.cx, &self.id, options).await
    }

    /// Removes it. See [`Container::remove`](crate::Container::remove).
    ///
    /// # Errors
    /// As there.
    pub async fn remove(&self) -> Result<()> {
        self.client.containers(Operation::ContainerRemove)?.remove(&self.client.cx, &self.id).await
    }

    /// All that is known of it. See [`Container::status`](crate::Container::status).
    ///
    /// # Errors
    /// As there.
    pub async fn status(&self) -> Result<ContainerStatus> {
        self.client.containers(Operation::ContainerStatus)?.status(&self.client.cx, &self.id).await
    }

    /// Waits until it has ended. See [`Container::wait`](crate::Container::wait).
    ///
    /// # Errors
    /// As there.
    pub async fn wait(&self) -> Result<ExitStatus> {
        self.client.containers(Operation::ContainerWait)?.wait(&self.client.cx, &self.id).await
    }

    /// What it wrote. See [`Container::logs`](crate::Container::logs).
    ///
    /// # Errors
    /// As there.
    pub async fn logs(&self, options: &LogOptions) -> Result<LogStream> {
        self.client.containers(Operation::ContainerLogs)?.logs(&self.client.cx, &self.id, options).await
    }

    /// Runs a command in it to its end. See [`Exec::sync`](crate::Exec::sync).
    ///
    /// # Errors
    /// As there.
    pub async fn exec(&self, spec: &ExecSpec) -> Result<ExecOutput> {
        self.client.exec(Operation::ExecSync)?.sync(&self.client.cx, &self.id, spec).await
    }

    /// Starts a command in it and hands over its streams. See [`Exec::start`](crate::Exec::start).
    ///
    /// # Errors
    /// As there.
    pub async fn start_exec(&self, spec: &ExecSpec) -> Result<ExecSession> {
        self.client.exec(Operation::ExecStart)?.start(&self.client.cx, &self.id, spec).await
    }

    /// Attaches to its first process. See [`Exec::attach`](crate::Exec::attach).
    ///
    /// # Errors
    /// As there.
    pub async fn attach(&self, options: &AttachOptions) -> Result<ExecSession> {
        self.client.exec(Operation::ExecAttach)?.attach(&self.client.cx, &self.id, options).await
    }

    /// Has its log file opened anew. See [`Container::reopen_log`](crate::Container::reopen_log).
    ///
    /// # Errors
    /// As there.
    pub async fn reopen_log(&self) -> Result<()> {
        self.client.containers(Operation::ContainerReopenLog)?.reopen_log(&self.client.cx, &self.id).await
    }

    /// Changes its resources. See [`Container::update`](crate::Container::update).
    ///
    /// # Errors
    /// As there.
    pub async fn update(&self, resources: &Resources) -> Result<()> {
        self.client.containers(Operation::ContainerUpdate)?.update(&self.client.cx, &self.id, resources).await
    }

    /// What it uses. See [`Container::stats`](crate::Container::stats).
    ///
    /// # Errors
    /// As there.
    pub async fn stats(&self) -> Result<ContainerStats> {
        self.client.containers(Operation::ContainerStats)?.stats(&self.client.cx, &self.id).await
    }

    /// Copies a file, directory or symbolic link of this machine into the container, as `docker cp` does:
    ///
    /// | `remote` | what happens |
    /// | --- | --- |
    /// | is a directory | `local` goes into it, under its own name |
    /// | is missing, or a file | `local` becomes it, under that name; the directory above must exist |
    /// | ends with `/` | must be a directory |
    ///
    /// With `/.` at the end of `local` its content is meant, without the directory itself. A symbolic link is copied as a
    /// link, unless `/` is at the end. `remote` is absolute; links on the way to it are followed inside the container.
    ///
    /// Modes and times (in whole seconds) are kept; the owner is the container's user. Links stay links, hard links become
    /// files of their own. Directories that exist get more in them, files that exist are replaced. What is streamed is never
    /// in memory as a whole.
    ///
    /// # Errors
    /// `NotFound` when `local`, the container, or the directory above `remote` is missing; `InvalidState` when the container
    /// does not run, or when a directory would take the place of a file or the other way round; `ResourceExhausted` beyond
    /// the options' bounds; `Failed` when a file changes its size meanwhile, or there is a device, pipe or socket. What was
    /// copied by then stays, each file whole, but for what [`Container::copy_in`](crate::Container::copy_in) says.
    pub async fn copy_in(&self, local: impl AsRef<Path>, remote: &str, options: &CopyOptions) -> Result<()> {
        let source = LocalSource::open(local.as_ref()).await?;
        let limits = limits(options);
        let into = self.copy_in_archive(remote, source.into_directory(limits)).await;
        let Err(error) = into else { return Ok(()) };
        // Nothing has been written: there is no such directory.
        let no_directory =
            error.kind() == ErrorKind::NotFound || error.field().is_some_and(|field| field == "directory");
        match RemotePath::parse(remote) {
            Ok(path) if no_directory && !remote.ends_with('/') => {
                self.copy_in_archive(&path.parent, source.named(path.name, limits)).await
            }
            _ => Err(error),
        }
    }

    /// Copies a file, directory or symbolic link of the container to this machine, by the rules of
    /// [`copy_in`](Self::copy_in) with the sides changed. `/.` at the end of `remote` means the directory's content.
    ///
    /// Modes are kept but for the set-id and sticky bits, the owner is this process' user. Links are made as they are, also
    /// where they lead elsewhere, and none is followed: whatever the container sends, nothing is written outside of `local`.
    /// Each file is written under another name beside it, and gets its own when it is whole.
    ///
    /// # Errors
    /// `NotFound` when the container, `remote`, or the directory above `local` is missing; `InvalidState` when the container
    /// does not run, or when a directory would take the place of a file or the other way round; `ResourceExhausted` beyond
    /// the options' bounds; `Failed` when the transfer is cut, or the archive tries to leave `local`. What was copied by then
    /// stays, each file whole.
    pub async fn copy_out(&self, remote: &str, local: impl AsRef<Path>, options: &CopyOptions) -> Result<()> {
        let (path, content_only) = match remote.strip_suffix("/.") {
            Some(directory) => (directory, true),
            None => (remote, false),
        };
        let name = RemotePath::parse(path)?.name;
        let archive = self.copy_out_archive(path).await?;
        copy::unpack_local(archive, local.as_ref(), &name, content_only, limits(options)).await
    }

    /// Reads a file or directory of it as a tar archive. See [`Container::copy_out`](crate::Container::copy_out).
    ///
    /// # Errors
    /// As there.
    pub async fn copy_out_archive(&self, path: &str) -> Result<ByteStream> {
        self.client.containers(Operation::ContainerCopyOut)?.copy_out(&self.client.cx, &self.id, path).await
    }

    /// Unpacks a tar archive into a directory of it. See [`Container::copy_in`](crate::Container::copy_in).
    ///
    /// # Errors
    /// As there.
    pub async fn copy_in_archive(&self, directory: &str, archive: ByteStream) -> Result<()> {
        let containers = self.client.containers(Operation::ContainerCopyIn)?;
        containers.copy_in(&self.client.cx, &self.id, directory, archive).await
    }
}

fn limits(options: &CopyOptions) -> copy::Limits {
    let CopyOptions { max_bytes, max_entries } = *options;
    copy::Limits { max_bytes: max_bytes.unwrap_or(u64::MAX), max_entries: max_entries.unwrap_or(u64::MAX) }
}
