//! Answers as the daemon's HTTP server writes them.

use serde::Serialize;

/// The name of the server in answers of the API, and in those to what isn't even a request.
const API: &str = "Nydus API";
const BELOW_API: &str = "Firecracker API";

/// An answer, before it is bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    server: &'static str,
    body: String,
}

impl Answer {
    /// 200 with a body.
    pub(super) fn ok(body: String) -> Self {
        Self { status: 200, server: API, body }
    }

    /// 204.
    pub(super) fn empty() -> Self {
        Self { status: 204, server: API, body: String::new() }
    }

    /// A refusal. The message is the daemon's error as its language prints it for developers.
    pub(super) fn refused(status: u16, message: &str) -> Self {
        #[derive(Serialize)]
        struct Refusal<'a> {
            code: &'a str,
            message: &'a str,
        }
        // Two strings can't fail to be written.
        let body = serde_json::to_string(&Refusal { code: "UNDEFINED", message }).unwrap_or_default();
        Self { status, server: API, body }
    }

    /// To bytes that are no request.
    pub(super) fn not_understood(reason: &str) -> Self {
        let body =
            format!("{{ \"error\": \"{reason}\nAll previous unanswered requests will be dropped.\" }}");
        Self { status: 400, server: BELOW_API, body }
    }

    /// What a client gets that waits to be told that it may send its body.
    pub(super) fn go_on() -> Self {
        Self { status: 100, server: BELOW_API, body: String::new() }
    }

    /// All of it. The status line has a space at its end and no reason.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut head =
            format!("HTTP/1.1 {} \r\nServer: {}\r\nConnection: keep-alive\r\n", self.status, self.server);
        if !self.body.is_empty() {
            let length = self.body.len();
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
        }
        format!("{head}\r\n{}", self.body).into_bytes()
    }
}
