//! Container VMs: their configuration, their state, and what is asked of them without a handle.

mod config;
mod create;
mod info;
mod life;
mod machine;
mod open;

pub(super) use config::{
    Address, Config, Detail, Device, JoinedImage, LAUNCHED, Membership, NO_EXIT_CODE, Task,
};
pub(super) use machine::{Live, Machine, Machines, Run, RunPhase, State};
