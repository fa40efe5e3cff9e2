//! What each request is answered. No IO: the whole request is at hand.

use std::collections::HashMap;

use bytes::Bytes;
use hyper::header::{ACCEPT, ACCEPT_RANGES, AUTHORIZATION, CONTENT_RANGE, HOST, HeaderName, LINK, RANGE};
use hyper::http::request::Parts;
use serde_json::json;
use url::form_urlencoded;

use super::answer::Answer;
use super::auth::{Access, Credentials, Guard};
use super::push;
use super::refusal::{Code, Refusal};
use super::route::Route;
use super::script::{Action, Script, Scripted};
use super::store::{Page, Store, parse_digest};

/// All that the registry is.
#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Store,
    pub(super) guard: Guard,
    pub(super) script: Script,
}

/// One request, read whole.
pub(super) struct Incoming {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
}

pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const DOCKER_API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

impl State {
    /// Answers a request, and says what is to go wrong with the answer.
    pub(super) fn handle(&mut self, request: &Incoming) -> (Answer, Option<(Action, Scripted)>) {
        let (method, path) = (request.method(), request.parts.uri.path());
        let route = match Route::parse(path) {
            Ok(route) => route,
            Err(refusal) => return (refusal.into(), None),
        };
        if let Err(challenge) = self.admit(request, &route) {
            return (Answer::challenge(challenge), None);
        }
        let fault = self.script.pick(method, path);
        if let Some((action, _)) = &fault
            && matches!(
                action,
                Action::Status { .. } | Action::TooManyRequests { .. } | Action::Redirect { .. }
            )
        {
            // It replaces the answer, so the request must not take effect either.
            return (Answer::new(200), fault);
        }
        let answer = self.answer(request, &route).unwrap_or_else(Answer::from);
        let answer = answer.header(DOCKER_API_VERSION, "registry/2.0");
        (if method == "HEAD" { answer.without_body() } else { answer }, fault)
    }

    fn admit(&self, request: &Incoming, route: &Route<'_>) -> Result<(), String> {
        let access = match request.method() {
            "GET" | "HEAD" => Access::Pull,
            "DELETE" if !matches!(route, Route::Upload { .. }) => Access::Delete,
            _ => Access::Push,
        };
        if *route == Route::Token {
            return Ok(());
        }
        self.allows(request, route.repository(), access)
    }

    pub(super) fn allows(
        &self,
        request: &Incoming,
        name: Option<&str>,
        access: Access,
    ) -> Result<(), String> {
        self.guard.check(
            name,
            access,
            request.header(AUTHORIZATION),
            request.header(HOST).unwrap_or_default(),
        )
    }

    fn answer(&mut self, request: &Incoming, route: &Route<'_>) -> Result<Answer, Refusal> {
        match (request.method(), route) {
            ("GET" | "HEAD", Route::Version) => Ok(Answer::json(200, &json!({}))),
            ("GET" | "POST", Route::Token) => self.token(request),
            ("GET", Route::Catalog) => {
                let page = request.page(|last, count| Ok(self.store.catalog(last, count)))?;
                Ok(listing(request, &page, &json!({"repositories": page.names})))
            }
            ("GET", Route::Tags { name }) => {
                let page = request.page(|last, count| self.store.tags(name, last, count))?;
                Ok(listing(request, &page, &json!({"name": name, "tags": page.names})))
            }
            ("GET" | "HEAD", Route::Manifest { name, reference }) => self.manifest(request, name, reference),
            ("GET" | "HEAD", Route::Blob { name, digest }) => self.blob(request, name, digest),
            _ => push::answer(self, request, route),
        }
    }

    fn manifest(&self, request: &Incoming, name: &str, reference: &str) -> Result<Answer, Refusal> {
        let manifest = self.store.manifest(name, reference)?;
        if !request.accepts(&manifest.media_type) {
            let message =
                format!("{reference} is {}, which the Accept header does not list", manifest.media_type);
            return Err(Code::ManifestUnknown.refuse(message));
        }
        let answer = Answer::new(200).header(DOCKER_CONTENT_DIGEST, &manifest.digest);
        Ok(answer.body(&manifest.media_type, manifest.data.clone()))
    }

