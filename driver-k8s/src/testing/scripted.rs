//! A server that answers what a test says, with the kubeconfig that leads to it.

use std::ops::Deref;

use testkit::scripted;
pub(crate) use testkit::scripted::{Answer, Asked};

use crate::{client::Client, config::Config, kubeconfig::Surroundings};

/// The server, which ends when it is dropped.
pub(crate) struct Scripted {
    server: scripted::Scripted,
    dir: tempfile::TempDir,
}

impl Scripted {
    /// Answers each request by `answer`, which is told how many came before.
    pub(crate) async fn start(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        let server = scripted::Scripted::start(answer).await.unwrap();
        Self { server, dir: tempfile::tempdir().unwrap() }
    }

    /// The file with the token.
    pub(crate) fn token_file(&self) -> std::path::PathBuf {
        self.dir.path().join("token")
    }

    /// How to reach it, with a token in a file.
    pub(crate) fn config(&self) -> Config {
        Config::default().with_kubeconfig(self.config_of(&self.url))
    }

    /// A kubeconfig with this server and a token in a file.
    pub(crate) fn config_of(&self, server: &str) -> std::path::PathBuf {
        let path = self.dir.path().join("kubeconfig");
        let yaml = format!(
            "clusters: [{{name: c, cluster: {{server: {:?}}}}}]\nusers: [{{name: u, user: {{tokenFile: token}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u, namespace: ns}}}}]\ncurrent-context: x\n",
            server
        );
        std::fs::write(&path, yaml).unwrap();
        if !self.token_file().exists() {
            std::fs::write(self.token_file(), "first").unwrap();
        }
        path
    }

    pub(crate) async fn client(&self) -> Client {
        Client::new(self.config(), Surroundings::default()).await.unwrap()
    }
}

impl Deref for Scripted {
    type Target = scripted::Scripted;

    fn deref(&self) -> &scripted::Scripted {
        &self.server
    }
}
