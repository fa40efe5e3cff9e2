//! Says in every error which call of which driver on which object failed.

use async_trait::async_trait;

use super::{Layer, Next};
use crate::{Call, Capabilities, Context, Result};

/// Stamps operation, driver and object on every error, where the driver didn't say them itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct ErrorContext;

#[async_trait]
impl Layer for ErrorContext {
    fn capabilities(&self, below: Capabilities) -> Capabilities {
        below
    }

    async fn around(&self, cx: Context, call: &Call<'_>, next: Next<'_>) -> Result<()> {
        let result = next.run(cx).await;
        result.map_err(|error| error.in_call(call.operation(), next.driver().name, call.object()))
    }
}
