//! Between wharf's types and Kubernetes', without IO and in both directions.
//!
//! What the rest of the driver calls:
//! - [`objects`]: what to create for a spec: a `Pod`, and a `Secret` where it needs one.
//! - [`pod_spec`]: the spec of a `Pod`, whoever made it.
//! - [`status::pod_summary`], [`status::pod_status`], [`status::container_summaries`], [`status::container_status`],
//!   [`status::exit`]: what a `Pod` reports.
//! - [`failure::progress`]: how far a pod is that is waited for, and the typed error if it can't get there.
//! - [`failure::deleted`]: the error of a pod that went away meanwhile.
//! - [`kept::Kept::of`]: what wharf wrote on a pod, such as the name of its secret.
//!
//! Going to Kubernetes and back keeps everything. What a spec says and a Kubernetes pod has no place for is kept in an
//! annotation ([`kept`]), or refused as `Unsupported` with the field's path. What a Kubernetes pod says and a spec has no place for
//! is in [`K8sPodOptions`](crate::K8sPodOptions). The structs of Kubernetes are taken apart without `..`, so that a new field
//! does not compile until it has a place.
//!
//! A `Pod` holds the values of environment variables as plain text, and its `Debug` shows them: it is never printed. Nor is a
//! `Secret`. [`Objects`] prints names alone.

mod container;
mod enums;
mod expand;
pub(crate) mod failure;
pub(crate) mod kept;
pub mod manifest;
pub(crate) mod names;
mod network;
mod pod;
mod read;
mod resources;
mod secret;
mod security;
pub(crate) mod status;
mod toolbox;
mod volumes;

#[cfg(test)]
mod tests;

use runtime_core::{Error, ErrorKind, Result};

pub(crate) use names::{ARCH_LABEL, OLD_ARCH_LABEL};
pub(crate) use pod::{Objects, objects};
#[allow(unused_imports, reason = "for who reads pods")]
pub(crate) use read::pod_spec;
pub(crate) use toolbox::NAME as TOOLBOX_NAME;

/// Refuses the first field that is set and that a Kubernetes pod has no place for. The gate refuses most of them before, by
/// capabilities that aren't declared.
fn refuse(fields: &[(&str, bool)]) -> Result<()> {
    match fields.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => {
            Err(Error::new(ErrorKind::Unsupported, "has no place in a Kubernetes pod").with_field(*field))
        }
        None => Ok(()),
    }
}

/// A list or map, unless it is empty: what is not said is not sent.
fn said<T: IntoIterator + Default + PartialEq>(all: T) -> Option<T> {
    (all != T::default()).then_some(all)
}

/// A flag, unless it is not set.
fn flag(is_set: bool) -> Option<bool> {
    is_set.then_some(true)
}