    fn blob(&self, request: &Incoming, name: &str, digest: &str) -> Result<Answer, Refusal> {
        let digest = parse_digest(digest)?;
        let data = self.store.blob(name, &digest)?;
        let headers = |status| {
            Answer::new(status).header(DOCKER_CONTENT_DIGEST, &digest).header(ACCEPT_RANGES, "bytes")
        };
        let binary = "application/octet-stream";
        match request.header(RANGE).map(|range| parse_range(range, data.len())) {
            None => Ok(headers(200).body(binary, data.clone())),
            Some(Some((start, end))) => Ok(headers(206)
                .header(CONTENT_RANGE, format!("bytes {start}-{}/{}", end - 1, data.len()))
                .body(binary, data.slice(start..end))),
            Some(None) => Ok(headers(416).header(CONTENT_RANGE, format!("bytes */{}", data.len()))),
        }
    }

    /// Both ways of clients: GET with a password in the header, and the form of OAuth 2.
    fn token(&mut self, request: &Incoming) -> Result<Answer, Refusal> {
        let fields = if request.method() == "POST" { &*request.body } else { request.query() };
        let mut scopes = Vec::new();
        let mut form = HashMap::new();
        for (name, value) in form_urlencoded::parse(fields) {
            match &*name {
                "scope" => scopes.extend(value.split(' ').map(str::to_owned)),
                _ => drop(form.insert(name.into_owned(), value.into_owned())),
            }
        }
        let from_form = || Some(Credentials::new(form.get("username")?, form.get("password")?.as_str()));
        let given = request.header(AUTHORIZATION).and_then(Credentials::from_basic).or_else(from_form);
        let denied = || Code::Unauthorized.refuse("incorrect username or password");
        let issued = self.guard.issue(&scopes, given.as_ref()).ok_or_else(denied)?;
        let (token, seconds) = (issued.token, issued.lifetime.as_secs());
        Ok(Answer::json(200, &json!({"token": token, "access_token": token, "expires_in": seconds})))
    }
}

impl Incoming {
    pub(super) fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// The value of a query parameter.
    pub(super) fn parameter(&self, wanted: &str) -> Option<String> {
        form_urlencoded::parse(self.query())
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
    }

    fn query(&self) -> &[u8] {
        self.parts.uri.query().unwrap_or_default().as_bytes()
    }

    fn page(
        &self,
        list: impl FnOnce(Option<&str>, Option<usize>) -> Result<Page, Refusal>,
    ) -> Result<Page, Refusal> {
        list(self.parameter("last").as_deref(), self.parameter("n").and_then(|count| count.parse().ok()))
    }

    /// No `Accept` header accepts everything.
    fn accepts(&self, media_type: &str) -> bool {
        let mut types =
            self.parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
        types.peek().is_none()
            || types.flat_map(|list| list.split(',')).any(|range| {
                let range = range.split(';').next().unwrap_or_default().trim();
                range == "*/*" || range == "application/*" || range == media_type
            })
    }
}

/// A listing, with a link to the next page if there is one.
fn listing(request: &Incoming, page: &Page, body: &serde_json::Value) -> Answer {
    let answer = Answer::json(200, body);
    match page.names.last() {
        Some(last) if page.has_more => {
            let path = request.parts.uri.path();
            let count = request.parameter("n").unwrap_or_default();
            answer.header(LINK, format!("<{path}?last={last}&n={count}>; rel=\"next\""))
        }
        _ => answer,
    }
}

/// Reads `bytes=FIRST-LAST`, `bytes=FIRST-` and `bytes=-COUNT` as a start and an end within the length.
fn parse_range(text: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first, last) {
        ("", count) => (length.saturating_sub(count.parse().ok()?), length),
        (first, "") => (first.parse().ok()?, length),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.checked_add(1)?.min(length)),
    };
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stay_within_the_blob() {
        for (text, expected) in [
            ("bytes=0-3", Some((0, 4))),
            ("bytes=2-", Some((2, 10))),
            ("bytes=-3", Some((7, 10))),
            ("bytes=8-99", Some((8, 10))),
            ("bytes=10-", None),
            ("bytes=5-2", None),
            ("bytes=0-18446744073709551615", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn accept_lists_are_read_whole() {
        let accepts = |values: &[&str]| {
            let mut request = hyper::Request::builder();
            for value in values {
                request = request.header(ACCEPT, *value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            Incoming { parts, body: Bytes::new() }.accepts("application/a")
        };
        assert!(accepts(&[]));
        assert!(accepts(&["text/plain, application/a;q=0.5"]));
        assert!(accepts(&["text/plain", "*/*"]));
        assert!(!accepts(&["application/ab"]));
    }
}
