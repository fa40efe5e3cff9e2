//! Exec, attach and port-forward, over each of their protocols.

mod attach;
mod exec;
mod forward;
mod handshake;
mod lost;

use ::spdy::{Connection, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::streaming::dial::{self, Channels};

const V4: &str = "v4.channel.k8s.io";
const LONG: Duration = Duration::from_secs(20);
const SUCCESS: &str = r#"{"metadata":{},"status":"Success"}"#;

/// A bench with a sandbox and a running container.
struct Stage {
    bench: Bench,
    sandbox: String,
    id: String,
}

impl Stage {
    async fn new() -> Self {
        Self::with(FakeCriOptions::default()).await
    }

    async fn with(options: FakeCriOptions) -> Self {
        let mut bench = Bench::with(options, Some(Isolation::None)).await;
        let sandbox = bench.run("a").await;
        let id = bench.create(&sandbox, shell("c", "sleep 1000")).await;
        bench.start(&id).await.unwrap();
        Self { bench, sandbox, id }
    }

    /// A URL for a command; the streams are letters: `i`, `o`, `e`, and `t` for a terminal.
    async fn exec(&mut self, cmd: &[&str], streams: &str) -> String {
        let has = |letter| streams.contains(letter);
        let request = ExecRequest {
            container_id: self.id.clone(),
            cmd: cmd.iter().map(ToString::to_string).collect(),
            tty: has('t'),
            stdin: has('i'),
            stdout: has('o'),
            stderr: has('e'),
        };
        self.bench.runtime.exec(request).await.unwrap().into_inner().url
    }

    async fn shell(&mut self, script: &str, streams: &str) -> String {
        self.exec(&["sh", "-c", script], streams).await
    }

    async fn attach(&mut self, id: &str, streams: &str) -> String {
        let has = |letter| streams.contains(letter);
        let request = AttachRequest {
            container_id: id.into(),
            tty: has('t'),
            stdin: has('i'),
            stdout: has('o'),
            stderr: has('e'),
        };
        self.bench.runtime.attach(request).await.unwrap().into_inner().url
    }

    async fn finish(self) {
        self.bench.finish().await;
    }
}

/// The streams of an exec or attach over SPDY.
struct Spdy {
    connection: Connection,
    error: Stream,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

impl Spdy {
    async fn open(url: &str, protocol: &str, streams: &str) -> Self {
        let (connection, agreed) = dial::spdy(url, &[protocol]).await;
        assert_eq!(agreed, protocol);
        let open = async |letter: char, kind: &str| {
            if streams.contains(letter) {
                Some(connection.open(&[("streamType", kind)]).await.unwrap())
            } else {
                None
            }
        };
        Self {
            error: connection.open(&[("streamType", "error")]).await.unwrap(),
            stdin: open('i', "stdin").await,
            stdout: open('o', "stdout").await,
            stderr: open('e', "stderr").await,
            resize: open('t', "resize").await,
            connection,
        }
    }

    async fn status(&mut self) -> String {
        rest(&mut self.error).await
    }

    async fn stdout(&mut self) -> String {
        rest(self.stdout.as_mut().unwrap()).await
    }

    async fn stderr(&mut self) -> String {
        rest(self.stderr.as_mut().unwrap()).await
    }
}

/// What is left of a stream, to its end or its reset.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("it ends");
    String::from_utf8(bytes).unwrap()
}

/// All that comes over a WebSocket to its end, as text of the channels 1, 2 and 3.
async fn all(channels: &mut Channels) -> [String; 3] {
    let (all, goodbye) = tokio::time::timeout(LONG, channels.rest()).await.expect("it ends");
    assert_eq!(u16::from(goodbye.expect("a goodbye").code), 1000);
    [1, 2, 3].map(|channel| String::from_utf8(all.get(&channel).cloned().unwrap_or_default()).unwrap())
}
