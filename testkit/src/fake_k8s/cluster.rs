//! What all requests share.

use std::sync::Arc;

use super::access::Access;
use super::fault::WatchFaults;
use super::requests::Requests;
use super::route::Served;
use super::store::Store;
use super::{Clock, Nodes};
use crate::engine::Faults;

/// The state of the server, whether it listens or not.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) access: Access,
    pub(super) requests: Requests,
    pub(super) faults: Faults,
    pub(super) watch_faults: WatchFaults,
    pub(super) nodes: Arc<dyn Nodes>,
    pub(super) served: Served,
    /// Watches can begin with the list.
    pub(super) streams_lists: bool,
    /// What `/api` says where the server is.
    pub(super) address: String,
}
