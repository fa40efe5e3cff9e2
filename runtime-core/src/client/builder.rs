//! Building a client.

use std::sync::Arc;

use super::Client;
use crate::{
    Context, Driver,
    layer::{Layer, Stack, default_layers},
};

/// Builds a [`Client`].
#[derive(Debug)]
pub struct ClientBuilder {
    driver: Arc<dyn Driver>,
    layers: Vec<Arc<dyn Layer>>,
    cx: Context,
}

impl ClientBuilder {
    pub(super) fn new(driver: Arc<dyn Driver>) -> Self {
        Self { driver, layers: default_layers(), cx: Context::background() }
    }

    /// Replaces the layers; outermost first. See [`layer`](crate::layer) for the default and its reasons.
    #[must_use]
    pub fn with_layers(mut self, layers: Vec<Arc<dyn Layer>>) -> Self {
        self.layers = layers;
        self
    }

    /// Adds a layer outside all others.
    #[must_use]
    pub fn with_layer(mut self, layer: impl Layer) -> Self {
        self.layers.insert(0, Arc::new(layer));
        self
    }

    /// Sets the base context of every call.
    #[must_use]
    pub fn with_context(mut self, cx: Context) -> Self {
        self.cx = cx;
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> Client {
        Client { stack: Arc::new(Stack::new(self.driver, self.layers)), cx: self.cx }
    }
}
