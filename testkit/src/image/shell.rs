//! A shell for images: the host's busybox, if it needs nothing else.

use super::{
    error::Result,
    layer::{Entry, Layer, LayerBuilder},
};

/// What busybox is called as in the image. `setpriv` is not among them: that of busybox can't change the user.
const NAMES: [&str; 12] =
    ["cat", "chroot", "env", "false", "id", "printf", "readlink", "sh", "sleep", "stty", "su", "true"];

/// The host's busybox, if it is there and static. Blocks.
#[must_use]
pub fn busybox() -> Option<Vec<u8>> {
    let path = std::env::var_os("PATH")?;
    let mut programs =
        std::env::split_paths(&path).filter_map(|place| std::fs::read(place.join("busybox")).ok());
    programs.find(|program| is_static(program))
}

/// A layer with this busybox under its names.
pub fn layer(busybox: Vec<u8>) -> Result<Layer> {
    let layer = LayerBuilder::new().with("bin/busybox", Entry::file(busybox).mode(0o755));
    NAMES
        .iter()
        .fold(layer, |layer, name| layer.with(&format!("bin/{name}"), Entry::symlink("busybox")))
        .build()
}

/// Whether a 64-bit program for Linux names no loader.
#[must_use]
pub fn is_static(program: &[u8]) -> bool {
    let number = |at: usize, bytes: usize| {
        let bytes = program.get(at..at.checked_add(bytes)?)?;
        bytes
            .iter()
            .rev()
            .try_fold(0_usize, |number, byte| number.checked_mul(256)?.checked_add((*byte).into()))
    };
    let names_loader = || {
        // The table of program headers: offset at 32, size of an entry at 54, count at 56. Type 3 names the loader.
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let kinds: Option<Vec<_>> =
            (0..count).map(|index| number(start.checked_add(index * size)?, 4)).collect();
        Some(kinds?.contains(&3))
    };
    program.starts_with(b"\x7fELF\x02\x01") && names_loader() == Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_no_programs() {
        let header: Vec<u8> = b"\x7fELF\x02\x01".iter().copied().chain([255; 100]).collect();
        for file in [&b""[..], b"#!/bin/sh", b"\x7fELF\x02\x01", &header] {
            assert!(!is_static(file));
        }
    }
}
