//! Networks. Binding gives an address and unbinding takes it back, at once and for all, commit or not.

use hyper::Method;
use runtime_core::Context;

use super::models::{Handle, OfHandle, ScopeJoin};
use crate::{client::Client, error::Refusal, path::Path};

impl Client {
    /// Makes a container a member of a scope.
    pub(crate) async fn join_scope(&self, cx: &Context, join: &ScopeJoin) -> Result<Handle, Refusal> {
        let path = Path::of(["scopes", &join.network_config.network_name, "containers"]);
        self.call(cx, Method::POST, path, Some(join)).await
    }

    /// Gives a container its addresses, or the ones that it has.
    pub(crate) async fn bind_scopes(&self, cx: &Context, handle: &Handle) -> Result<Handle, Refusal> {
        self.binding(cx, Method::POST, handle).await
    }

    /// Takes them back.
    pub(crate) async fn unbind_scopes(&self, cx: &Context, handle: &Handle) -> Result<Handle, Refusal> {
        self.binding(cx, Method::DELETE, handle).await
    }

    /// Whether a container has addresses, which nobody else gets until they are taken back.
    pub(crate) async fn is_bound(&self, cx: &Context, id: &str) -> Result<bool, Refusal> {
        match self.act(cx, Method::GET, Path::of(["scopes", "containers", id])).await {
            Ok(()) => Ok(true),
            Err(refusal) if refusal.is_not_found() => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    async fn binding(&self, cx: &Context, method: Method, handle: &Handle) -> Result<Handle, Refusal> {
        let path = Path::of(["scopes", "containers", &handle.0, "binding"]);
        let answer: OfHandle = self.call(cx, method, path, None::<&()>).await?;
        Ok(answer.handle)
    }
}
