//! Why one would want nydusd: a root file system that can be read before it is there. `lazy_rootfs [DIRECTORY]`
//!
//! Makes an image of a directory (by default of one that it makes), starts a daemon, mounts the image, reads one file, and
//! shows how little was fetched for it. Needs root, `/dev/fuse`, and `nydusd` and `nydus-image` in the path:
//! `cargo install nydus-rs --version 2.2.0 --locked --features virtiofs`.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use tempfile::TempDir;
use wharf::{
    Client, Context, PodHandle, StopOptions,
    nydus::{
        self, Config, Mode, NydusDriver, NydusMountOptions,
        rafs::{BlobCache, LocalFs, RafsConfig},
    },
    spec::{ImageMountSpec, PodSpec},
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let place = TempDir::with_prefix("lazy-rootfs-")?;
    let image = Image::of(std::env::args_os().nth(1).map(PathBuf::from), place.path())?;
    println!("made an image of {}: {} KiB of data", image.files.display(), image.size()? >> 10);

    // The driver by itself, since a client doesn't show what only nydusd can tell. A program that doesn't ask for that says
    // `Client::from_url("nydus:///work/dir?mode=fuse")`.
    let driver = nydus::connect(Config::new(place.path().join("work")).with_mode(Mode::Fuse)).await?;
    let client = Client::new(driver.clone());
    let began = Instant::now();
    let pod = client.run_pod(&PodSpec::new("lazy-rootfs")).await?;
    println!("nydusd is ready after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);

    let shown = show(&client, &driver, &pod, &image).await;
    // The daemon goes whatever happened in between.
    pod.stop(&StopOptions::default()).await?;
    pod.remove().await?;
    shown?;
    println!("the daemon is gone");
    Ok(())
}

async fn show(client: &Client, driver: &NydusDriver, pod: &PodHandle, image: &Image) -> Result<()> {
    let images = client.images();
    let began = Instant::now();
    let mounted = images.mount(pod.id(), &image.spec()?).await?;
    let root = mounted.path.ok_or("the files can't be read on this host")?;
    println!("mounted after {:.1} ms more; nothing was copied", began.elapsed().as_secs_f64() * 1e3);

    let daemon = driver.daemon(&Context::background(), pod.id()).await?;
    let fetched = async || -> Result<u64> {
        Ok(daemon.backend_metrics(&Context::background(), None).await?.read_amount_total)
    };
    let before = fetched().await?;
    let file = smallest(&image.files)?.ok_or("there is no file in the directory")?;
    let inside = root.join(file.strip_prefix(&image.files)?);
    // A file of a lazily loaded image takes as long as its network does.
    let content = tokio::fs::read(&inside).await?;
    if content != fs::read(&file)? {
        return Err(format!("{} is not what it was made of", inside.display()).into());
    }
    println!(
        "read {} ({} bytes): {} KiB of {} KiB were fetched for it",
        file.strip_prefix(&image.files)?.display(),
        content.len(),
        (fetched().await? - before).div_ceil(1024),
        image.size()? >> 10
    );

    images.unmount(pod.id(), &mounted.id).await?;
    println!("unmounted");
    Ok(())
}

/// An image: what describes it, and its data beside that.
struct Image {
    files: PathBuf,
    bootstrap: PathBuf,
    blobs: PathBuf,
    cache: PathBuf,
}

impl Image {
    /// Makes an image of a directory, or of some files that this makes.
    fn of(files: Option<PathBuf>, place: &Path) -> Result<Self> {
        let files = match files {
            Some(files) => files,
            None => some_files(&place.join("files"))?,
        };
        let image = Self {
            files,
            bootstrap: place.join("bootstrap"),
            blobs: place.join("blobs"),
            cache: place.join("cache"),
        };
        fs::create_dir(&image.blobs)?;
        fs::create_dir(&image.cache)?;
        let mut command = Command::new("nydus-image");
        command.arg("create").arg("--bootstrap").arg(&image.bootstrap).arg("--blob-dir").arg(&image.blobs);
        let output = command.arg(&image.files).output().map_err(|error| format!("nydus-image: {error}"))?;
        if !output.status.success() {
            return Err(format!("nydus-image: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(image)
    }

    /// How much data there is.
    fn size(&self) -> Result<u64> {
        let mut bytes = 0;
        for blob in fs::read_dir(&self.blobs)? {
            bytes += blob?.metadata()?.len();
        }
        Ok(bytes)
    }

    fn spec(&self) -> Result<ImageMountSpec> {
        let config = RafsConfig::new(LocalFs::new(&self.blobs)).with_cache(BlobCache::new(&self.cache));
        let mut spec = ImageMountSpec::new("rootfs", self.bootstrap.to_string_lossy());
        spec.extensions.set(&NydusMountOptions::new(config))?;
        Ok(spec)
    }
}

/// A small file beside large ones.
fn some_files(directory: &Path) -> Result<PathBuf> {
    fs::create_dir_all(directory.join("usr/lib"))?;
    fs::write(directory.join("hello.txt"), "hello from an image that isn't here\n")?;
    let mut noise = 1_u64;
    for number in 0..8 {
        // Something that can't be compressed away.
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()
        })
        .take(512 << 10)
        .flatten()
        .collect();
        fs::write(directory.join(format!("usr/lib/large-{number}")), bytes)?;
    }
    Ok(directory.to_owned())
}

/// The smallest file that is not empty.
fn smallest(directory: &Path) -> Result<Option<PathBuf>> {
    let mut found: Option<(u64, PathBuf)> = None;
    let mut to_see = vec![directory.to_owned()];
    while let Some(directory) = to_see.pop() {
        for entry in fs::read_dir(directory)? {
            let (entry, size) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
            if size.is_dir() {
                to_see.push(entry);
            } else if size.is_file()
                && size.len() > 0
                && found.as_ref().is_none_or(|(least, _)| size.len() < *least)
            {
                found = Some((size.len(), entry));
            }
        }
    }
    Ok(found.map(|(_, path)| path))
}
