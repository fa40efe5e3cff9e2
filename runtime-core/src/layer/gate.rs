//! Refuses what is wrong or can't be done, before any IO.

use async_trait::async_trait;

use super::{Layer, Next};
use crate::{Call, Capabilities, Context, Result, admit};

/// Checks every call with [`admit`] against what the stack can do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gate;

#[async_trait]
impl Layer for Gate {
    fn capabilities(&self, below: Capabilities) -> Capabilities {
        below
    }

    async fn around(&self, cx: Context, call: &Call<'_>, next: Next<'_>) -> Result<()> {
        admit(next.driver().name, next.capabilities(), &cx, call)?;
        next.run(cx).await
    }
}
