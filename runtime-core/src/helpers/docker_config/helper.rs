//! Credential helpers: programs that keep credentials elsewhere, by Docker's protocol.
//!
//! `docker-credential-NAME get` reads a registry on its input and writes JSON with the credentials. Secrets are in neither
//! arguments nor environment. What it writes to its standard error is not read.

use std::{env, ffi::OsStr, os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use super::{DockerConfigError, parse::Login};
use crate::Secret;

/// Helpers may ask a person or a cloud.
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// What the protocol has a helper say, and fail, when it knows nothing of a registry.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name that marks a secret as an identity token.
const TOKEN_USER: &str = "<token>";
/// How Docker asks for Docker Hub.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";

/// A helper that is there.
#[derive(Debug)]
pub(super) struct Helper<'a> {
    name: &'a str,
    program: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Answer {
    username: String,
    secret: Secret,
}

impl<'a> Helper<'a> {
    /// Looks for a helper in the directories of `path`, or of this process's `PATH`.
    pub(super) fn find(name: &'a str, path: Option<&OsStr>) -> Result<Self, DockerConfigError> {
        if name.is_empty() || name.contains(['/', '\0']) {
            return Err(DockerConfigError::helper(name, "this is no name of a program"));
        }
        let file = format!("docker-credential-{name}");
        let directories = path.map(OsStr::to_owned).or_else(|| env::var_os("PATH")).unwrap_or_default();
        let is_program = |path: &PathBuf| {
            path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        // Relative directories would mean different programs in different places.
        let mut places = env::split_paths(&directories).filter(|directory| directory.is_absolute());
        match places.find_map(|directory| Some(directory.join(&file)).filter(is_program)) {
            Some(program) => Ok(Self { name, program }),
            None => Err(DockerConfigError::helper(name, format!("{file} is not in the PATH"))),
        }
    }

    /// Asks for the credentials of a registry.
    pub(super) async fn get(&self, registry: &str) -> Result<Option<Login>, DockerConfigError> {
        let server = if registry == "docker.io" { DOCKER_HUB_SERVER } else { registry };
        match timeout(TIMEOUT, self.run(server)).await {
            Ok(ran) => ran,
            Err(_) => Err(self.failed(format!("no answer within {TIMEOUT:?}"))),
        }
    }

    /// A helper that is still running when this is dropped is killed.
    async fn run(&self, server: &str) -> Result<Option<Login>, DockerConfigError> {
        let failed = |error: std::io::Error| self.failed(error.to_string());
        let mut command = Command::new(&self.program);
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that doesn't read its input says why in its own way.
            let _ = stdin.write_all(server.as_bytes()).await;
        }
        let mut answer = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await.map_err(failed)?;
        }
        let status = child.wait().await.map_err(failed)?;
        if !status.success() {
            // Any other words may be about anything, also about secrets.
            let unknown = answer.trim_ascii() == NOT_FOUND.as_bytes();
            return if unknown { Ok(None) } else { Err(self.failed(status.to_string())) };
        }
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|_| self.failed("the answer is not of the protocol's form".to_owned()))?;
        Ok(answer.login())
    }

    fn failed(&self, why: String) -> DockerConfigError {
        DockerConfigError::helper(self.name, why)
    }
}

impl Answer {
    fn login(self) -> Option<Login> {
        let Self { username, secret } = self;
        match username.as_str() {
            _ if secret.is_empty() => None,
            TOKEN_USER => Some(Login { identity_token: secret, ..Login::default() }),
            _ => Some(Login { username, password: secret, ..Login::default() }),
        }
    }
}
