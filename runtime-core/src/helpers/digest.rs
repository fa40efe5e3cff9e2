//! Content digests as OCI writes them: `sha256:…`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The digest of some content: an algorithm and lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// The known algorithms with the number of their hex digits.
const ALGORITHMS: [(&str, usize); 2] = [("sha256", 64), ("sha512", 128)];

impl Digest {
    /// The digest that has these 32 bytes as its SHA-256 sum.
    #[must_use]
    pub fn from_sha256(sum: [u8; 32]) -> Self {
        let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("sha256:{hex}"))
    }

    /// The whole text, `sha256:…`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What comes before the colon.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// What comes after the colon.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestError::NoAlgorithm)?;
        let (_, expected) = ALGORITHMS
            .into_iter()
            .find(|(known, _)| *known == algorithm)
            .ok_or_else(|| DigestError::UnknownAlgorithm { algorithm: algorithm.to_owned() })?;
        if let Some(character) = hex.chars().find(|c| !matches!(c, '0'..='9' | 'a'..='f')) {
            return Err(DigestError::BadCharacter { character });
        }
        if hex.len() != expected {
            return Err(DigestError::BadLength {
                algorithm: algorithm.to_owned(),
                expected,
                length: hex.len(),
            });
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a digest is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DigestError {
    /// There is no colon.
    #[error("the digest names no algorithm, expected a form like sha256:…")]
    NoAlgorithm,
    /// The algorithm is not one that images use.
    #[error("unknown digest algorithm {algorithm:?}, known are sha256 and sha512")]
    UnknownAlgorithm {
        /// What stands before the colon.
        algorithm: String,
    },
    /// A character is no lower-case hex digit.
    #[error("the digest holds {character:?}, allowed are 0-9 and a-f")]
    BadCharacter {
        /// The first such character.
        character: char,
    },
    /// There are too few or too many digits.
    #[error("the digest has {length} hex digits, {algorithm} has {expected}")]
    BadLength {
        /// The algorithm.
        algorithm: String,
        /// How many digits it has.
        expected: usize,
        /// How many there are.
        length: usize,
    },
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_becomes_a_digest_that_can_be_read_again() {
        let digest = Digest::from_sha256([0xab; 32]);
        assert_eq!(digest.as_str(), format!("sha256:{}", "ab".repeat(32)));
        assert_eq!(digest.as_str().parse(), Ok(digest));
    }

    #[test]
    fn forms() {
        let text = format!("sha256:{}", "0a".repeat(32));
        let digest: Digest = text.parse().unwrap();
        assert_eq!(
            (digest.as_str(), digest.algorithm(), digest.hex()),
            (text.as_str(), "sha256", &*"0a".repeat(32))
        );
        assert!(format!("sha512:{}", "f".repeat(128)).parse::<Digest>().is_ok());
        assert_eq!(serde_json::from_str::<Digest>(&serde_json::to_string(&digest).unwrap()).unwrap(), digest);
    }

    #[test]
    fn refusals() {
        for (text, message) in [
            ("", "the digest names no algorithm, expected a form like sha256:…"),
            ("md5:00", "unknown digest algorithm \"md5\", known are sha256 and sha512"),
            ("SHA256:00", "unknown digest algorithm \"SHA256\", known are sha256 and sha512"),
            ("sha256:", "the digest has 0 hex digits, sha256 has 64"),
            ("sha256:0A", "the digest holds 'A', allowed are 0-9 and a-f"),
            ("sha512:00", "the digest has 2 hex digits, sha512 has 128"),
        ] {
            assert_eq!(text.parse::<Digest>().unwrap_err().to_string(), message);
        }
    }
}
