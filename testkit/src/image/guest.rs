//! Where the programs that run inside containers come from: the guest, and the toolbox.

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
    program("guest", "WHARF_GUEST", &BUILT)
}

/// The same for the toolbox, of the environment variable `WHARF_TOOLBOX`.
pub fn toolbox() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    program("toolbox", "WHARF_TOOLBOX", &BUILT)
}

fn program(package: &str, variable: &str, built: &Mutex<Option<PathBuf>>) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &*built {
        return Ok(path.clone());
    }
    Ok(built.insert(build(package)?).clone())
}

/// A target directory of its own: the flags differ from those of the workspace, and cargo holds the lock of
/// the shared one while it runs tests.
fn build(package: &str) -> Result<PathBuf> {
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
        .args(["build", "--quiet", "--package", package, "--profile", "guest", "--target", &target])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let output = command.output().map_err(Error::io("starting cargo"))?;
    if !output.status.success() {
        return Err(Error::Guest(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(target_dir.join(target).join("guest").join(package))
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
    fn the_programs_need_no_loader() {
        for path in [binary().unwrap(), toolbox().unwrap()] {
            assert!(super::super::shell::is_static(&std::fs::read(&path).unwrap()), "{}", path.display());
        }
    }

    #[test]
    fn an_outer_build_leaves_no_trace() {
        assert!(is_of_an_outer_build("CARGO_ENCODED_RUSTFLAGS"));
        assert!(is_of_an_outer_build("RUSTC_WORKSPACE_WRAPPER"));
        assert!(!is_of_an_outer_build("CARGO_HOME"));
        assert!(!is_of_an_outer_build("PATH"));
    }
}
