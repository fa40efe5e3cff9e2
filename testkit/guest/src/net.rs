//! Commands that talk TCP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use crate::command::{Command, Outcome, about, exactly, parse};
use crate::signals::{self, Reaction};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "tcp-serve", arguments: "PORT", run: serve },
    Command { name: "tcp-count", arguments: "PORT", run: count },
    Command { name: "tcp-send", arguments: "HOST PORT TEXT", run: send },
];

/// Echoes what each connection sends, until SIGTERM. Prints the port once it listens; port 0 picks a free one.
fn serve(words: &[String]) -> Outcome {
    let [_] = exactly(words)?;
    listen(parse(words, 0)?, |stream| io::copy(&mut &stream, &mut &stream).map(drop))
}

/// Tells each connection, once it has sent all it wants, how many bytes that were.
fn count(words: &[String]) -> Outcome {
    let [_] = exactly(words)?;
    listen(parse(words, 0)?, |mut stream| {
        let bytes = io::copy(&mut stream, &mut io::sink())?;
        writeln!(stream, "{bytes} bytes")
    })
}

/// Serves each connection in a thread of its own, until SIGTERM.
fn listen(port: u16, answer: fn(TcpStream) -> io::Result<()>) -> Outcome {
    signals::set(Reaction::Succeed);
    let listener = TcpListener::bind(("0.0.0.0", port))?;
    let mut out = io::stdout();
    writeln!(out, "listening {}", listener.local_addr()?.port())?;
    out.flush()?;
    for stream in listener.incoming() {
        let stream = stream?;
        // A peer that goes away ends its own connection only.
        thread::Builder::new().spawn(move || answer(stream))?;
    }
    Ok(())
}

/// Sends the text, closes its half, and prints all that comes back.
fn send(words: &[String]) -> Outcome {
    let [host, _, text] = exactly(words)?;
    let mut stream = TcpStream::connect((host.as_str(), parse::<u16>(words, 1)?)).map_err(about(host))?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    answer.push(b'\n');
    Ok(io::stdout().write_all(&answer)?)
}
