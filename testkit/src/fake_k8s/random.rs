//! Random names and ids.

use std::hash::{BuildHasher, RandomState};

/// What `generateName` draws from: no vowels, so that no words come of it.
const NAME_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const NAME_SUFFIX_LENGTH: usize = 5;

/// A uid as Kubernetes has them: a random UUID.
pub(super) fn uid() -> String {
    let digits = format!("{:016x}{:016x}", bits(), bits());
    let [a, b, c, d, e] = [&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..]];
    format!("{a}-{b}-4{c}-a{d}-{e}")
}

/// What `generateName` ends in.
pub(super) fn name_suffix() -> String {
    let mut rest = bits();
    let letters = NAME_LETTERS.len() as u64;
    let mut draw = || {
        let letter = NAME_LETTERS[(rest % letters) as usize];
        rest /= letters;
        char::from(letter)
    };
    (0..NAME_SUFFIX_LENGTH).map(|_| draw()).collect()
}

fn bits() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_uuids_and_differ() {
        let (one, two) = (uid(), uid());
        assert_ne!(one, two);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }

    #[test]
    fn suffixes_differ() {
        assert_ne!(name_suffix(), name_suffix());
        assert_eq!(name_suffix().len(), 5);
    }
}
