//! The image store.

use hyper::Method;
use runtime_core::Context;

use super::models::{Handle, ImageJoin, OfHandle};
use crate::{client::Client, error::Refusal, path::Path};

impl Client {
    /// Gives a container the files of an image, by the id of its topmost layer.
    pub(crate) async fn join_image(
        &self,
        cx: &Context,
        store: &str,
        layer: &str,
        join: &ImageJoin,
    ) -> Result<Handle, Refusal> {
        let path = Path::of(["storage", store, "info", layer]);
        let joined: OfHandle = self.call(cx, Method::POST, path, Some(join)).await?;
        Ok(joined.handle)
    }
}
