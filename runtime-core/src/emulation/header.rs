//! The header: a spec as lines that any terminal passes on.

use std::fmt::{self, Write};

use crate::spec::ExecSpec;

/// The longest line of a header, with its end.
pub const MAX_LINE_BYTES: usize = 1024;

/// How many lines may be under way without an answer, where there are answers: as many as fit a terminal's queue.
pub const UNANSWERED_LINES: usize = 3;

/// A spec as the wrapper reads it. It holds secrets; `Debug` shows its size alone.
pub struct Header {
    lines: Vec<String>,
    answered: bool,
}

impl Header {
    /// The header for a spec. With a terminal each line is to be answered.
    #[must_use]
    pub fn new(spec: &ExecSpec) -> Self {
        let mut lines = Vec::new();
        if let Some(user) = &spec.user {
            push(&mut lines, 'u', user.as_bytes());
        }
        if let Some(cwd) = &spec.cwd {
            push(&mut lines, 'd', cwd.as_bytes());
        }
        for variable in &spec.env {
            push(&mut lines, 'e', format!("{}={}", variable.name, variable.value.expose()).as_bytes());
        }
        for word in &spec.command {
            push(&mut lines, 'a', word.as_bytes());
        }
        push(&mut lines, 'x', b"");
        let length: usize = lines.iter().map(String::len).sum();
        let flags = match (spec.tty, spec.stdin) {
            (false, true) => "-",
            (false, false) => "n",
            (true, true) => "a",
            (true, false) => "an",
        };
        lines.insert(0, format!("1 {length} {flags}\n"));
        Self { lines, answered: spec.tty }
    }

    /// The lines, each with its end.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether the wrapper answers each line, and expects the sender to wait for that.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.answered
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

/// Adds a value, in as many lines as it needs.
fn push(lines: &mut Vec<String>, kind: char, value: &[u8]) {
    // Then there is no room for another byte in its long form, and the end.
    const FULL: usize = MAX_LINE_BYTES - 6;
    let mut line = String::from("+");
    for byte in value {
        if line.len() > FULL {
            line.push('\n');
            lines.push(std::mem::replace(&mut line, String::from("+")));
        }
        encode(*byte, &mut line);
    }
    line.replace_range(..1, kind.encode_utf8(&mut [0; 4]));
    line.push('\n');
    lines.push(line);
}

fn encode(byte: u8, line: &mut String) {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => line.push(char::from(byte)),
        b'_' | b'-' | b'.' | b',' | b':' | b'=' | b'/' | b'+' | b'@' | b'%' => line.push(char::from(byte)),
        // Writing to a string can't fail.
        _ => drop(write!(line, "\\0{byte:03o}")),
    }
}
