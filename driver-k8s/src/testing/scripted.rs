//! A server for tests that answers what a test says.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{client::Client, config::Config, kubeconfig::Surroundings};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method and target, such as `GET /version`.
    pub(crate) line: String,
    /// The head, in lower case but for the values.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What is answered.
pub(crate) enum Answer {
    /// A code, more lines of the head, and a body.
    Whole(u16, &'static str, String),
    /// 200, and whatever comes until the sender is dropped.
    Streamed(mpsc::UnboundedReceiver<String>),
    /// Nothing: the connection is closed.
    Cut,
    /// Nothing: the connection stays open.
    Silence,
}

impl Answer {
    pub(crate) fn json(code: u16, body: impl ToString) -> Self {
        Self::Whole(code, "", body.to_string())
    }
}

/// The server, which ends when it is dropped.
pub(crate) struct Scripted {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    dir: tempfile::TempDir,
    _task: AbortOnDropHandle<()>,
}

impl Scripted {
    /// Answers each request by `answer`, which is told how many came before.
    pub(crate) async fn start(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let log = Arc::clone(&asked);
        let accepting = async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                connections.spawn(async move { while serve(&mut stream, &*answer, &log).await {} });
            }
        };
        let _task = AbortOnDropHandle::new(tokio::spawn(accepting));
        Self { url, asked, dir: tempfile::tempdir().unwrap(), _task }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
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

/// Whether the connection can go on.
async fn serve(
    stream: &mut TcpStream,
    answer: &(dyn Fn(usize, &Asked) -> Answer + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) -> bool {
    let Some(asked) = read(stream).await else { return false };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    match answer(before, &asked) {
        Answer::Whole(code, head, body) => {
            let text = format!("HTTP/1.1 {code} x\r\ncontent-length: {}\r\n{head}\r\n{body}", body.len());
            stream.write_all(text.as_bytes()).await.is_ok()
        }
        Answer::Streamed(mut parts) => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await);
            loop {
                let part = tokio::select! {
                    part = parts.recv() => part,
                    // The client has enough of it.
                    _ = stream.readable() => return false,
                };
                let Some(part) = part else { break };
                let chunk = format!("{:x}\r\n{part}\r\n", part.len());
                if stream.write_all(chunk.as_bytes()).await.is_err() {
                    return false;
                }
            }
            stream.write_all(b"0\r\n\r\n").await.is_ok()
        }
        Answer::Cut => false,
        Answer::Silence => {
            // Until the client has enough of it.
            drop(tokio::io::copy(stream, &mut tokio::io::sink()).await);
            false
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let line = head.lines().next()?.rsplit_once(' ')?.0.to_owned();
    let mut asked = Asked { line, head, body: String::new() };
    let length: usize = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    asked.body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
    Some(asked)
}
