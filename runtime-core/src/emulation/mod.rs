//! Exec with environment, working directory and user, on systems whose exec has none of these, and signals to what runs.
//!
//! The driver does not run the command but a *wrapper* inside the container: the toolbox where it is there, else a script for
//! a POSIX shell. Nothing that may be secret is in its arguments; it is told over standard input, ahead of the command's own.
//!
//! # The conversation
//!
//! The driver sends a *header* of ASCII lines that are shorter than [`MAX_LINE_BYTES`]:
//!
//! ```text
//! 1 LENGTH FLAGS      version; bytes of all that follows; letters of what is wanted, or -
//! uUSER               whom it runs as: `user` or `user:group`, each a name or a number
//! dDIRECTORY          its working directory
//! eNAME=VALUE         a variable
//! aWORD               its program, and each argument
//! +PIECE              the beginning of a value that is too long for the next line
//! x                   run it
//! ```
//!
//! Bytes that are not plain are written as a backslash, a zero and three octal digits, so any byte but NUL can be sent, no
//! terminal takes one for a command, and `printf %b` of a shell understands them. The flag `n` asks for no input: the command
//! gets `/dev/null` and sees the end at once. The flag `a` asks for an answer to each line, see below.
//!
//! The wrapper answers on standard output with *marks* that carry a nonce of the driver's, `<wharf:NONCE:…>`: `+` for a line
//! that was read, `ready:PID:STARTTIME` when all is applied, `fail:CODE:ERRNO` when something can't be. After `ready` it
//! becomes the command: the same process, with nothing in between. The driver drops all output up to `ready`, and only then
//! sends the command's own input, of which the wrapper has read nothing.
//!
//! # Terminals
//!
//! A terminal echoes what it is sent, takes control bytes for commands, cuts lines at 4,096 bytes, and loses what does not
//! fit its queue of 4,096 bytes. So lines are short and plain, the echo is dropped with everything else before `ready`, and no
//! more than [`UNANSWERED_LINES`] lines are sent ahead of their answers. The terminal's mode is never touched.

mod command;
mod failure;
mod handshake;
mod header;
mod known;
mod mark;
mod nonce;
mod scanner;
mod signaller;
#[cfg(test)]
mod tests;

pub use command::Helper;
pub use handshake::begin;
pub use header::{Header, MAX_LINE_BYTES, UNANSWERED_LINES};
pub use known::{HELPER_TIMEOUT, KnownHelpers, emulated_field};
pub use mark::{Mark, RemoteProcess};
pub use nonce::Nonce;
pub use scanner::MarkScanner;
pub use signaller::{RunInContainer, Signaller};
