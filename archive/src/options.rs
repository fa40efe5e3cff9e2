//! How an archive is unpacked.

use std::ffi::OsString;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub max_bytes: u64,
    /// Headers, and directories that are made because an entry lies in them.
    pub max_entries: u64,
}

impl Limits {
    /// As much as comes.
    pub const NONE: Self = Self { max_bytes: u64::MAX, max_entries: u64::MAX };
}

impl Default for Limits {
    /// 1 GiB in 100,000 entries.
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_entries: 100_000 }
    }
}

/// What an archive held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Headers, and directories that were made because an entry lies in them.
    pub entries: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// Which symbolic links are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Links {
    /// Those that stay below the target, whoever follows them.
    #[default]
    Inside,
    /// All, with what they say, for a copy of what was there. None is followed while unpacking, so what is written stays
    /// below the target; who follows them later may get anywhere.
    AsTheyAre,
}

/// What becomes of the one entry at the root of the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Root {
    /// There may be several, and they keep their names.
    #[default]
    Any,
    /// There is one; it gets this name.
    Named(OsString),
    /// There is one, a directory; what is in it goes into the target.
    Target,
}

/// How an archive is unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackOptions {
    /// How much it may hold.
    pub limits: Limits,
    /// Which symbolic links are made.
    pub links: Links,
    /// The bits of modes that are kept.
    pub mode_mask: u32,
    /// Whether times are kept, in whole seconds.
    pub times: bool,
    /// What becomes of its root.
    pub root: Root,
}

impl UnpackOptions {
    /// What suits a copy of what was there: everything as the archive has it, and as much as comes.
    #[must_use]
    pub const fn faithful(root: Root) -> Self {
        Self { limits: Limits::NONE, links: Links::AsTheyAre, mode_mask: 0o7777, times: true, root }
    }
}

impl Default for UnpackOptions {
    /// What suits an archive of a stranger: no set-id bits, no links that lead out, the time of now.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            links: Links::default(),
            mode_mask: 0o777,
            times: false,
            root: Root::default(),
        }
    }
}
