//! The header: what to run and how, in ASCII lines ahead of the command's own input.

use std::{
    ffi::OsString,
    io::{self, Read},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use super::failure::Failure;

/// The longest header that is taken.
const MAX_BYTES: usize = 64 << 20;
/// The longest line, with its end.
const MAX_LINE_BYTES: usize = 1024;

/// What to run and how.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Spec {
    /// The program and its arguments; never empty.
    pub(crate) arguments: Vec<OsString>,
    /// Environment over the own.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The working directory.
    pub(crate) cwd: Option<OsString>,
    /// The user.
    pub(crate) user: Option<OsString>,
    /// The command gets no input.
    pub(crate) without_input: bool,
}

impl Spec {
    /// Reads one from standard input, and not a byte more. Where the other side wants it, `read` is called after each line.
    pub(crate) fn read(read: impl FnMut() -> io::Result<()>) -> Result<Self, Failure> {
        Self::read_from(Unbuffered, read)
    }

    fn read_from(mut input: impl Read, mut read: impl FnMut() -> io::Result<()>) -> Result<Self, Failure> {
        let first = first_line(&mut input)?;
        let (length, flags) = parse_first(&first).ok_or(BROKEN)?;
        let mut tell =
            || if flags.contains('a') { read().map_err(Failure::system("stream")) } else { Ok(()) };
        tell()?;
        let mut parser = Parser::default();
        let (mut left, mut buffer) = (length, [0; 64 << 10]);
        while left > 0 {
            let room = buffer.len().min(left);
            let count = retried(|| input.read(&mut buffer[..room]))?;
            left -= count;
            for _ in 0..parser.push(&buffer[..count])? {
                tell()?;
            }
        }
        let mut spec = parser.finish()?;
        spec.without_input = flags.contains('n');
        Ok(spec)
    }
}

const BROKEN: Failure = Failure::new("header");

/// Standard input without the buffer that would take more than was asked for.
struct Unbuffered;

impl Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
    }
}

/// Reads again after an interruption; the end is a broken header.
fn retried(mut read: impl FnMut() -> io::Result<usize>) -> Result<usize, Failure> {
    loop {
        match read() {
            Ok(0) => return Err(BROKEN),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(Failure::system("stream")),
        }
    }
}

/// Byte by byte, since how long the rest is stands in it.
fn first_line(input: &mut impl Read) -> Result<String, Failure> {
    let (mut line, mut byte) = (String::new(), [0]);
    loop {
        retried(|| input.read(&mut byte))?;
        match byte[0] {
            b'\n' => return Ok(line),
            byte if byte.is_ascii() && line.len() < MAX_LINE_BYTES => line.push(char::from(byte)),
            _ => return Err(BROKEN),
        }
    }
}

/// `1 LENGTH FLAGS`.
fn parse_first(line: &str) -> Option<(usize, &str)> {
    let (length, flags) = line.strip_prefix("1 ")?.split_once(' ')?;
    let length = length.parse().ok().filter(|length| *length <= MAX_BYTES)?;
    Some((length, flags))
}

/// Puts the lines together, however they arrive.
#[derive(Default)]
struct Parser {
    spec: Spec,
    line: Vec<u8>,
    value: Vec<u8>,
    complete: bool,
}

impl Parser {
    /// Returns how many lines have ended.
    fn push(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut ended = 0;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > MAX_LINE_BYTES {
                return Err(BROKEN);
            }
            if self.line.pop_if(|byte| *byte == b'\n').is_some() {
                let line = std::mem::take(&mut self.line);
                self.take(&line)?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Failure> {
        let (kind, text) = line.split_first().filter(|_| !self.complete).ok_or(BROKEN)?;
        decode(text, &mut self.value).ok_or(BROKEN)?;
        if *kind == b'+' {
            return Ok(());
        }
        let value = OsString::from_vec(std::mem::take(&mut self.value));
        match kind {
            b'u' => self.spec.user = Some(value),
            b'd' => self.spec.cwd = Some(value),
            b'e' => self.spec.env.push(variable(&value).ok_or(BROKEN)?),
            b'a' => self.spec.arguments.push(value),
            b'x' => self.complete = true,
            _ => return Err(BROKEN),
        }
        Ok(())
    }

    fn finish(self) -> Result<Spec, Failure> {
        if self.complete && self.line.is_empty() && !self.spec.arguments.is_empty() {
            Ok(self.spec)
        } else {
            Err(BROKEN)
        }
    }
}

/// `NAME=VALUE`, at the first equals sign.
fn variable(text: &OsString) -> Option<(OsString, OsString)> {
    let bytes = text.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some((OsString::from_vec(bytes[..at].to_vec()), OsString::from_vec(bytes[at + 1..].to_vec())))
}

/// Bytes stand for themselves, or as a backslash, a zero and three octal digits. A NUL is refused.
fn decode(mut text: &[u8], value: &mut Vec<u8>) -> Option<()> {
    while let Some((&first, rest)) = text.split_first() {
        text = rest;
        let byte = if first == b'\\' {
            let (digits, rest) = text.split_at_checked(4)?;
            text = rest;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?
        } else {
            first
        };
        value.push(Some(byte).filter(|byte| *byte != 0)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Spec, Failure> {
        Spec::read_from(text.as_bytes(), || Ok(()))
    }

    fn whole(flags: &str, lines: &str) -> String {
        format!("1 {} {flags}\n{lines}", lines.len())
    }

    #[test]
    fn lines_become_a_spec() {
        let spec = read(&whole("n", "uapp\nd/a\\0040b\neA=b=\\0303\\0274\n+one\natwo\na\nx\n")).unwrap();
        assert_eq!(spec.user.unwrap(), "app");
        assert_eq!(spec.cwd.unwrap(), "/a b");
        assert_eq!(spec.env, [("A".into(), "b=ü".into())]);
        assert_eq!(spec.arguments, ["onetwo", ""]);
        assert!(spec.without_input);
    }

    #[test]
    fn what_comes_after_it_is_left() {
        let text = whole("-", "atrue\nx\n") + "the rest";
        let mut input = text.as_bytes();
        Spec::read_from(&mut input, || Ok(())).unwrap();
        assert_eq!(input, b"the rest");
    }

    #[test]
    fn every_line_is_told_if_wanted() {
        for (flags, expected) in [("-", 0), ("a", 4), ("an", 4)] {
            let mut told = 0;
            let text = whole(flags, "+tr\naue\nx\n");
            Spec::read_from(text.as_bytes(), || {
                told += 1;
                Ok(())
            })
            .unwrap();
            assert_eq!(told, expected, "{flags}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("a{}\nx\n", "b".repeat(1024));
        for text in ["", "1 3 -\n", "2 6 -\naa\nx\n", "1 99999999999 -\n", "1 -1 -\n", "1 7 -\naa\nx\n"] {
            assert_eq!(read(text), Err(BROKEN), "{text:?}");
        }
        for lines in [
            "x\n",
            "aa\n",
            "aa\nx\nab\n",
            "aa\nx\nx",
            "?a\nx\n",
            "\nx\n",
            "e=b\naa\nx\n",
            "eA\naa\nx\n",
            &long,
        ] {
            assert_eq!(read(&whole("-", lines)), Err(BROKEN), "{lines:?}");
        }
        for value in ["\\", "\\0", "\\012", "\\0000", "\\09aa", "\\0777"] {
            assert_eq!(read(&whole("-", &format!("a{value}\nx\n"))), Err(BROKEN), "{value:?}");
        }
    }
}
