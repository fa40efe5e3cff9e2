//! Following one pod.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use runtime_core::{Context, Error, ErrorKind, Result};
use tokio::sync::watch;

use super::{
    Shared, State,
    store::{Word, version},
};

/// A pod of some name, as it changes. Changes that come faster than they are looked at are one.
#[derive(Debug)]
pub(crate) struct Following {
    words: watch::Receiver<Word>,
    state: watch::Receiver<State>,
    /// What is older than this is not worth a look.
    since: Option<u64>,
}

/// How a pod is.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// So.
    There(Arc<Pod>),
    /// It has gone, and was last like this, if that was told.
    Gone(Option<Arc<Pod>>),
}

impl Following {
    pub(super) fn new(shared: &Arc<Shared>, name: &str) -> Self {
        let words = shared.store().follow(name);
        shared.hurry.notify_one();
        Self { words, state: shared.state.subscribe(), since: None }
    }

    /// From now on only what is newer than this, which the server has just said.
    pub(crate) fn since(&mut self, pod: &Pod) {
        self.since = version(pod);
    }

    /// The next change of this life of the pod, or that it is gone.
    ///
    /// # Errors
    /// The pods can't be watched, for a reason that does not go away; or the context's end, with why nothing was heard.
    pub(crate) async fn next(&mut self, cx: &Context, uid: &str) -> Result<Seen> {
        let ended = cx.ended();
        let changing = async {
            loop {
                tokio::select! {
                    changed = self.words.changed() => {
                        changed.map_err(|_| Error::new(ErrorKind::Cancelled, "the driver has ended"))?;
                        let word = self.words.borrow_and_update().clone();
                        if let Some(seen) = seen(word, self.since, uid) {
                            return Ok(seen);
                        }
                    }
                    Ok(()) = self.state.changed() => {
                        if let State::Away(error, _) = &*self.state.borrow_and_update()
                            && is_final(error)
                        {
                            return Err(error.clone());
                        }
                    }
                }
            }
        };
        tokio::select! {
            biased;
            seen = changing => seen,
            error = ended => Err(match &*self.state.borrow() {
                State::Away(why, _) => error.with_context("watch", why.to_string()),
                State::Live | State::Begun => error,
            }),
        }
    }
}

/// Whether the server knows what it is asked for, and refuses. Nonsense is asked for again: the next answer may make sense.
fn is_final(error: &Error) -> bool {
    !error.is_transient() && error.kind() != ErrorKind::Protocol
}

/// What a word means to who follows the life `uid`, of which everything up to `since` is known.
fn seen(word: Word, since: Option<u64>, uid: &str) -> Option<Seen> {
    let is_old = word.version.zip(since).is_some_and(|(version, since)| version < since);
    let is_it = |pod: &Arc<Pod>| pod.metadata.uid.as_deref() == Some(uid);
    match (word.pod, word.is_gone) {
        // The watch is behind: it tells of the life before, or of this one before it was like this.
        _ if is_old => None,
        (Some(pod), false) if is_it(&pod) => Some(Seen::There(pod)),
        (pod, _) => Some(Seen::Gone(pod.filter(is_it))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(version: u64, uid: Option<&str>, is_gone: bool) -> Word {
        let pod = uid.map(|uid| {
            let mut pod = Pod::default();
            pod.metadata.uid = Some(uid.to_owned());
            Arc::new(pod)
        });
        Word { version: Some(version), pod, is_gone }
    }

    #[test]
    fn lives_are_told_apart_and_old_words_are_passed_over() {
        let of = |word| match seen(word, Some(10), "b") {
            None => "old",
            Some(Seen::There(_)) => "there",
            Some(Seen::Gone(Some(_))) => "gone, last so",
            Some(Seen::Gone(None)) => "gone",
        };
        for (word, expected) in [
            (word(9, Some("a"), false), "old"),
            (word(9, Some("a"), true), "old"),
            (word(9, None, true), "old"),
            (word(9, Some("b"), false), "old"),
            (word(10, Some("b"), false), "there"),
            (word(11, Some("b"), true), "gone, last so"),
            (word(11, Some("c"), false), "gone"),
            (word(11, None, true), "gone"),
        ] {
            assert_eq!(of(word.clone()), expected, "{word:?}");
        }
    }
}
