//! What the daemon counts. Nothing is read through the fake, so only the names in it change.

use std::path::Path;

use serde_json::to_string as json;

use super::mounts::Mounts;

/// The image that an id means, or without an id the only one there is.
fn image<'a>(mounts: &'a Mounts, id: Option<&str>) -> Option<&'a str> {
    let mut images = mounts.images().map(|(mountpoint, _)| mountpoint);
    match id {
        Some(id) => images.find(|mountpoint| *mountpoint == id),
        None => images.next().filter(|_| images.next().is_none()),
    }
}

/// Of one image.
pub(super) fn global(mounts: &Mounts, id: Option<&str>) -> Option<String> {
    let image = image(mounts, id)?;
    let zeros = |count| json(&vec![0; count]).unwrap_or_default();
    let (eight, fifteen) = (zeros(8), zeros(15));
    let id = json(image).ok()?;
    Some(format!(
        r#"{{"files_account_enabled":false,"access_pattern_enabled":false,"record_latest_read_files_enabled":false,"measure_latency":true,"id":{id},"nr_opens":0,"data_read":0,"block_count_read":{eight},"fop_hits":{fifteen},"fop_errors":{fifteen},"fop_cumulative_latency_total":{fifteen},"read_latency_dist":{eight}}}"#
    ))
}

/// Of the files of one image: none was read.
pub(super) fn files(mounts: &Mounts, id: Option<&str>, latest: bool) -> Option<String> {
    image(mounts, id).map(|_| if latest { "[]" } else { "{}" }.to_owned())
}

/// In which order files of one image were read.
pub(super) fn pattern(mounts: &Mounts, id: Option<&str>) -> Option<String> {
    image(mounts, id).map(|_| "[]".to_owned())
}

/// Of the backend of one blob: it was read once, to mount the image.
pub(super) fn backend(mounts: &Mounts, id: Option<&str>, directory: &Path) -> Option<String> {
    let (_, config) = mounts.images().next()?;
    if id.is_some_and(|id| !blobs(mounts, directory).iter().any(|blob| blob == id)) {
        return None;
    }
    let kind = json(&config.backend.kind).ok()?;
    let none = "[0,0,0,0,0,0,0,0]";
    Some(format!(
        r#"{{"backend_type":{kind},"read_count":1,"read_errors":0,"read_amount_total":4112,"read_cumulative_latency_millis_total":0,"read_cumulative_latency_millis_dist":{none},"read_count_block_size_dist":[0,0,1,0,0,0,0,0],"read_latency_sizes_dist":[{none},{none},[1,0,0,0,0,0,0,0],{none},{none},{none},{none},{none}]}}"#
    ))
}

/// Of the cache of one blob.
pub(super) fn blobcache(mounts: &Mounts, id: Option<&str>, directory: &Path) -> Option<String> {
    let (_, config) = mounts.images().next()?;
    let blobs = blobs(mounts, directory);
    if id.is_some_and(|id| !blobs.iter().any(|blob| blob == id)) {
        return None;
    }
    let cache = config.cache.as_ref()?.filecache.as_ref()?;
    let (files, store) = (json(&blobs).ok()?, json(&cache.work_dir).ok()?);
    Some(format!(
        r#"{{"underlying_files":{files},"store_path":{store},"partial_hits":0,"whole_hits":0,"total":0,"entries_count":0,"prefetch_data_amount":0,"prefetch_requests_count":0,"prefetch_workers":0,"prefetch_unmerged_chunks":0,"prefetch_cumulative_time_millis":0,"prefetch_begin_time_secs":0,"prefetch_begin_time_millis":0,"prefetch_end_time_secs":0,"prefetch_end_time_millis":0,"buffered_backend_size":0,"data_all_ready":false}}"#
    ))
}

/// The files in the blob directories of what is mounted, as if each image used all of them.
fn blobs(mounts: &Mounts, directory: &Path) -> Vec<String> {
    let mut found: Vec<String> = mounts
        .images()
        .filter_map(|(_, config)| config.backend.localfs.as_ref())
        .filter_map(|localfs| std::fs::read_dir(directory.join(&localfs.dir)).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    found.sort();
    found.dedup();
    found
}
