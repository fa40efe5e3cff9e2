//! Cargo as xtask starts it, and the programs it builds for the other commands.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::containerd::PAUSE_IMAGE;
use crate::failure::{Failure, Result};
use crate::run_dir::RunDir;
use crate::{process, project};

/// A cargo call in the workspace root, with `PROTOC` set: the protocol bindings call it, and few machines have one.
pub(crate) fn cargo() -> Result<Command> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(project::root());
    // Set by the cargo that runs xtask, they would be taken as this package's by build scripts that look at them.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
    if std::env::var_os("PROTOC").is_none() {
        command.env("PROTOC", protoc()?);
    }
    Ok(command)
}

/// The `protoc` that the build carries.
pub(crate) fn protoc() -> Result<PathBuf> {
    protoc_bin_vendored::protoc_bin_path().map_err(|error| {
        Failure::failed(format!("no protoc for this machine ({error}): install it and set PROTOC"))
    })
}

/// What a conformance run needs built.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The guest program, static, so that it runs in an empty image.
    pub(crate) guest: PathBuf,
    /// The toolbox, static for the same reason.
    pub(crate) toolbox: PathBuf,
    /// The conformance runner.
    pub(crate) runner: PathBuf,
    /// `wharf-testkit`: registry and image archives.
    pub(crate) testkit: PathBuf,
}

impl Programs {
    /// Makes an archive of the pause image in the run's directory.
    pub(crate) fn pause_archive(&self, run: &RunDir) -> Result<PathBuf> {
        let file = run.work().join("pause.tar");
        let mut command = process::tied(&self.testkit);
        command.args(["archive", "--image", "pause", "--name", PAUSE_IMAGE, "--out"]).arg(&file);
        process::run(command.env("WHARF_GUEST", &self.guest))?;
        Ok(file)
    }
}

/// Builds them.
pub(crate) fn programs() -> Result<Programs> {
    // One call, for the workspace with all features as the tests have it: another selection would mean other
    // features of shared dependencies, and building them once more.
    let built = build(cargo()?.args([
        "build",
        "--workspace",
        "--all-features",
        "--test",
        "conformance",
        "--bin",
        "wharf-testkit",
    ]))?;
    let inside = inside_containers()?;
    Ok(Programs {
        guest: inside.named("guest")?,
        toolbox: inside.named("toolbox")?,
        runner: built.named("conformance")?,
        testkit: built.named("wharf-testkit")?,
    })
}

/// Builds the programs that run inside containers, so without anything to load.
fn inside_containers() -> Result<Built> {
    let mut command = cargo()?;
    // Its own target directory: other flags would throw away what the shared one holds.
    command.args(["build", "--profile", "guest", "--target", &host()?, "--target-dir"]);
    command.arg(project::target().join("guest"));
    command.args(["--package", "guest", "--package", "toolbox"]);
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", "-C target-feature=+crt-static");
    build(&mut command)
}

/// The executables of one build.
#[derive(Debug, Default, PartialEq, Eq)]
struct Built(Vec<(String, PathBuf)>);

impl Built {
    fn named(&self, name: &str) -> Result<PathBuf> {
        let found = self.0.iter().find(|(target, _)| target == name);
        let found =
            found.ok_or_else(|| Failure::failed(format!("the build made no program called {name}")))?;
        Ok(found.1.clone())
    }
}

fn build(command: &mut Command) -> Result<Built> {
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = process::output(command)?;
    if !output.status.success() {
        return Err(Failure::failed(format!("`{}` failed: {}", process::shown(command), output.status)));
    }
    Ok(executables(&String::from_utf8_lossy(&output.stdout)))
}

fn executables(messages: &str) -> Built {
    #[derive(Deserialize)]
    struct Message {
        target: Target,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
    }
    // Messages of another shape tell of build scripts and the end; they name no program.
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    Built(messages.filter_map(|message| Some((message.target.name, message.executable?))).collect())
}

/// The target triple of this machine, as the compiler names it.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = process::tool(&Path::new(&rustc).to_string_lossy(), ["-vV"])?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::failed("rustc -vV names no host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"build-script-executed","package_id":"x","env":[]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"wharf","kind":["lib"]},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"conformance"},"executable":"/t/conformance-1"}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let built = executables(messages);
        assert_eq!(built.named("conformance").unwrap(), Path::new("/t/conformance-1"));
        assert!(built.named("wharf").unwrap_err().to_string().contains("no program called wharf"));
    }

    #[test]
    fn the_carried_protoc_is_there() {
        assert!(protoc().unwrap().is_file());
    }
}
