//! Pulls: each image once for everybody who wants it with the same credentials.
//!
//! A pull belongs to all who wait for it. Each has its own context; who leaves leaves alone, and with the last one the call
//! to the runtime is cancelled, on which containerd gives up its connections to the registry and what it had fetched.
//!
//! Callers with other credentials never share a pull: each asks the registry itself. What CRI can promise beyond that:
//! containerd asks the registry for the manifest with the call's own credentials in every pull, so a pull without the right
//! ones fails even if the image is there. But an image that is there can be *used* by everybody: only a policy that always
//! pulls keeps it from those whose credentials don't open the registry.

use std::{pin::pin, time::Duration};

use k8s_cri::v1 as cri;
use runtime_core::{
    Context, Error, ErrorKind, ImageId, Object, Result,
    helpers::{
        docker_config::DockerConfigFile, image_ref::ImageReference, no_progress, single_flight::SingleFlight,
    },
    spec::RegistryCredentials,
};
use tokio::{runtime::Handle, time::Instant};

use crate::{config::Config, content, driver::CriDriver, error::Refusal, image, translate::pull_reason};

/// The registry that images are from whose names say none, and the host that serves it.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// The pulls on their way, by image and credentials.
pub(crate) type Pulls = SingleFlight<(String, Option<RegistryCredentials>), (), Result<ImageId>>;

/// The file with credentials of registries, if one is configured. It must be readable by now.
pub(crate) async fn docker_config(config: &Config) -> Result<Option<DockerConfigFile>> {
    let Some(path) = &config.docker_config else { return Ok(None) };
    let file = DockerConfigFile::new(path);
    file.current().await.map_err(|error| Error::invalid("docker_config", error))?;
    Ok(Some(file))
}

impl CriDriver {
    /// Pulls an image with somebody's own credentials if there are any, then with those of the Docker configuration, until the
    /// registry takes one; without any, if there are none. If it takes none, the first refusal is the error.
    pub(crate) async fn pull_image(
        &self,
        cx: &Context,
        image: &ImageReference,
        own: Option<&RegistryCredentials>,
    ) -> Result<ImageId> {
        let mut refused = None;
        if let Some(own) = own {
            match self.pull_with(cx, image, Some(own)).await {
                Err(error) if is_refusal(&error) => refused = Some(error),
                ended => return ended,
            }
        }
        for credentials in self.configured_for(cx, image).await? {
            match self.pull_with(cx, image, Some(&credentials)).await {
                Err(error) if is_refusal(&error) => _ = refused.get_or_insert(error),
                ended => return ended,
            }
        }
        match refused {
            Some(error) => Err(error),
            None => self.pull_with(cx, image, None).await,
        }
    }

    async fn configured_for(&self, cx: &Context, image: &ImageReference) -> Result<Vec<RegistryCredentials>> {
        let Some(file) = self.docker_config() else { return Ok(Vec::new()) };
        cx.run(async {
            let found = async { file.current().await?.credentials_for(image).await };
            found.await.map_err(|error| {
                Error::new(
                    ErrorKind::Failed,
                    format!("no credentials from {}: {error}", file.path().display()),
                )
            })
        })
        .await
    }

    /// Pulls an image, or waits for a pull of the same image with the same credentials.
    pub(crate) async fn pull_with(
        &self,
        cx: &Context,
        image: &ImageReference,
        credentials: Option<&RegistryCredentials>,
    ) -> Result<ImageId> {
        cx.check()?;
        let (driver, trace) = (self.clone(), cx.trace_parent().map(str::to_owned));
        let (of_pull, credentials) = (image.clone(), credentials.cloned());
        let key = (image.to_string(), credentials.clone());
        let flight = self.pulls().join(&Handle::current(), key, |_| async move {
            let cx = trace.into_iter().fold(Context::background(), Context::with_trace_parent);
            driver.ask_for_image(&cx, &of_pull, credentials.as_ref()).await
        });
        let pulled = cx.run(async { flight.finish().await.unwrap_or_else(|| Err(given_up())) }).await;
        pulled.map_err(|error| error.with_object(Object::image(image.to_string())))
    }

    /// Waits for a pull as long as something arrives at the runtime. The pull is left when nothing did for the limit, or for
    /// four looks at the content store if the limit is shorter.
    pub(crate) async fn while_something_arrives(
        &self,
        limit: Duration,
        pull: impl Future<Output = Result<ImageId>>,
    ) -> Result<ImageId> {
        let Some(store) = self.content() else { return pull.await };
        let limit = limit.max(content::LAST_PAUSE * 4);
        let (mut watch, mut pull) = (store.watch(), pin!(pull));
        let mut given_up_at = Instant::now() + limit;
        loop {
            tokio::select! {
                biased;
                pulled = &mut pull => return pulled,
                step = watch.next() => match step {
                    Some(_) => given_up_at = Instant::now() + limit,
                    None => watch = store.watch(),
                },
                () = tokio::time::sleep_until(given_up_at) => return Err(no_progress::exceeded(limit)),
            }
        }
    }

    async fn ask_for_image(
        &self,
        cx: &Context,
        image: &ImageReference,
        credentials: Option<&RegistryCredentials>,
    ) -> Result<ImageId> {
        let request = cri::PullImageRequest {
            image: Some(image::spec(image)),
            auth: credentials.map(auth),
            sandbox_config: None,
        };
        match self.client().pull_image(cx, request).await {
            Ok(answer) => Ok(ImageId::new(answer.image_ref)),
            Err(refusal) => Err(why_not_pulled(refusal.without(credentials.into_iter().flat_map(secrets)))),
        }
    }
}

fn why_not_pulled(refusal: Refusal) -> Error {
    let Some(code) = refusal.code else { return refusal.into() };
    let reason = pull_reason(code, refusal.error.message());
    let error = refusal.with_kind(reason.kind).with_transient(reason.transient);
    match reason.name {
        Some(name) => error.with_reason(name),
        None => error,
    }
}

/// Whether other credentials may help. Registries say of what they hide that it isn't there.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::PermissionDenied | ErrorKind::NotFound)
}

/// The task that pulled is gone, with the async runtime that it ran on.
fn given_up() -> Error {
    Error::new(ErrorKind::Unavailable, "the pull that this call shared was given up").transient()
}

fn auth(credentials: &RegistryCredentials) -> cri::AuthConfig {
    cri::AuthConfig {
        username: credentials.username.clone(),
        password: credentials.password.expose().to_owned(),
        auth: String::new(),
        server_address: server_address(&credentials.registry),
        identity_token: credentials.identity_token.expose().to_owned(),
        registry_token: credentials.registry_token.expose().to_owned(),
    }
}

/// The host that the credentials are for, as containerd compares it: it sends them to no other, such as a mirror.
fn server_address(registry: &str) -> String {
    let host = if registry == DOCKER_HUB { DOCKER_HUB_HOST } else { registry };
    format!("https://{host}")
}

fn secrets(credentials: &RegistryCredentials) -> [&str; 3] {
    [&credentials.password, &credentials.identity_token, &credentials.registry_token]
        .map(|secret| secret.expose())
}
