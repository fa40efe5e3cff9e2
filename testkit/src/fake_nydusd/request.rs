//! Requests as the daemon's HTTP server reads them: no chunks, no case for what it doesn't know.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::answer::Answer;

/// The longest body that the server takes.
const BODY_MAX_BYTES: usize = 51_200;

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// A request that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// `None` without a body, also with one of no bytes.
    pub(super) body: Option<Vec<u8>>,
}

/// What came.
pub(super) enum Received {
    Request(Request),
    /// Something else, and how it is answered.
    Nonsense(Answer),
    /// The client has gone.
    End,
}

/// Reads one request. `100 Continue` is written where the client waits for it.
pub(super) async fn receive(
    stream: &mut (impl AsyncBufRead + AsyncWriteExt + Unpin),
) -> std::io::Result<Received> {
    let Some(line) = line(stream).await? else { return Ok(Received::End) };
    let (method, target) = match first_line(&line) {
        Ok(parts) => parts,
        Err(reason) => {
            skip_head(stream).await?;
            return Ok(Received::Nonsense(Answer::not_understood(reason)));
        }
    };
    let mut length = 0;
    let mut waits = false;
    loop {
        let Some(header) = self::line(stream).await? else { return Ok(Received::End) };
        let Some((name, value)) = header.split_once(':') else {
            if header.is_empty() {
                break;
            }
            return Ok(Received::Nonsense(Answer::not_understood("Invalid request.")));
        };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => match value.parse::<usize>() {
                Ok(bytes @ 0..=BODY_MAX_BYTES) => length = bytes,
                Ok(bytes) => {
                    let reason = format!(
                        "Request payload with size {bytes} is larger than the limit of {BODY_MAX_BYTES} allowed by server."
                    );
                    return Ok(Received::Nonsense(Answer::not_understood(&reason)));
                }
                Err(_) => return Ok(Received::Nonsense(Answer::not_understood("Invalid request."))),
            },
            ("expect", "100-continue") => waits = true,
            ("transfer-encoding", _) => {
                skip_head(stream).await?;
                return Ok(Received::Nonsense(Answer::not_understood("Invalid request.")));
            }
            _ => {}
        }
    }
    if waits {
        stream.write_all(&Answer::go_on().bytes()).await?;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = (!body.is_empty()).then_some(body);
    Ok(Received::Request(Request { method, target, body }))
}

fn first_line(line: &str) -> Result<(String, String), &'static str> {
    let (method, rest) = line.split_once(' ').ok_or("Invalid request.")?;
    let (target, version) = rest.split_once(' ').ok_or("Invalid request.")?;
    if !METHODS.contains(&method) {
        return Err("Invalid HTTP Method: Unsupported HTTP method.");
    }
    if !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
        return Err("Invalid HTTP Version: Unsupported HTTP version.");
    }
    Ok((method.to_owned(), target.to_owned()))
}

/// A line without its end; `None` when there is no more.
async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if stream.read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned()))
}

async fn skip_head(stream: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<()> {
    while line(stream).await?.is_some_and(|line| !line.is_empty()) {}
    Ok(())
}
