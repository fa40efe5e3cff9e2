//! Why a pull failed, as a kind.
//!
//! containerd and CRI-O answer `Unknown` to nearly every pull that fails, so that the code alone says little. What their words say
//! is in [`pull_failure`](runtime_core::helpers::pull_failure).

use runtime_core::{
    ErrorKind,
    helpers::pull_failure::{PullFailure, by_words},
};
use tonic::Code;

/// What a pull's failure means, by its code and message.
pub(crate) fn pull_reason(code: Code, message: &str) -> PullFailure {
    let (kind, transient) = crate::error::kind_of(code);
    let coded = PullFailure { kind, transient, name: None };
    match code {
        Code::Unknown | Code::Internal => by_words(message).unwrap_or(coded),
        // The precondition that failed is that the content is what its digest says.
        Code::FailedPrecondition => {
            by_words(message).unwrap_or(PullFailure { kind: ErrorKind::Failed, ..coded })
        }
        // The call has no deadline and nobody cancelled it: the runtime's own patience with the registry ended.
        Code::Cancelled | Code::DeadlineExceeded => {
            PullFailure { kind: ErrorKind::Unavailable, transient: true, name: None }
        }
        _ => coded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind as K;

    const RESOLVE: &str =
        "failed to pull and unpack image \"h:1/a:1\": failed to resolve reference \"h:1/a:1\": ";
    const COPY: &str =
        "failed to pull and unpack image \"h:1/a:1\": failed to copy: httpReadSeeker: failed open: ";

    fn check(rows: &[(&str, &str, K, bool)]) {
        for (before, words, kind, transient) in rows {
            let message = format!("{before}{words}");
            let reason = pull_reason(Code::Unknown, &message);
            assert_eq!((reason.kind, reason.transient), (*kind, *transient), "{message}");
        }
    }

    #[test]
    fn words_of_containerd_1_6() {
        let status = "pulling from host h:1 failed with status code [manifests 1]: ";
        let blob = "unexpected status code http://h:1/v2/a/blobs/sha256:0: ";
        let head = "failed to do request: Head \"http://h:1/v2/a/manifests/1\": ";
        for (code, kind, transient) in [
            ("400 Bad Request", K::Failed, false),
            ("401 Unauthorized", K::Unauthenticated, false),
            ("403 Forbidden", K::PermissionDenied, false),
            ("410 Gone", K::Failed, false),
            ("429 Too Many Requests", K::Unavailable, true),
            ("500 Internal Server Error", K::Unavailable, true),
            ("502 Bad Gateway", K::Unavailable, true),
            ("503 Service Unavailable", K::Unavailable, true),
            ("504 Gateway Timeout", K::Unavailable, true),
        ] {
            check(&[
                (RESOLVE, &format!("{status}{code}"), kind, transient),
                (COPY, &format!("{blob}{code}"), kind, transient),
                (COPY, &format!("{blob}{code} - Server message: denied"), kind, transient),
                (
                    RESOLVE,
                    &format!("failed to authorize: failed to fetch oauth token: unexpected status: {code}"),
                    kind,
                    transient,
                ),
            ]);
        }
        check(&[
            (
                RESOLVE,
                &format!("{head}dial tcp 127.0.0.1:1: connect: connection refused"),
                K::Unavailable,
                true,
            ),
            (
                RESOLVE,
                &format!("{head}dial tcp: lookup nobody.invalid on 10.0.0.53:53: no such host"),
                K::Unavailable,
                true,
            ),
            (RESOLVE, &format!("{head}dial tcp 10.1.1.1:443: i/o timeout"), K::Unavailable, true),
            (RESOLVE, &format!("{head}EOF"), K::Unavailable, true),
            (
                RESOLVE,
                &format!(
                    "{head}net/http: HTTP/1.x transport connection broken: malformed HTTP status code \"x\""
                ),
                K::Unavailable,
                true,
            ),
            (RESOLVE, &format!("{head}http: server gave HTTP response to HTTPS client"), K::Failed, false),
            (RESOLVE, &format!("{head}x509: certificate signed by unknown authority"), K::Failed, false),
            (RESOLVE, &format!("{head}remote error: tls: handshake failure"), K::Failed, false),
            (
                "failed to pull and unpack image \"h:1/a:1\": ",
                "failed to read expected number of bytes: unexpected EOF",
                K::Unavailable,
                true,
            ),
            (
                RESOLVE,
                "pull access denied, repository does not exist or may require authorization: server message: \
                 insufficient_scope: authorization failed",
                K::PermissionDenied,
                false,
            ),
            (
                "",
                "children: invalid desc sha256:0: invalid character 'g' looking for beginning of value",
                K::Failed,
                false,
            ),
            (
                "",
                "failed to extract layer sha256:0: write /x: no space left on device",
                K::ResourceExhausted,
                false,
            ),
        ]);
        let commit = "failed commit on ref \"config-sha256:0\": unexpected commit digest sha256:1, expected sha256:0: \
                      failed precondition";
        let reason = pull_reason(Code::FailedPrecondition, commit);
        assert_eq!((reason.kind, reason.transient), (K::Failed, false));
    }

    #[test]
    fn words_of_later_containerd() {
        check(&[
            (
                RESOLVE,
                "unexpected status from HEAD request to http://h:1/v2/a/manifests/1: 401 Unauthorized",
                K::Unauthenticated,
                false,
            ),
            (
                RESOLVE,
                "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to \
                 https://h/token?scope=x: 403 Forbidden",
                K::PermissionDenied,
                false,
            ),
            (
                RESOLVE,
                "unexpected status from HEAD request to http://h:1/v2/a/manifests/1: 503 Service Unavailable",
                K::Unavailable,
                true,
            ),
        ]);
    }

    #[test]
    fn words_of_cri_o() {
        check(&[
            (
                "initializing source docker://h/a:1: ",
                "reading manifest 1 in h/a: unauthorized: authentication required",
                K::Unauthenticated,
                false,
            ),
            (
                "initializing source docker://h/a:1: ",
                "unable to retrieve auth token: invalid username/password: unauthorized: incorrect password",
                K::Unauthenticated,
                false,
            ),
            (
                "initializing source docker://h/a:1: ",
                "reading manifest 1 in h/a: requested access to the resource is denied",
                K::PermissionDenied,
                false,
            ),
            (
                "initializing source docker://h/a:1: ",
                "reading manifest 1 in h/a: manifest unknown",
                K::NotFound,
                false,
            ),
            (
                "initializing source docker://h/a:1: pinging container registry h: Get \"https://h/v2/\": ",
                "dial tcp 10.0.0.1:443: connect: connection refused",
                K::Unavailable,
                true,
            ),
            (
                "initializing source docker://h/a:1: reading manifest 1 in h/a: ",
                "received unexpected HTTP status: 500 Internal Server Error",
                K::Unavailable,
                true,
            ),
            ("", "toomanyrequests: You have reached your pull rate limit", K::Unavailable, true),
            ("writing blob: ", "Digest did not match, expected sha256:0, got sha256:1", K::Failed, false),
        ]);
    }

    #[test]
    fn names_of_cri_come_first_and_stay() {
        for (message, kind, transient, name) in [
            ("RegistryUnavailable: 401 Unauthorized", K::Unavailable, true, Some("RegistryUnavailable")),
            ("SignatureValidationFailed", K::Failed, false, Some("SignatureValidationFailed")),
            (
                "verifying signatures: SignatureValidationFailed: dial tcp",
                K::Failed,
                false,
                Some("SignatureValidationFailed"),
            ),
            ("NoSignatureValidationFailed: x", K::Failed, false, None),
        ] {
            assert_eq!(
                pull_reason(Code::Unknown, message),
                PullFailure { kind, transient, name },
                "{message}"
            );
        }
    }

    #[test]
    fn a_code_that_says_why_is_believed_whatever_the_words() {
        for (code, kind) in [
            (Code::NotFound, K::NotFound),
            (Code::Unauthenticated, K::Unauthenticated),
            (Code::PermissionDenied, K::PermissionDenied),
            (Code::ResourceExhausted, K::ResourceExhausted),
            (Code::Unavailable, K::Unavailable),
            (Code::Unimplemented, K::Unsupported),
            (Code::Cancelled, K::Unavailable),
            (Code::DeadlineExceeded, K::Unavailable),
        ] {
            assert_eq!(pull_reason(code, "401 Unauthorized").kind, kind, "{code:?}");
        }
        for code in [Code::Unknown, Code::FailedPrecondition] {
            assert_eq!(pull_reason(code, "unheard of").kind, K::Failed, "{code:?}");
        }
    }
}
