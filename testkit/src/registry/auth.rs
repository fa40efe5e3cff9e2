//! Who may use a repository: everybody, the holder of a password, or the holder of a token.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use runtime_core::Secret;

/// How a repository is protected.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// By user name and password on each request.
    Basic(Credentials),
    /// By a token that this registry's own token server gives out.
    Bearer {
        /// Who gets a token; `None` gives one to everybody, as public registries do.
        credentials: Option<Credentials>,
        /// How long a token is good for.
        lifetime: Duration,
    },
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// What somebody wants to do with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
    Delete,
}

/// Protection of the whole registry, exceptions from it, and the tokens that are out.
#[derive(Debug)]
pub(super) struct Guard {
    default: Auth,
    repositories: BTreeMap<String, Auth>,
    tokens: Tokens,
}

#[derive(Default)]
struct Tokens(HashMap<String, Token>);

#[derive(Debug)]
struct Token {
    expires: Instant,
    grants: Vec<(String, Vec<Access>)>,
}

/// A token that was given out.
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) lifetime: Duration,
}

impl Credentials {
    /// A user name and a password.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { username: username.into(), password: password.into() }
    }

    /// Reads the value of an `Authorization` header of the basic scheme.
    pub(super) fn from_basic(header: &str) -> Option<Self> {
        let text = String::from_utf8(BASE64_STANDARD.decode(parameter(header, "Basic")?).ok()?).ok()?;
        let (username, password) = text.split_once(':')?;
        Some(Self::new(username, password))
    }
}

impl Guard {
    pub(super) fn new(default: Auth, repositories: BTreeMap<String, Auth>) -> Self {
        Self { default, repositories, tokens: Tokens::default() }
    }

    pub(super) fn protect(&mut self, repository: &str, auth: Auth) {
        self.repositories.insert(repository.to_owned(), auth);
    }

    pub(super) fn forget_tokens(&mut self) {
        self.tokens.0.clear();
    }

    /// Lets a request pass, or says what the `WWW-Authenticate` header must ask for. Without a repository it
    /// is about the registry as a whole.
    pub(super) fn check(
        &self,
        repository: Option<&str>,
        access: Access,
        authorization: Option<&str>,
        host: &str,
    ) -> Result<(), String> {
        match self.auth(repository) {
            Auth::None => Ok(()),
            Auth::Basic(wanted) => {
                let given = authorization.and_then(Credentials::from_basic);
                if given.as_ref() == Some(wanted) { Ok(()) } else { Err(format!("Basic realm=\"{REALM}\"")) }
            }
            Auth::Bearer { .. } => {
                let error = match authorization.and_then(|header| parameter(header, "Bearer")) {
                    None => "",
                    Some(token) => match self.tokens.check(token, repository, access) {
                        None => return Ok(()),
                        Some(error) => error,
                    },
                };
                let scope = repository
                    .map_or(String::new(), |name| format!(",scope=\"repository:{name}:{}\"", access.scope()));
                let error = if error.is_empty() { String::new() } else { format!(",error=\"{error}\"") };
                Err(format!("Bearer realm=\"http://{host}/token\",service=\"{REALM}\"{scope}{error}"))
            }
        }
    }

    /// Gives out a token for the scopes asked for, if the credentials open each of them.
    pub(super) fn issue(&mut self, scopes: &[String], given: Option<&Credentials>) -> Option<Issued> {
        let grants: Vec<(String, Vec<Access>)> =
            scopes.iter().filter_map(|scope| parse_scope(scope)).collect();
        let mut auths: Vec<&Auth> = grants.iter().map(|(name, _)| self.auth(Some(name))).collect();
        if auths.is_empty() {
            auths.push(&self.default);
        }
        let mut shortest = Duration::from_secs(300);
        for auth in auths {
            if let Auth::Bearer { credentials, lifetime } = auth {
                if credentials.is_some() && credentials.as_ref() != given {
                    return None;
                }
                shortest = shortest.min(*lifetime);
            }
        }
        let token = random_text();
        self.tokens.0.insert(token.clone(), Token { expires: Instant::now() + shortest, grants });
        Some(Issued { token, lifetime: shortest })
    }

    fn auth(&self, repository: Option<&str>) -> &Auth {
        repository.and_then(|name| self.repositories.get(name)).unwrap_or(&self.default)
    }
}

