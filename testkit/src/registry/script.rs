//! Faults to order: rules that say which requests go wrong, how, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Which requests go wrong, and how. Of several rules that fit, the first one counts.
///
/// Rules see the requests that have passed authentication, and those to the token server.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Option<String>,
    path: String,
    skip: u32,
    times: u32,
    action: Action,
}

/// How a request goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Answers with a status and a body.
    Status {
        /// The status code.
        code: u16,
        /// The body.
        body: String,
    },
    /// Answers as it should, but later.
    Delay(Duration),
    /// Does not answer until [`Scripted::release`]; then as it should.
    Hang,
    /// Breaks the connection after some bytes of the body.
    CutBody {
        /// How many bytes of the body still get through; fewer to a client that reads slowly.
        after: usize,
    },
    /// Changes one byte of the body, so that its digest is wrong.
    WrongBytes {
        /// Decides which byte, and how.
        seed: u64,
    },
    /// Sends the body at a limited rate.
    Slow {
        /// How many bytes a second get through; at least one.
        bytes_per_second: u32,
    },
    /// Answers 429, with the time after which to try again.
    TooManyRequests {
        /// What the `Retry-After` header says, in whole seconds.
        retry_after: Duration,
    },
    /// Answers 307.
    Redirect {
        /// Where to, as in `http://HOST`; the request's own path is appended.
        base: String,
    },
}

/// A rule at work. Dropping this leaves the rule in place.
#[derive(Clone, Debug)]
pub struct Scripted {
    hits: Arc<AtomicU32>,
    released: CancellationToken,
}

/// All rules at work.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<(Rule, Scripted)>);

impl Rule {
    /// A rule for all requests whose path fits the pattern, in which `*` stands for any text, slashes too.
    #[must_use]
    pub fn new(path: impl Into<String>, action: Action) -> Self {
        Self { method: None, path: path.into(), skip: 0, times: u32::MAX, action }
    }

    /// Limits the rule to one method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Ends the rule after it has acted so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets so many fitting requests pass before the rule acts.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method) && fits(&self.path, path)
    }
}

impl Scripted {
    /// How many times the rule has acted.
    #[must_use]
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Ends the rule, and lets requests that hang in it go on.
    pub fn release(&self) {
        self.released.cancel();
    }

    /// Waits for the release.
    pub(super) async fn released(&self) {
        self.released.cancelled().await;
    }
}

impl Script {
    pub(super) fn add(&mut self, rule: Rule) -> Scripted {
        let scripted = Scripted { hits: Arc::default(), released: CancellationToken::new() };
        self.0.push((rule, scripted.clone()));
        scripted
    }

    /// What is to go wrong with a request, if anything. Counts as one time.
    pub(super) fn pick(&mut self, method: &str, path: &str) -> Option<(Action, Scripted)> {
        self.0.retain(|(rule, scripted)| rule.times > 0 && !scripted.released.is_cancelled());
        let (rule, scripted) = self.0.iter_mut().find(|(rule, _)| rule.fits(method, path))?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.times -= 1;
        scripted.hits.fetch_add(1, Ordering::Relaxed);
        Some((rule.action.clone(), scripted.clone()))
    }
}

/// Changes one byte; empty data has none to change.
pub(super) fn corrupt(data: &mut [u8], seed: u64) {
    // One step of SplitMix64 spreads seeds that are near each other.
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let Some(last) = data.len().checked_sub(1) else { return };
    let at = usize::try_from(mixed % (last as u64 + 1)).unwrap_or(last);
    // Never zero, so the byte always changes.
    data[at] ^= (mixed >> 56) as u8 | 1;
}

/// Whether a text fits a pattern with `*`.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, path, expected) in [
            ("/v2/", "/v2/", true),
            ("/v2/", "/v2/x", false),
            ("*", "", true),
            ("/v2/*/manifests/*", "/v2/a/b/manifests/1", true),
            ("/v2/*/manifests/*", "/v2/a/blobs/1", false),
            ("*/blobs/*", "/v2/a/blobs/sha256:0", true),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_rule_acts_as_often_as_it_says() {
        let mut script = Script::default();
        let rule = script.add(Rule::new("*/blobs/*", Action::Hang).method("GET").skip(1).times(2));
        let mut picked = || script.pick("GET", "/v2/a/blobs/1").is_some();
        assert_eq!([picked(), picked(), picked(), picked()], [false, true, true, false]);
        assert!(script.pick("HEAD", "/v2/a/blobs/1").is_none());
        assert_eq!(rule.hits(), 2);
    }

    #[test]
    fn a_released_rule_is_over() {
        let mut script = Script::default();
        let hang = script.add(Rule::new("*", Action::Hang));
        script.add(Rule::new("*", Action::CutBody { after: 1 }));
        assert_eq!(script.pick("GET", "/").unwrap().0, Action::Hang);
        hang.release();
        assert_eq!(script.pick("GET", "/").unwrap().0, Action::CutBody { after: 1 });
    }

    #[test]
    fn one_byte_changes_and_the_same_one_for_the_same_seed() {
        for seed in 0..100 {
            let (mut one, mut two) = ([7; 64], [7; 64]);
            corrupt(&mut one, seed);
            corrupt(&mut two, seed);
            assert_eq!(one, two);
            assert_eq!(one.iter().filter(|byte| **byte != 7).count(), 1);
        }
        corrupt(&mut [], 1);
    }
}
