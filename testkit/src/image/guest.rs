//! Where the guest program comes from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::error::{Error, Result};

/// The path of the static guest program: that of the environment variable `WHARF_GUEST`, or else one that is
/// built now by `cargo`, in the workspace that this crate was built in. Blocks while it builds; a second call
/// in the same process is free, and other processes wait instead of building too.
pub fn binary() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    if let Some(path) = std::env::var_os("WHARF_GUEST") {
        return Ok(path.into());
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &*built {
        return Ok(path.clone());
    }
    Ok(built.insert(build()?).clone())
}

/// A target directory of its own: the flags differ from those of the workspace, and cargo holds the lock of
/// the shared one while it runs tests.
fn build() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let target_dir = workspace.join("target/guest");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);

    std::fs::create_dir_all(&target_dir).map_err(Error::io(target_dir.display().to_string()))?;
    let lock_path = target_dir.join("build.lock");
    let lock = File::create(&lock_path).map_err(Error::io(lock_path.display().to_string()))?;
    lock.lock().map_err(Error::io(lock_path.display().to_string()))?;

    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_an_outer_build(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
        .current_dir(workspace)
        .args(["build", "--quiet", "--package", "guest", "--profile", "guest", "--target", &target])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let output = command.output().map_err(Error::io("starting cargo"))?;
    if !output.status.success() {
        return Err(Error::Guest(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(target_dir.join(target).join("guest/guest"))
}

/// What cargo, rustc wrappers and test runners set for the build around this process. Where cargo keeps its
/// downloads, and whether it may go to the network, still counts.
fn is_of_an_outer_build(name: &str) -> bool {
    const KEPT: [&str; 3] = ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY"];
    !KEPT.contains(&name)
        && (name == "CARGO"
            || ["CARGO_", "RUSTC", "RUSTFLAGS", "RUSTDOC", "NEXTEST", "LLVM_PROFILE"]
                .iter()
                .any(|prefix| name.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_needs_no_loader() {
        let program = std::fs::read(binary().unwrap()).unwrap();
        // Program header type 3 names the loader of a dynamic program. Header table: offset at 32, entry
        // size at 54, count at 56 (64-bit little-endian ELF).
        let u16_at = |at: usize| usize::from(u16::from_le_bytes([program[at], program[at + 1]]));
        let start = usize::try_from(u64::from_le_bytes(program[32..40].try_into().unwrap())).unwrap();
        let kinds: Vec<u8> = (0..u16_at(56)).map(|index| program[start + index * u16_at(54)]).collect();
        assert!(kinds.contains(&1) && !kinds.contains(&3), "{kinds:?}");
    }

    #[test]
    fn an_outer_build_leaves_no_trace() {
        assert!(is_of_an_outer_build("CARGO_ENCODED_RUSTFLAGS"));
        assert!(is_of_an_outer_build("RUSTC_WORKSPACE_WRAPPER"));
        assert!(!is_of_an_outer_build("CARGO_HOME"));
        assert!(!is_of_an_outer_build("PATH"));
    }
}
