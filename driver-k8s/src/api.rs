//! The requests of one resource.

use std::marker::PhantomData;

use futures::FutureExt;
use hyper::{Request, header::CONTENT_TYPE};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::{
    Resource,
    api::{DeleteParams, ListParams, WatchParams},
    core::{ObjectList, Request as Requests, params::GetParams, request},
};
use runtime_core::{Context, Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};

use crate::{client::Client, error::Refusal};

/// Who is said to own the fields that are written.
const MANAGER: &str = "wharf";

/// Objects of one sort, in one namespace or the cluster.
#[derive(Debug)]
pub(crate) struct Api<K> {
    client: Client,
    requests: Requests,
    kind: PhantomData<fn() -> K>,
}

impl<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>> Api<K> {
    /// The objects of a namespace, whose name is a valid one.
    pub(crate) fn of(client: &Client, namespace: &str) -> Self {
        Self::at(client, K::url_path(&(), Some(namespace)))
    }
}

impl<K: Resource<DynamicType = (), Scope = ClusterResourceScope>> Api<K> {
    /// The objects of the cluster.
    pub(crate) fn of_cluster(client: &Client) -> Self {
        Self::at(client, K::url_path(&(), None))
    }
}

impl<K> Api<K> {
    fn at(client: &Client, path: String) -> Self {
        Self { client: client.clone(), requests: Requests::new(path), kind: PhantomData }
    }
}

impl<K: Clone + DeserializeOwned> Api<K> {
    pub(crate) async fn get(&self, cx: &Context, name: &str) -> Result<K, Refusal> {
        self.call(cx, self.requests.get(name, &GetParams::default())).await
    }

    /// The object of this name, if there is one.
    pub(crate) async fn find(&self, cx: &Context, name: &str) -> Result<Option<K>, Refusal> {
        match self.get(cx, name).await {
            Ok(object) => Ok(Some(object)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Makes an object. A field that the server doesn't know is refused by those that can (since 1.25), not passed over.
    pub(crate) async fn create<B: Serialize>(&self, cx: &Context, object: &B) -> Result<K, Refusal> {
        let target = format!("{}?fieldManager={MANAGER}&fieldValidation=Strict", self.requests.url_path);
        let request = Request::post(target).header(CONTENT_TYPE, "application/json").body(json(object)?);
        self.call(cx, request.map_err(request::Error::BuildRequest)).await
    }

    /// Puts an object in the place of the one of its name, if that is still of the version it says.
    pub(crate) async fn replace<B: Serialize>(
        &self,
        cx: &Context,
        name: &str,
        object: &B,
    ) -> Result<K, Refusal> {
        let target = format!("{}/{name}?fieldManager={MANAGER}", self.requests.url_path);
        let request = Request::put(target).header(CONTENT_TYPE, "application/json").body(json(object)?);
        self.call(cx, request.map_err(request::Error::BuildRequest)).await
    }

    /// Changes what the patch says, by the rules of JSON merge patches.
    pub(crate) async fn patch<B: Serialize>(
        &self,
        cx: &Context,
        name: &str,
        patch: &B,
    ) -> Result<K, Refusal> {
        self.patch_as(cx, name, "application/merge-patch+json", patch).await
    }

    /// The same by Kubernetes' own rules: what lists hold, such as finalizers, is added to them, or taken out.
    pub(crate) async fn patch_lists<B: Serialize>(
        &self,
        cx: &Context,
        name: &str,
        patch: &B,
    ) -> Result<K, Refusal> {
        self.patch_as(cx, name, "application/strategic-merge-patch+json", patch).await
    }

    async fn patch_as<B: Serialize>(
        &self,
        cx: &Context,
        name: &str,
        media_type: &str,
        patch: &B,
    ) -> Result<K, Refusal> {
        let target = format!("{}/{name}?fieldManager={MANAGER}", self.requests.url_path);
        let request = Request::patch(target).header(CONTENT_TYPE, media_type).body(json(patch)?);
        self.call(cx, request.map_err(request::Error::BuildRequest)).await
    }

    /// Begins to delete an object: how it is then, or was last, where the server says that.
    pub(crate) async fn delete(
        &self,
        cx: &Context,
        name: &str,
        how: &DeleteParams,
    ) -> Result<Option<K>, Refusal> {
        let answer: serde_json::Value =
            self.client.call(cx, &built(self.requests.delete(name, how))?).boxed().await?;
        // Of most sorts it is a status.
        Ok(serde_json::from_value(answer).ok())
    }

    /// One page of a list, or the whole.
    pub(crate) async fn list(&self, cx: &Context, what: &ListParams) -> Result<ObjectList<K>, Refusal> {
        self.client.call(cx, &built(self.requests.list(what))?).boxed().await
    }

    /// The same as it came, for who takes the objects one by one.
    pub(crate) async fn list_text(&self, cx: &Context, what: &ListParams) -> Result<bytes::Bytes, Refusal> {
        self.client.answer(cx, &built(self.requests.list(what))?).await
    }

    /// Begins to watch from a version on. What comes is read by the caller.
    pub(crate) async fn watch(
        &self,
        cx: &Context,
        how: &WatchParams,
        version: &str,
    ) -> Result<kube::client::Body, Refusal> {
        Ok(self.client.send(cx, &built(self.requests.watch(how, version))?).await?.into_body())
    }

    async fn call(
        &self,
        cx: &Context,
        request: Result<Request<Vec<u8>>, request::Error>,
    ) -> Result<K, Refusal> {
        // A pod is large, and so is what reads it: not a part of every future that asks for one.
        self.client.call(cx, &built(request)?).boxed().await
    }
}

fn json<B: Serialize>(object: &B) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(object).map_err(|error| unbuilt(&error))
}

fn built(request: Result<Request<Vec<u8>>, request::Error>) -> Result<Request<Vec<u8>>, Refusal> {
    request.map_err(|error| unbuilt(&error))
}

fn unbuilt(error: &dyn std::error::Error) -> Refusal {
    Refusal::unsent(Error::new(ErrorKind::InvalidArgument, format!("the request can't be made: {error}")))
}
