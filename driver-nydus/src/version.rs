//! What the program says of itself.

use std::{path::Path, process::Stdio};

use runtime_core::{Context, Error, ErrorKind, Result};
use tokio::process::Command;

use crate::io_error::failed;

/// Asks a program for its version.
///
/// # Errors
/// `Failed` if it doesn't say one; the context's end, which ends the program.
pub(crate) async fn of(cx: &Context, program: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let asked = async { command.output().await.map_err(|error| failed("ask nydusd for its version", error)) };
    let output = cx.run(asked).await?;
    let said = String::from_utf8_lossy(&output.stdout);
    match parse(&said) {
        Some(version) if output.status.success() => Ok(version.to_owned()),
        _ => {
            let message = format!("{} does not say which version of nydusd it is", program.display());
            Err(Error::new(ErrorKind::Failed, message))
        }
    }
}

/// The first line of `nydusd --version` is `Version: v2.2.0`, or `nydusd Version: v2.2.0`.
fn parse(said: &str) -> Option<&str> {
    let (_, version) = said.lines().next()?.split_once("Version:")?;
    Some(version.trim()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse("nydusd Version: \tv2.2.0\nGit Commit: x\n"), Some("v2.2.0"));
        for garbage in ["", "bash 5.2", "Version: "] {
            assert_eq!(parse(garbage), None, "{garbage}");
        }
    }
}
