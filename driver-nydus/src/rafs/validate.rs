//! What nydusd would refuse without saying why, found before it is asked. Fields are named from the configuration on.

use std::{path::Path, time::Duration};

use runtime_core::{Error, Result};

use super::{Backend, Cache, LocalFs, Prefetch, RafsConfig, Remote};

/// The most that nydusd takes for a size.
const LARGEST_BATCH: u32 = 0x1000_0000;

impl RafsConfig {
    /// Looks at it, without any IO.
    pub(crate) fn validate(&self) -> Result<()> {
        self.backend.validate().map_err(|error| error.in_field("backend"))?;
        match &self.cache {
            Cache::None => {}
            Cache::FileCache(cache) => directory("cache.filecache.work_dir", &cache.work_dir)?,
            Cache::FsCache(cache) => directory("cache.fscache.work_dir", &cache.work_dir)?,
        }
        batch("batch_size", self.batch_size.unwrap_or_default())?;
        self.prefetch.as_ref().map_or(Ok(()), Prefetch::validate)
    }
}

impl Prefetch {
    fn validate(&self) -> Result<()> {
        if !(1..=1024).contains(&self.threads) {
            return Err(Error::invalid(
                "prefetch.threads",
                format!("{} is not from 1 to 1024", self.threads),
            ));
        }
        batch("prefetch.batch_size", self.batch_size)
    }
}

impl Backend {
    fn validate(&self) -> Result<()> {
        let checked = match self {
            Self::LocalFs(local) => local.validate(),
            Self::LocalDisk(disk) => directory("device_path", &disk.device_path),
            Self::Registry(registry) => said("host", &registry.host)
                .and_then(|()| said("repo", &registry.repo))
                .and_then(|()| scheme(registry.scheme.as_deref()))
                .and_then(|()| registry.remote.validate()),
            Self::Oss(oss) => said("endpoint", &oss.endpoint)
                .and_then(|()| said("bucket_name", &oss.bucket_name))
                .and_then(|()| scheme(oss.scheme.as_deref()))
                .and_then(|()| oss.remote.validate()),
            Self::S3(s3) => said("endpoint", &s3.endpoint)
                .and_then(|()| said("region", &s3.region))
                .and_then(|()| said("bucket_name", &s3.bucket_name))
                .and_then(|()| scheme(s3.scheme.as_deref()))
                .and_then(|()| s3.remote.validate()),
            Self::HttpProxy(server) => address(&server.addr).and_then(|()| server.remote.validate()),
        };
        checked.map_err(|error| error.in_field(self.name()))
    }
}

impl LocalFs {
    fn validate(&self) -> Result<()> {
        match (self.dir.as_os_str().is_empty(), self.blob_file.as_os_str().is_empty()) {
            (true, true) => return Err(Error::invalid("dir", "is missing, and so is blob_file")),
            (false, _) => directory("dir", &self.dir)?,
            (true, false) => {}
        }
        if !self.blob_file.as_os_str().is_empty() {
            directory("blob_file", &self.blob_file)?;
        }
        let mut others = self.alt_dirs.iter().enumerate();
        others.try_for_each(|(index, dir)| directory(&format!("alt_dirs[{index}]"), dir))
    }
}

impl Remote {
    fn validate(&self) -> Result<()> {
        seconds("timeout", self.timeout)?;
        seconds("connect_timeout", self.connect_timeout)?;
        if let Some(proxy) = &self.proxy {
            said("proxy.url", proxy.url.expose())?;
            seconds("proxy.check_interval", proxy.check_interval)?;
        }
        for (index, mirror) in self.mirrors.iter().enumerate() {
            said(&format!("mirrors[{index}].host"), &mirror.host)?;
            seconds(&format!("mirrors[{index}].health_check_interval"), mirror.health_check_interval)?;
        }
        Ok(())
    }
}

fn said(field: &str, value: &str) -> Result<()> {
    if value.is_empty() { Err(Error::invalid(field, "is missing")) } else { Ok(()) }
}

/// The daemon has a working directory of its own, so a relative path would mean another place than the caller's.
fn directory(field: &str, path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid(field, "is missing"));
    }
    if !path.is_absolute() {
        return Err(Error::invalid(field, format!("{} is not an absolute path", path.display())));
    }
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(Error::invalid(field, "is not UTF-8, which the daemon's configuration is")),
    }
}

fn scheme(scheme: Option<&str>) -> Result<()> {
    match scheme {
        None | Some("http" | "https") => Ok(()),
        Some(other) => Err(Error::invalid("scheme", format!("{other:?} is neither http nor https"))),
    }
}

fn address(addr: &str) -> Result<()> {
    let known = addr.starts_with("http://") || addr.starts_with("https://") || addr.starts_with('/');
    if known { Ok(()) } else { Err(Error::invalid("addr", "is neither a URL nor the path of a socket")) }
}

fn batch(field: &str, size: u32) -> Result<()> {
    if size <= LARGEST_BATCH {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{size} is more than {LARGEST_BATCH} bytes")))
}

fn seconds(field: &str, duration: Option<Duration>) -> Result<()> {
    match duration {
        Some(duration) if duration.subsec_nanos() != 0 || duration.as_secs() > u64::from(u32::MAX) => {
            Err(Error::invalid(field, format!("{duration:?} is not a number of whole seconds")))
        }
        _ => Ok(()),
    }
}
