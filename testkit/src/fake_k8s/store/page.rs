//! Lists, whole and in pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Key, Resource, Selection, State, Store};
use crate::fake_k8s::Refusal;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// How many objects at most; 0 for all.
    pub limit: usize,
    /// The token of the page before.
    pub continue_token: Option<String>,
    /// The list as it was at this version.
    pub exactly_at: Option<u64>,
}

/// A list, or a page of it.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// The version that the list is of.
    pub version: u64,
    /// The objects, by namespace and name.
    pub items: Vec<Arc<Value>>,
    /// The token for the next page, if there is one.
    pub continue_token: Option<String>,
    /// How many objects follow this page. Not known where a selector is used.
    pub remaining: Option<usize>,
}

/// What a token says. The real server's are no different.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    v: String,
    /// The version of the list; -1 for "as it is now".
    rv: i64,
    /// The key after which the page begins: the last one and a zero byte.
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Store {
    /// Lists what fits the selection.
    ///
    /// # Errors
    /// 400 for a token that makes no sense, 410 for one that is too old, 504 for a version that is to come.
    pub fn list(
        &self,
        resource: Resource,
        selection: &Selection,
        options: &ListOptions,
    ) -> Result<List, Refusal> {
        let state = self.lock();
        let token = options.continue_token.as_deref().map(Token::parse).transpose()?;
        let asked = token.as_ref().map_or(options.exactly_at, |token| u64::try_from(token.rv).ok());
        let version = asked.unwrap_or(state.version);
        if version > state.version {
            return Err(Refusal::too_new(version, state.version));
        }
        if version < state.history.oldest() {
            return Err(match token {
                Some(token) => Refusal::continue_too_old(Token { rv: -1, ..token }.encode()),
                None => Refusal::too_old(version, state.history.oldest()),
            });
        }
        let after = token.map(|token| token.start.trim_end_matches('\0').to_owned());
        let all = state.selected_at(resource, selection, version);
        let mut rest = all.into_iter().filter(|(path, _)| after.as_ref().is_none_or(|after| path > after));
        let limit = if options.limit == 0 { usize::MAX } else { options.limit };
        let page: Vec<_> = rest.by_ref().take(limit).collect();
        let remaining = rest.count();
        let last = page.last().map(|(path, _)| path.clone()).filter(|_| remaining > 0);
        Ok(List {
            version,
            continue_token: last.map(|path| Token::after(version, &path).encode()),
            remaining: (remaining > 0 && !selection.is_partial()).then_some(remaining),
            items: page.into_iter().map(|(_, object)| object).collect(),
        })
    }
}

impl State {
    /// What fits the selection, in order.
    pub(super) fn selected(
        &self,
        resource: Resource,
        selection: &Selection,
    ) -> impl Iterator<Item = &Arc<Value>> {
        self.of(resource, selection.only_namespace())
            .map(|(_, object)| object)
            .filter(|object| selection.fits(object))
    }

    /// What fitted the selection at a version that is remembered, by its key relative to the list.
    fn selected_at(
        &self,
        resource: Resource,
        selection: &Selection,
        version: u64,
    ) -> BTreeMap<String, Arc<Value>> {
        let namespace = selection.only_namespace();
        let path = |key: &Key| match namespace {
            Some(_) => key.name.clone(),
            None => key.path(),
        };
        let mut objects: BTreeMap<_, _> =
            self.of(resource, namespace).map(|(key, object)| (path(key), Arc::clone(object))).collect();
        for change in self.history.after(version).rev() {
            let key = &change.key;
            if key.resource != resource || namespace.is_some_and(|namespace| key.namespace != namespace) {
                continue;
            }
            match &change.before {
                Some(before) => drop(objects.insert(path(key), Arc::clone(before))),
                None => drop(objects.remove(&path(key))),
            }
        }
        objects.retain(|_, object| selection.fits(object));
        objects
    }
}

impl Token {
    fn after(version: u64, path: &str) -> Self {
        let rv = i64::try_from(version).unwrap_or(-1);
        Self { v: TOKEN_VERSION.to_owned(), rv, start: format!("{path}\0") }
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        let invalid = |why: String| Refusal::bad_request(format!("continue key is not valid: {why}"));
        // Both alphabets decode: tokens travel in URLs.
        let bytes = STANDARD_NO_PAD
            .decode(text.replace('-', "+").replace('_', "/"))
            .map_err(|error| invalid(error.to_string()))?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        if token.v != TOKEN_VERSION {
            return Err(invalid(format!("server does not recognize this encoded version {:?}", token.v)));
        }
        Ok(token)
    }

    fn encode(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        STANDARD_NO_PAD.encode(json).replace('+', "-").replace('/', "_")
    }
}
