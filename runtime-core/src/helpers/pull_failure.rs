//! Why a pull failed, by the runtime's words.
//!
//! Runtimes have names for two reasons and codes for next to none, so this table is the one place where wharf looks at
//! what they say. It only tells kinds of failure apart: nothing here makes a failure a success, or decides what is done to a
//! system. What it doesn't know stays what it was.
//!
//! The words are those of containerd 1.6, 1.7 and 2.x, of CRI-O (containers/image), and of Go's network library below both.
//! They come from CRI as a call's error, and from Kubernetes in the status of a container.

use crate::ErrorKind;

/// What a failed pull means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullFailure {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// Whether it may go away by itself.
    pub transient: bool,
    /// CRI's own name for it, if it has one.
    pub name: Option<&'static str>,
}

/// Words that tell a reason, each as a whole text between `": "`, or anywhere.
enum Words {
    /// One of CRI's names. The kubelet looks for them at the beginning; CRI-O puts them behind what it was doing.
    Name(&'static str),
    /// Any of these, anywhere in the message.
    Any(&'static [&'static str]),
}

/// The first row that fits counts.
const TABLE: &[(Words, ErrorKind, bool)] = &[
    (Words::Name("SignatureValidationFailed"), ErrorKind::Failed, false),
    (Words::Name("RegistryUnavailable"), ErrorKind::Unavailable, true),
    // What came isn't what its digest says.
    (
        Words::Any(&["unexpected commit digest", "Digest did not match", "does not match digest"]),
        ErrorKind::Failed,
        false,
    ),
    // The registry was reached, and isn't trusted or doesn't speak TLS. Trying again changes nothing.
    (
        Words::Any(&["x509: ", ": tls: ", "server gave HTTP response to HTTPS client"]),
        ErrorKind::Failed,
        false,
    ),
    // The registry's own statuses, as Go writes them, then the error codes of the distribution specification.
    (Words::Any(&["401 Unauthorized"]), ErrorKind::Unauthenticated, false),
    (Words::Any(&["403 Forbidden"]), ErrorKind::PermissionDenied, false),
    (Words::Any(&["404 Not Found"]), ErrorKind::NotFound, false),
    (
        Words::Any(&[
            "408 Request Timeout",
            "429 Too Many Requests",
            "500 Internal Server Error",
            "502 Bad Gateway",
            "503 Service Unavailable",
            "504 Gateway Timeout",
        ]),
        ErrorKind::Unavailable,
        true,
    ),
    // A token that opens something else: Docker Hub says so of what isn't there, too.
    (
        Words::Any(&[
            "insufficient_scope: ",
            "pull access denied",
            "requested access to the resource is denied",
        ]),
        ErrorKind::PermissionDenied,
        false,
    ),
    (Words::Any(&[": denied: "]), ErrorKind::PermissionDenied, false),
    (
        Words::Any(&[
            ": unauthorized: ",
            "authentication required",
            "invalid username/password",
            "failed to fetch anonymous token",
            "no basic auth credentials",
        ]),
        ErrorKind::Unauthenticated,
        false,
    ),
    (Words::Any(&["manifest unknown", "name unknown", "blob unknown"]), ErrorKind::NotFound, false),
    (Words::Any(&["toomanyrequests: "]), ErrorKind::Unavailable, true),
    // Full disks are told by the kernel's words.
    (Words::Any(&["no space left on device", "disk quota exceeded"]), ErrorKind::ResourceExhausted, false),
    // Nobody there, or gone in the middle.
    (
        Words::Any(&[
            "dial tcp",
            "no such host",
            "server misbehaving",
            "connection refused",
            "connection reset by peer",
            "server closed idle connection",
            "broken pipe",
            "network is unreachable",
            "no route to host",
            "i/o timeout",
            "TLS handshake timeout",
            "Client.Timeout exceeded",
            "context deadline exceeded",
            "transport connection broken",
            "unexpected EOF",
            ": EOF",
        ]),
        ErrorKind::Unavailable,
        true,
    ),
];

/// What a runtime's words say about a pull that failed; `None` where they say nothing known.
#[must_use]
pub fn by_words(message: &str) -> Option<PullFailure> {
    TABLE.iter().find_map(|(words, kind, transient)| {
        let name = match words {
            Words::Name(name) if message.split(": ").any(|part| part == *name) => Some(*name),
            Words::Any(any) if any.iter().any(|word| message.contains(word)) => None,
            _ => return None,
        };
        Some(PullFailure { kind: *kind, transient: *transient, name })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_first_and_what_is_unknown_stays_unknown() {
        let failure = by_words("RegistryUnavailable: 401 Unauthorized").unwrap();
        assert_eq!((failure.kind, failure.name), (ErrorKind::Unavailable, Some("RegistryUnavailable")));
        let failure =
            by_words("unexpected status from HEAD request to https://h/v2/: 401 Unauthorized").unwrap();
        assert_eq!(
            (failure.kind, failure.transient, failure.name),
            (ErrorKind::Unauthenticated, false, None)
        );
        assert_eq!(by_words("NoSignatureValidationFailed: x"), None);
        // A connection that was kept, and that the registry has ended.
        let failure = by_words("Head \"http://h/v2/\": http: server closed idle connection").unwrap();
        assert_eq!((failure.kind, failure.transient), (ErrorKind::Unavailable, true));
    }
}
