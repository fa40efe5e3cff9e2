//! The registry's handle, and the HTTP server behind it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::{BodyExt, Limited};
use hyper::body;
use hyper::header::AUTHORIZATION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::answer::{Answer, Body};
use super::auth::{Auth, Guard};
use super::handler::{Incoming, State};
use super::log::{Log, Request};
use super::refusal::Code;
use super::script::{Action, Rule, Script, Scripted};
use super::store::Store;
use crate::accept::accept;
use crate::image::{Blob, Digest, Image, ImageIndex};

/// How a registry is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The port on loopback; 0 picks a free one.
    pub port: u16,
    /// How the registry is protected, its front page too, by which some clients decide what to send.
    pub auth: Auth,
    /// Repositories that are protected in another way.
    pub repositories: BTreeMap<String, Auth>,
}

/// A registry that serves on loopback until this handle is dropped; open connections end with it.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    log: Log,
}

/// The largest body that is read: far more than any test image has.
const BODY_LIMIT: usize = 256 * 1024 * 1024;

impl Registry {
    /// Starts an empty registry. It listens when this returns.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let guard = Guard::new(options.auth, options.repositories);
        let state = State { store: Store::default(), guard, script: Script::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), log: Log::new() });
        let served = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            accept(listener, "registry", |stream| connection(stream, Arc::clone(&served))).await;
        });
        Ok(Self { address, shared, _server: AbortOnDropHandle::new(server) })
    }

    /// Where it listens, as in `127.0.0.1:5000`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The image reference of a repository and a tag.
    #[must_use]
    pub fn reference(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// The image reference of a repository and a digest.
    #[must_use]
    pub fn reference_by_digest(&self, repository: &str, digest: &Digest) -> String {
        format!("{}/{repository}@{digest}", self.address)
    }

    /// Puts an image into a repository; a tag that exists moves to it. Returns the manifest's digest.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> Digest {
        let mut state = self.shared.state();
        insert(&mut state.store, repository, Some(tag), image);
        image.digest().clone()
    }

    /// Puts an index and all its images into a repository. Returns the index's digest.
    pub fn push_index(&self, repository: &str, tag: &str, index: &ImageIndex) -> Digest {
        let mut state = self.shared.state();
        for image in &index.images {
            insert(&mut state.store, repository, None, image);
        }
        state.store.insert_manifest(repository, Some(tag), index.manifest.clone());
        index.digest().clone()
    }

    /// Puts a manifest into a repository as it is, sound or not.
    pub fn push_manifest(&self, repository: &str, tag: &str, manifest: &Blob) {
        self.shared.state().store.insert_manifest(repository, Some(tag), manifest.clone());
    }

    /// Removes a tag; whether it was there.
    pub fn remove_tag(&self, repository: &str, tag: &str) -> bool {
        self.shared.state().store.delete_manifest(repository, tag).is_ok()
    }

    /// Protects a repository from now on.
    pub fn protect(&self, repository: &str, auth: Auth) {
        self.shared.state().guard.protect(repository, auth);
    }

    /// Lets all tokens that are out expire now.
    pub fn expire_tokens(&self) {
        self.shared.state().guard.forget_tokens();
    }

    /// Lets requests go wrong from now on.
    pub fn script(&self, rule: Rule) -> Scripted {
        self.shared.state().script.add(rule)
    }

    /// The requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.all()
    }

    /// Waits until a request has come that fits. Returns at once if there was one already.
    pub async fn wait_for_request(&self, fits: impl Fn(&Request) -> bool) {
        self.shared.log.wait_for(fits).await;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(
        &self,
        request: hyper::Request<body::Incoming>,
    ) -> Result<hyper::Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let open = self.log.open(Request {
            method: parts.method.to_string(),
            path: path.clone(),
            status: None,
            has_authorization: parts.headers.contains_key(AUTHORIZATION),
            hung_up: false,
        });
        let answer = match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => self.answer(&Incoming { parts, body: body.to_bytes() }, &path).await,
            Err(error) => {
                Code::BlobUploadInvalid.refuse(format!("the request's body broke off: {error}")).into()
            }
        };
        open.answered(answer.status);
        Ok(answer.into_response())
    }

    async fn answer(&self, request: &Incoming, path: &str) -> Answer {
        let (answer, fault) = self.state().handle(request);
        let Some((action, scripted)) = fault else { return answer };
        match action {
            Action::Delay(delay) => tokio::time::sleep(delay).await,
            Action::Hang => scripted.released().await,
            _ => {}
        }
        answer.broken_by(action, path)
    }
}

fn insert(store: &mut Store, repository: &str, tag: Option<&str>, image: &Image) {
    for blob in image.blobs() {
        store.insert_blob(repository, blob.digest.clone(), blob.data.clone());
    }
    store.insert_manifest(repository, tag, image.manifest.clone());
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| shared.respond(request));
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the registry broke off");
    }
}
