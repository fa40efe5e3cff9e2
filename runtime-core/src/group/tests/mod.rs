//! Groups on virtual time, over a store and pods in memory that can fail.

mod joining;
mod line;
mod pods;
mod reaping;
mod renewing;
mod schedule;

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{Context, Result};
use line::Line;

/// How long after its last renewal a member with the default times counts itself out, in seconds.
const OWN_LIMIT: u64 = 55;

/// How long others watch a lease that does not change, in seconds.
const OTHERS_LIMIT: u64 = 65;

fn cx() -> Context {
    Context::background()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The group as one process sees it, over its own line to the store.
async fn group(line: &Line) -> Group {
    Group::open(&cx(), Arc::new(line.clone()), "builders", GroupOptions::default()).await.unwrap()
}

async fn join(line: &Line, executor: &str) -> Result<Membership> {
    group(line).await.join(&cx(), executor).await
}

/// The ids of the executors that a group has in somebody's sight, sorted.
async fn executors(group: &Group) -> Vec<String> {
    let mut ids: Vec<_> =
        group.executors(&cx()).await.unwrap().into_iter().map(|record| record.executor).collect();
    ids.sort();
    ids
}
