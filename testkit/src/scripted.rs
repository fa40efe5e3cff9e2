//! An HTTP server for tests of clients that answers what a test says, byte for byte.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::task::AbortOnDropHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method and target, such as `GET /version`.
    pub line: String,
    /// The head.
    pub head: String,
    /// The body, whole.
    pub body: String,
}

impl Asked {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What is answered.
#[derive(Debug)]
pub enum Answer {
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
    /// A JSON body, or any other.
    #[must_use]
    pub fn json(code: u16, body: impl ToString) -> Self {
        Self::Whole(code, "", body.to_string())
    }
}

/// The server, on a port of loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Scripted {
    /// Where it is: `http://127.0.0.1:PORT`.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _task: AbortOnDropHandle<()>,
}

impl Scripted {
    /// Answers each request by `answer`, which is told how many came before.
    ///
    /// # Errors
    /// There is no port to be had.
    pub async fn start(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
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
        Ok(Self { url, asked, _task })
    }

    /// The requests so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    /// Their methods and targets.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
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
        let mut log = lock(log);
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
    let mut rest = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).ok()?.trim_end().to_owned();
    let line = head.lines().next()?.rsplit_once(' ')?.0.to_owned();
    let mut asked = Asked { line, head, body: String::new() };
    let body = if asked.header("transfer-encoding").is_some() {
        loop {
            if let Some(body) = unchunked(&rest) {
                break body;
            }
            more(stream, &mut rest).await?;
        }
    } else {
        let length = asked.header("content-length").map_or(Some(0), |length| length.parse().ok())?;
        while rest.len() < length {
            more(stream, &mut rest).await?;
        }
        rest
    };
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}

/// Reads on; `None` at the end.
async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(bytes).await.ok()? > 0).then_some(())
}

/// A body that came in chunks, once its end is there.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(rest.get(..end)?).ok()?, 16).ok()?;
        let chunk = rest.get(end + 2..end + 2 + length)?;
        rest = rest.get(end + 2 + length + 2..)?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
    }
}

/// A panic in a test must not hide what was asked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
