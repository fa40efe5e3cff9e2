//! Mocks of every trait that driver authors implement, by [`mockall`]: for tests of what stands above a driver.
//!
//! ```
//! use runtime_core::{Capabilities, Capability, Client};
//! use testkit::mocks::{MockDriver, MockPod};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> runtime_core::Result<()> {
//! let mut pods = MockPod::new();
//! pods.expect_remove().once().returning(|_, _| Ok(()));
//! let mut driver = MockDriver::new(Capabilities::none().native([Capability::PodRemove]));
//! driver.pods = Some(pods);
//! Client::new(driver).pod("p1").remove().await?;
//! # Ok(())
//! # }
//! ```

mod driver;
mod facets;
#[cfg(test)]
mod retry_tests;
#[cfg(test)]
mod tests;

pub use driver::{MockDriver, MockDriverCalls};
pub use facets::{MockContainer, MockExec, MockImageStore, MockPod};
