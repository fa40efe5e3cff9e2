//! What the driver may do, asked before anything is made.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use futures::future::join_all;
use hyper::{Request, header::CONTENT_TYPE};
use runtime_core::{Condition, Context, Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::json;

use crate::{client::Client, error::Refusal};

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// What running pods takes: verb, resource, subresource.
const PODS: &[(&str, &str, &str)] = &[
    ("create", "pods", ""),
    ("get", "pods", ""),
    ("list", "pods", ""),
    ("watch", "pods", ""),
    ("delete", "pods", ""),
];

/// What credentials for images take beside that.
const SECRETS: &[(&str, &str, &str)] =
    &[("create", "secrets", ""), ("patch", "secrets", ""), ("delete", "secrets", "")];

/// What else the driver can use; the last two to tell that a volume's source is missing.
const MORE: &[(&str, &str, &str)] = &[
    ("patch", "pods", ""),
    ("get", "pods", "log"),
    ("create", "pods", "exec"),
    ("create", "pods", "attach"),
    ("create", "pods", "portforward"),
    ("get", "configmaps", ""),
    ("get", "secrets", ""),
];

/// What was found out. Asked once for each namespace; what is missing is asked again, since it may be granted.
#[derive(Debug, Default)]
pub(crate) struct Permissions(Mutex<HashSet<(String, bool)>>);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Review {
    status: ReviewStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReviewStatus {
    allowed: bool,
}

impl Permissions {
    /// Finds out whether pods can be run in a namespace. A cluster that doesn't tell is taken at its later word.
    ///
    /// # Errors
    /// `PermissionDenied` names all that is missing.
    pub(crate) async fn check(
        &self,
        client: &Client,
        cx: &Context,
        namespace: &str,
        with_secrets: bool,
    ) -> Result<()> {
        let known = (namespace.to_owned(), with_secrets);
        if self.known().contains(&known) {
            return Ok(());
        }
        let secrets = if with_secrets { SECRETS } else { &[] };
        let missing = missing(client, cx, namespace, PODS.iter().chain(secrets)).await?;
        if missing.is_empty() {
            self.known().insert(known);
            return Ok(());
        }
        let message = format!("in the namespace {namespace:?} these are not allowed: {}", missing.join(", "));
        Err(Error::new(ErrorKind::PermissionDenied, message))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<(String, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What of all the driver can do is allowed, for a person.
pub(crate) async fn condition(client: &Client, cx: &Context, namespace: &str) -> Result<Condition> {
    let missing = missing(client, cx, namespace, PODS.iter().chain(SECRETS).chain(MORE)).await?;
    let mut condition = Condition::new("Permissions", missing.is_empty());
    if !missing.is_empty() {
        condition.reason = Some("Forbidden".to_owned());
        condition.message = Some(format!("not allowed in {namespace:?}: {}", missing.join(", ")));
    }
    Ok(condition)
}

/// What of this is not allowed, such as `create pods/exec`.
async fn missing(
    client: &Client,
    cx: &Context,
    namespace: &str,
    wanted: impl Iterator<Item = &'static (&'static str, &'static str, &'static str)>,
) -> Result<Vec<String>> {
    let asking = wanted.map(|&(verb, resource, subresource)| async move {
        let allowed = match review(client, cx, namespace, (verb, resource, subresource)).await {
            Ok(allowed) => allowed,
            Err(refusal) if matches!(refusal.code, Some(403..=405)) => {
                tracing::warn!(error = %refusal.error, "the cluster does not tell what is allowed");
                true
            }
            Err(refusal) => return Err(Error::from(refusal)),
        };
        let slash = if subresource.is_empty() { "" } else { "/" };
        Ok((!allowed).then(|| format!("{verb} {resource}{slash}{subresource}")))
    });
    let answers: Result<Vec<_>> = join_all(asking).await.into_iter().collect();
    Ok(answers?.into_iter().flatten().collect())
}

async fn review(
    client: &Client,
    cx: &Context,
    namespace: &str,
    (verb, resource, subresource): (&str, &str, &str),
) -> Result<bool, Refusal> {
    let mut attributes = json!({"namespace": namespace, "verb": verb, "resource": resource});
    if !subresource.is_empty() {
        attributes["subresource"] = subresource.into();
    }
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    });
    let request =
        Request::post(PATH).header(CONTENT_TYPE, "application/json").body(body.to_string().into_bytes());
    let request = request.map_err(|error| Refusal::unsent(Error::invalid("request", error)))?;
    Ok(client.call::<Review>(cx, &request).await?.status.allowed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::scripted::{Answer, Scripted};

    async fn check(server: &Scripted, permissions: &Permissions) -> Result<()> {
        let cx = Context::background().with_timeout(Duration::from_secs(20));
        permissions.check(&server.client().await, &cx, "ns", true).await
    }

    #[tokio::test]
    async fn what_is_missing_is_named_at_once() {
        let server = Scripted::start(|_, asked| {
            let denied = asked.body.contains("\"watch\"") || asked.body.contains("secrets");
            Answer::json(201, json!({"status": {"allowed": !denied}}))
        })
        .await;
        let error = check(&server, &Permissions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let told = "not allowed: watch pods, create secrets, patch secrets, delete secrets";
        assert!(error.to_string().contains(told), "{error}");
    }

    #[tokio::test]
    async fn it_is_asked_once_and_a_cluster_that_does_not_tell_is_no_obstacle() {
        let server = Scripted::start(|_, _| Answer::json(201, json!({"status": {"allowed": true}}))).await;
        let permissions = Permissions::default();
        for _ in 0..3 {
            check(&server, &permissions).await.unwrap();
        }
        assert_eq!(server.lines().len(), PODS.len() + SECRETS.len());
        let server =
            Scripted::start(|_, _| Answer::json(403, json!({"code": 403, "reason": "Forbidden"}))).await;
        check(&server, &Permissions::default()).await.unwrap();
        let server = Scripted::start(|_, _| Answer::json(500, json!({"code": 500}))).await;
        assert_eq!(check(&server, &Permissions::default()).await.unwrap_err().kind(), ErrorKind::Unexpected);
    }
}
