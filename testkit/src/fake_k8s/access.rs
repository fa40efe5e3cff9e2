//! Who may do what: bearer tokens, and what is denied to whoever has one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::Refusal;
use super::refusal::details;
use super::store::Resource;

/// The user behind the token.
const USER: &str = "system:serviceaccount:default:wharf";

/// What a request wants to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    /// As RBAC names it (`create`, `list`).
    pub(super) verb: &'a str,
    pub(super) group: &'a str,
    /// With its subresource (`pods/exec`).
    pub(super) resource: &'a str,
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

/// The token and the rights.
pub(super) struct Access(Mutex<Rules>);

struct Rules {
    token: String,
    /// Verb and resource.
    denied: BTreeSet<(String, String)>,
}

impl Access {
    pub(super) fn new(token: String) -> Self {
        Self(Mutex::new(Rules { token, denied: BTreeSet::new() }))
    }

    /// From now on only this token is good.
    pub(super) fn set_token(&self, token: String) {
        self.lock().token = token;
    }

    /// The token that is good.
    pub(super) fn token(&self) -> String {
        self.lock().token.clone()
    }

    pub(super) fn deny(&self, verb: &str, resource: &str) {
        self.lock().denied.insert((verb.to_owned(), resource.to_owned()));
    }

    pub(super) fn allow(&self, verb: &str, resource: &str) {
        self.lock().denied.remove(&(verb.to_owned(), resource.to_owned()));
    }

    /// Whether the headers carry a good token. `None`: they carry none at all.
    pub(super) fn knows(&self, headers: &HeaderMap) -> Option<bool> {
        let given = headers.get(AUTHORIZATION)?.to_str().ok();
        let token = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        Some(self.lock().token == token)
    }

    /// Whether this may be done.
    pub(super) fn allows(&self, verb: &str, resource: &str) -> bool {
        !self.lock().denied.contains(&(verb.to_owned(), resource.to_owned()))
    }

    /// Refuses what may not be done, as RBAC does.
    pub(super) fn check(&self, attempt: Attempt<'_>) -> Result<(), Refusal> {
        if self.allows(attempt.verb, attempt.resource) { Ok(()) } else { Err(forbidden(attempt)) }
    }

    /// The rules as a `SelfSubjectRulesReview` lists them.
    pub(super) fn rules(&self) -> Vec<Value> {
        const VERBS: [&str; 8] =
            ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
        const SUBRESOURCES: [&str; 5] =
            ["pods/attach", "pods/exec", "pods/log", "pods/portforward", "pods/status"];
        let resources = Resource::ALL.into_iter().map(|resource| (resource.group(), resource.plural()));
        let subresources = SUBRESOURCES.into_iter().map(|name| ("", name));
        let rule = |(group, resource): (&str, &str)| {
            let verbs: Vec<_> = VERBS.into_iter().filter(|verb| self.allows(verb, resource)).collect();
            json!({"verbs": verbs, "apiGroups": [group], "resources": [resource]})
        };
        resources.chain(subresources).map(rule).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("denied", &self.lock().denied).finish_non_exhaustive()
    }
}

fn forbidden(attempt: Attempt<'_>) -> Refusal {
    let Attempt { verb, group, resource, namespace, name } = attempt;
    let plural = resource.split('/').next().unwrap_or_default();
    let qualified = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    let what = if name.is_empty() { qualified } else { format!("{qualified} {name:?}") };
    let scope = match namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let message = format!(
        "{what} is forbidden: User {USER:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}"
    );
    Refusal { details: Some(details(name, group, plural)), ..Refusal::new(403, "Forbidden", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn tokens_change() {
        let access = Access::new("a".to_owned());
        assert_eq!(access.knows(&headers("Bearer a")), Some(true));
        access.set_token("b".to_owned());
        assert_eq!(access.knows(&headers("Bearer a")), Some(false));
        assert_eq!(access.knows(&headers("Basic b")), Some(false));
        assert_eq!(access.knows(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_denied_is_worded_as_rbac_does() {
        let access = Access::new("a".to_owned());
        let attempt =
            Attempt { verb: "create", group: "", resource: "pods/exec", namespace: "default", name: "p" };
        access.check(attempt).unwrap();
        access.deny("create", "pods/exec");
        assert_eq!(
            access.check(attempt).unwrap_err().message,
            "pods \"p\" is forbidden: User \"system:serviceaccount:default:wharf\" cannot create resource \"pods/exec\" in API group \"\" in the namespace \"default\""
        );
        access.allow("create", "pods/exec");
        access.check(attempt).unwrap();
    }

    #[test]
    fn tokens_are_not_printed() {
        assert!(!format!("{:?}", Access::new("hunter2".to_owned())).contains("hunter2"));
    }
}
