//! What tells one conversation's marks from everything else.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
};

/// A text of 32 hexadecimal digits that nobody can guess. It is no secret to who runs in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        let half = |number: u8| RandomState::new().hash_one(number);
        Self(format!("{:016x}{:016x}", half(1), half(2)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let (one, other) = (Nonce::random(), Nonce::random());
        assert_ne!(one, other);
        assert!(one.as_str().len() == 32 && one.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
