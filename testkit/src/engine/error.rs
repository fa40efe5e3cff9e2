//! What can go wrong in the engine, as data.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::PullError;

/// The kinds of object that an error can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// A pod.
    Pod,
    /// A container.
    Container,
    /// An image.
    Image,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pod => "pod",
            Self::Container => "container",
            Self::Image => "image",
        })
    }
}

/// An error of the engine. Cheap to clone, so that several waiters can get the same one.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is no such object.
    #[error("no such {object}: {id}")]
    NotFound {
        /// What was looked for.
        object: Object,
        /// The id or reference that was asked for.
        id: String,
    },
    /// The name is in use; nothing was made.
    #[error("{object} name {name:?} is taken by {existing}")]
    NameTaken {
        /// What was to be made.
        object: Object,
        /// Its full name.
        name: String,
        /// Id of the one that has the name.
        existing: String,
    },
    /// The object exists, in a state in which the call makes no sense.
    #[error("{object} {id} is {state}")]
    InvalidState {
        /// What the call was about.
        object: Object,
        /// Its id.
        id: String,
        /// The state it is in.
        state: &'static str,
    },
    /// A value that no engine could take.
    #[error("invalid {field}: {message}")]
    InvalidArgument {
        /// The field of the launch.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A limit below what is in use; it was not set.
    #[error(
        "unable to set memory limit to {limit_bytes} (current usage: {used_bytes}, peak usage: {used_bytes})"
    )]
    MemoryInUse {
        /// The limit that was asked for.
        limit_bytes: u64,
        /// What the container has.
        used_bytes: u64,
    },
    /// A value that this engine cannot honour, because of the host, the user it runs as or the image.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// Why it cannot be done.
        why: &'static str,
    },
    /// The command does not exist in the container.
    #[error("exec: {command:?}: {}", if command.contains('/') { "no such file or directory" } else { "executable file not found in $PATH" })]
    NoSuchCommand {
        /// `argv[0]`.
        command: String,
    },
    /// The command exists and cannot be run.
    #[error("exec: {command:?}: {reason}")]
    NotExecutable {
        /// `argv[0]`.
        command: String,
        /// The operating system's word: `permission denied`, `exec format error`.
        reason: String,
    },
    /// Starting fails as [`Launch::start_error`](super::Launch::start_error) says.
    #[error("{0}")]
    StartRefused(String),
    /// A command ran longer than it was allowed to and was killed.
    #[error("command {command:?} timed out after {after:?}")]
    ExecTimeout {
        /// `argv[0]`.
        command: String,
        /// The time it had.
        after: Duration,
    },
    /// Nothing listens at a port of a pod.
    #[error("port {port} of the pod: {ipv4}; over IPv6: {ipv6}")]
    Unreachable {
        /// The port.
        port: u16,
        /// Why not over IPv4.
        ipv4: Arc<io::Error>,
        /// Why not over IPv6.
        ipv6: Arc<io::Error>,
    },
    /// A pull failed.
    #[error("pull of {reference:?} failed: {error}")]
    Pull {
        /// The reference that was pulled.
        reference: String,
        /// Why.
        error: PullError,
    },
    /// A failure that a test asked for.
    #[error("{operation}: {message}")]
    Injected {
        /// The operation that failed.
        operation: String,
        /// Whatever the injector wants its fake to answer with, such as a status code's name.
        code: String,
        /// The message to answer with.
        message: String,
    },
    /// The operating system refused.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// The engine has been shut down.
    #[error("the engine is shut down")]
    ShutDown,
}

impl EngineError {
    pub(crate) fn io(context: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { context: context.into(), source: Arc::new(source.into()) }
    }

    pub(crate) fn not_found(object: Object, id: &str) -> Self {
        Self::NotFound { object, id: id.to_owned() }
    }

    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidArgument { field, message: message.into() }
    }
}
