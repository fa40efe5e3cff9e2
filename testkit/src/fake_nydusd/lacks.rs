//! What can't be shown on the fake, and what stands in for an image there.

use runtime_core::Capability;

/// What the driver declares and the fake can't show, and why.
pub const LACKS: &[(Capability, &str)] =
    &[(Capability::ImageMountPath, "the fake daemon mounts nothing that could be read")];

/// What every superblock of a RAFS v6 begins with.
pub(super) const MAGIC: [u8; 4] = [0xe2, 0xe1, 0xf5, 0xe0];

/// Where it is in the file.
pub(super) const MAGIC_OFFSET: usize = 1024;

/// A file shorter than this can't be read as one.
pub(super) const SUPERBLOCK_BYTES: usize = 8192;

/// The least that the fake takes for the bootstrap of an image; the real daemon would find no root in it.
#[must_use]
pub fn bootstrap() -> Vec<u8> {
    let mut bytes = vec![0; SUPERBLOCK_BYTES];
    bytes[MAGIC_OFFSET..MAGIC_OFFSET + MAGIC.len()].copy_from_slice(&MAGIC);
    bytes
}
