//! The key-value store, where the persona keeps what it knows of images.

use runtime_core::Context;

use super::models::KeyValue;
use crate::{client::Client, error::Refusal, path::Path};

impl Client {
    /// The value of a key; `None` if it has none.
    pub(crate) async fn value(&self, cx: &Context, key: &str) -> Result<Option<String>, Refusal> {
        match self.get::<KeyValue>(cx, Path::of(["kv", key])).await {
            Ok(entry) => Ok(Some(entry.value)),
            Err(refusal) if refusal.is_not_found() => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }
}
