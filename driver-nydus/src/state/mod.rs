//! What is known of daemons, in files below the work directory: nydusd has no place for it.
//!
//! - `pods/ID/` belongs to one pod. It appears at once with its `record.json`, which never changes, and goes at once. Each other
//!   file is written as a whole: `process.json` by whoever starts the daemon, `stop.json` by whoever stops it first,
//!   `exit.json` by whoever learns of its end. So nobody ever changes what another wrote, and no lock is needed to read.
//! - `pods/.new-ID/` is being made, `pods/.gone-ID/` being removed. What a crash left of them is swept.
//! - `names/HASH` is a link to the id of the pod that has this name, or uses this socket or mount point. Making a link fails if
//!   there is one, so that of any number of processes one gets the name. A link whose pod is gone is nobody's.

mod claims;
mod phase;
mod record;
mod store;

pub(crate) use claims::Claim;
pub(crate) use phase::{Standing, phase};
pub(crate) use record::{Ended, Found, Record, Started, Stopping};
pub(crate) use store::{Store, blocking, new_id};
