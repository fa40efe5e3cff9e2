//! Between wharf's terms and the port layer's. Nothing here does IO.

pub(crate) mod annotations;
pub(crate) mod config;
pub(crate) mod resources;
pub(crate) mod status;
