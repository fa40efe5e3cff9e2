//! Answers to requests that change something: uploads, manifests, mounts and deletes.

use hyper::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};

use super::answer::Answer;
use super::auth::Access;
use super::handler::{DOCKER_CONTENT_DIGEST, Incoming, State};
use super::refusal::{Code, Refusal};
use super::route::Route;
use super::store::parse_digest;
use crate::image::{Blob, Digest};

pub(super) fn answer(state: &mut State, request: &Incoming, route: &Route<'_>) -> Result<Answer, Refusal> {
    match (request.method(), route) {
        ("PUT", Route::Manifest { name, reference }) => {
            let media_type = media_type(request)?;
            let manifest = Blob::new(media_type, request.body.clone());
            let digest = manifest.digest.clone();
            state.store.put_manifest(name, reference, manifest)?;
            Ok(created(format!("/v2/{name}/manifests/{digest}"), &digest))
        }
        ("DELETE", Route::Manifest { name, reference }) => {
            state.store.delete_manifest(name, reference)?;
            Ok(Answer::new(202))
        }
        ("DELETE", Route::Blob { name, digest }) => {
            state.store.delete_blob(name, &parse_digest(digest)?)?;
            Ok(Answer::new(202))
        }
        ("POST", Route::Uploads { name }) => start(state, request, name),
        ("GET", Route::Upload { name, id }) => {
            let length = state.store.upload(name, id)?.len();
            Ok(progress(204, name, id, length))
        }
        ("PATCH", Route::Upload { name, id }) => {
            append(state, request, name, id)?;
            let length = state.store.upload(name, id)?.len();
            Ok(progress(202, name, id, length))
        }
        ("PUT", Route::Upload { name, id }) => finish(state, request, name, id),
        ("DELETE", Route::Upload { name, id }) => {
            state.store.end_upload(name, id)?;
            Ok(Answer::new(204))
        }
        (method, _) => {
            let refusal = Code::Unsupported.refuse(format!("{method} is not possible here"));
            Ok(Answer::from(refusal).header(ALLOW, "GET"))
        }
    }
}

/// A whole blob at once, a mount from another repository, or an upload in pieces. A mount that can't be
/// becomes an upload.
fn start(state: &mut State, request: &Incoming, name: &str) -> Result<Answer, Refusal> {
    if let Some(digest) = request.parameter("digest") {
        let digest = state.store.put_blob(name, &digest, request.body.clone())?;
        return Ok(created(format!("/v2/{name}/blobs/{digest}"), &digest));
    }
    if let (Some(digest), Some(from)) = (request.parameter("mount"), request.parameter("from")) {
        let digest = parse_digest(&digest)?;
        if state.allows(request, Some(&from), Access::Pull).is_ok() && state.store.mount(name, &from, &digest)
        {
            return Ok(created(format!("/v2/{name}/blobs/{digest}"), &digest));
        }
    }
    let id = state.store.start_upload(name);
    Ok(progress(202, name, &id, 0))
}

/// Takes one more piece. A piece that says where it belongs must belong at the end.
fn append(state: &mut State, request: &Incoming, name: &str, id: &str) -> Result<(), Refusal> {
    let upload = state.store.upload(name, id)?;
    let start =
        request.header(CONTENT_RANGE).and_then(|range| range.split('-').next()?.parse::<usize>().ok());
    if start.is_some_and(|start| start != upload.len()) {
        let message = format!("the next piece starts at {}", upload.len());
        return Err(Code::BlobUploadInvalid.refuse(message));
    }
    upload.extend_from_slice(&request.body);
    Ok(())
}

fn finish(state: &mut State, request: &Incoming, name: &str, id: &str) -> Result<Answer, Refusal> {
    let digest = request.parameter("digest").ok_or_else(|| Code::DigestInvalid.refuse("no digest given"))?;
    append(state, request, name, id)?;
    let data = state.store.end_upload(name, id)?;
    let digest = state.store.put_blob(name, &digest, data)?;
    Ok(created(format!("/v2/{name}/blobs/{digest}"), &digest))
}

fn created(location: String, digest: &Digest) -> Answer {
    Answer::new(201).header(LOCATION, location).header(DOCKER_CONTENT_DIGEST, digest)
}

/// Where the upload goes on. The range's end is inclusive, and 0-0 for nothing too: so it is specified.
fn progress(status: u16, name: &str, id: &str, length: usize) -> Answer {
    let location = format!("/v2/{name}/blobs/uploads/{id}");
    Answer::new(status).header(LOCATION, location).header(RANGE, format!("0-{}", length.saturating_sub(1)))
}

fn media_type(request: &Incoming) -> Result<String, Refusal> {
    let header = request.header(CONTENT_TYPE).map(str::to_owned);
    header.ok_or_else(|| Code::ManifestInvalid.refuse("no Content-Type given"))
}
