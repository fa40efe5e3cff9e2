//! A containerd of the run's own: own root, state, sockets, network; nothing of a system-wide one is touched.

mod cleanup;
mod config;
mod control;
mod holdings;
mod iptables;
mod layout;
mod network;
mod requirements;
mod server;
mod shared_places;

pub(crate) use cleanup::clean;
pub(crate) use layout::DIRECTORY;
pub(crate) use requirements::{cni_bin_dir, missing};
pub(crate) use server::{PAUSE_IMAGE, PrivateContainerd};
