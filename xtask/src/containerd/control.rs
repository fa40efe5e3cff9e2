//! The control socket: whoever tests recovery has the server killed and started, and asks what it holds.
//!
//! A connection takes one line, `kill`, `start` or `holdings`, and is answered with one line of JSON: `{"ok": …}` or
//! `{"error": "…"}`.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::holdings;
use super::server::Server;
use crate::failure::{AtPath, Failure, Result};
use crate::output::note;
use crate::wait::poll;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// The listening thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Control {
    socket: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Serves requests one after the other. It is one thread for all of them because a server that was started is told of
    /// the end of the thread that did so.
    pub(super) fn serve(server: Arc<Server>) -> Result<Self> {
        let socket = server.layout.control();
        let listener = UnixListener::bind(&socket).at("listen on", &socket)?;
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // A client that goes away has no use for an answer.
                let _ = stream.and_then(|stream| answer(&stream, |request| obey(&server, request)));
            }
        });
        Ok(Self { socket, ended, thread: Some(thread) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let is_awake = UnixStream::connect(&self.socket).is_ok();
        if let Some(thread) = self.thread.take()
            && is_awake
            && thread.join().is_err()
        {
            note!("the control socket's thread panicked");
        }
    }
}

/// How long a server that was started may take until its own client reaches it.
const SETTLED: Duration = Duration::from_secs(10);

fn obey(server: &Server, request: &str) -> Result<Value> {
    match request {
        "kill" => server.kill().map(|()| Value::Null),
        "start" => server.start().map(|()| Value::Null),
        "holdings" => {
            // A server that has just been started may not take every connection yet.
            let mut last = None;
            let all = poll(SETTLED, || {
                let all = holdings::all(&server.layout);
                all.map_err(|error| last = Some(error)).ok()
            });
            let never = || last.unwrap_or_else(|| Failure::failed("the holdings can't be told"));
            all.map(|all| json!(all)).ok_or_else(never)
        }
        other => Err(Failure::usage(format!("unknown request {other:?}; known: kill, start, holdings"))),
    }
}

fn answer(stream: &UnixStream, obey: impl FnOnce(&str) -> Result<Value>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let answer = match obey(line.trim()) {
        Ok(value) => json!({ "ok": value }),
        Err(failure) => json!({ "error": failure.to_string() }),
    };
    writeln!(&*stream, "{answer}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn ask(request: &str, result: Result<Value>) -> String {
        let (mut client, server) = UnixStream::pair().unwrap();
        writeln!(client, "{request}").unwrap();
        answer(&server, |asked| {
            assert_eq!(asked, request);
            result
        })
        .unwrap();
        drop(server);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_line_is_answered_with_a_line() {
        assert_eq!(ask("start", Ok(Value::Null)), "{\"ok\":null}\n");
        assert_eq!(ask("kill", Err(Failure::failed("no"))), "{\"error\":\"no\"}\n");
    }
}