impl Tokens {
    /// What is wrong with a token, in the words of the bearer scheme.
    fn check(&self, token: &str, repository: Option<&str>, access: Access) -> Option<&'static str> {
        let Some(token) = self.0.get(token).filter(|token| token.expires > Instant::now()) else {
            return Some("invalid_token");
        };
        let granted = repository.is_none_or(|wanted| {
            token.grants.iter().any(|(name, accesses)| name == wanted && accesses.contains(&access))
        });
        if granted { None } else { Some("insufficient_scope") }
    }
}

impl Access {
    fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.values()).finish()
    }
}

const REALM: &str = "wharf-testkit";

/// What follows the scheme in a header; schemes know no case.
fn parameter<'a>(header: &'a str, scheme: &str) -> Option<&'a str> {
    let (found, value) = header.split_once(' ')?;
    found.eq_ignore_ascii_case(scheme).then(|| value.trim())
}

/// Reads `repository:NAME:ACCESS,ACCESS`. What it doesn't know is not granted.
fn parse_scope(scope: &str) -> Option<(String, Vec<Access>)> {
    let (name, accesses) = scope.strip_prefix("repository:")?.rsplit_once(':')?;
    let accesses = accesses.split(',').filter_map(|access| match access {
        "pull" => Some(Access::Pull),
        "push" => Some(Access::Push),
        "delete" => Some(Access::Delete),
        _ => None,
    });
    Some((name.to_owned(), accesses.collect()))
}

/// Two numbers from the keys that the standard library draws for its hash maps.
fn random_text() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(1), RandomState::new().hash_one(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "127.0.0.1:5000";

    fn guard(lifetime: Duration) -> Guard {
        let user = Credentials::new("user", "pass:word");
        let bearer = Auth::Bearer { credentials: Some(user.clone()), lifetime };
        Guard::new(
            Auth::None,
            BTreeMap::from([("basic".into(), Auth::Basic(user)), ("token".into(), bearer)]),
        )
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    #[test]
    fn a_password_opens_its_repository_only() {
        let guard = guard(Duration::from_secs(60));
        let check = |header: Option<&str>| guard.check(Some("basic"), Access::Pull, header, HOST);
        assert_eq!(guard.check(Some("open"), Access::Push, None, HOST), Ok(()));
        assert_eq!(check(None), Err("Basic realm=\"wharf-testkit\"".into()));
        assert!(check(Some(&basic("user:wrong"))).is_err());
        assert!(check(Some("Basic ???")).is_err());
        assert_eq!(check(Some(&basic("user:pass:word"))), Ok(()));
    }

    #[test]
    fn a_token_opens_what_its_scope_names() {
        let mut guard = guard(Duration::from_secs(60));
        let user = Credentials::new("user", "pass:word");
        let asked = guard.check(Some("token"), Access::Pull, None, HOST).unwrap_err();
        assert_eq!(
            asked,
            "Bearer realm=\"http://127.0.0.1:5000/token\",service=\"wharf-testkit\",scope=\"repository:token:pull\""
        );
        let scope = ["repository:token:pull".to_owned()];
        assert!(guard.issue(&scope, None).is_none());
        assert!(guard.issue(&scope, Some(&Credentials::new("user", "wrong"))).is_none());
        let header = format!("Bearer {}", guard.issue(&scope, Some(&user)).unwrap().token);
        assert_eq!(guard.check(Some("token"), Access::Pull, Some(&header), HOST), Ok(()));
        let refused = guard.check(Some("token"), Access::Push, Some(&header), HOST).unwrap_err();
        assert!(
            refused.ends_with("scope=\"repository:token:pull,push\",error=\"insufficient_scope\""),
            "{refused}"
        );
        guard.forget_tokens();
        let refused = guard.check(Some("token"), Access::Pull, Some(&header), HOST).unwrap_err();
        assert!(refused.ends_with("error=\"invalid_token\""), "{refused}");
    }

    #[test]
    fn a_token_ends_with_its_lifetime() {
        let mut guard = guard(Duration::ZERO);
        let user = Credentials::new("user", "pass:word");
        let token = guard.issue(&["repository:token:pull".to_owned()], Some(&user)).unwrap().token;
        assert!(guard.check(Some("token"), Access::Pull, Some(&format!("Bearer {token}")), HOST).is_err());
    }

    #[test]
    fn no_secret_is_shown() {
        let mut guard = guard(Duration::from_secs(60));
        let user = Credentials::new("user", "pass:word");
        let token = guard.issue(&["repository:token:pull".to_owned()], Some(&user)).unwrap().token;
        let shown = format!("{guard:?}");
        assert!(!shown.contains("pass:word") && !shown.contains(&token), "{shown}");
    }
}
