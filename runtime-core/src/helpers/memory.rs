//! How much memory a machine gets: a request, a limit or a default, rounded up to what the platform can give.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An amount of memory in mebibytes (2^20 bytes).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mib(pub u64);

impl Mib {
    /// Bytes in one.
    pub const BYTES: u64 = 1 << 20;

    /// The smallest amount that holds so many bytes.
    #[must_use]
    pub const fn from_bytes_rounded_up(bytes: u64) -> Self {
        Self(bytes.div_ceil(Self::BYTES))
    }

    /// The amount in bytes.
    ///
    /// # Errors
    /// It does not fit.
    pub fn to_bytes(self) -> Result<u64, MemoryError> {
        self.0.checked_mul(Self::BYTES).ok_or(MemoryError::Overflow { amount: self })
    }
}

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}

/// What amounts of memory a platform can give to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryRule {
    /// For who asks for nothing.
    pub default: Mib,
    /// The least there can be.
    pub minimum: Mib,
    /// Every amount is a multiple of so many mebibytes.
    pub step_mib: NonZeroU64,
}

impl MemoryRule {
    /// The rule of vSphere Integrated Containers, where memory can only be added in steps of 128 MiB.
    pub const VIC: Self =
        Self { default: Mib(2048), minimum: Mib(512), step_mib: NonZeroU64::MIN.saturating_add(127) };

    /// The amount for a request and a limit in bytes: the request, else the limit, else the default, at least the
    /// minimum, rounded up to the step. Zero asks for nothing, as in Kubernetes.
    ///
    /// # Errors
    /// What was asked for, rounded up, is more than can be said in bytes.
    pub fn align(&self, request_bytes: Option<u64>, limit_bytes: Option<u64>) -> Result<Mib, MemoryError> {
        let asked = request_bytes.filter(|&bytes| bytes > 0).or(limit_bytes.filter(|&bytes| bytes > 0));
        let amount = asked.map_or(self.default, Mib::from_bytes_rounded_up).max(self.minimum);
        let overflow = MemoryError::Overflow { amount };
        let aligned = Mib(amount.0.checked_next_multiple_of(self.step_mib.get()).ok_or(overflow.clone())?);
        aligned.to_bytes().map_err(|_| overflow)?;
        Ok(aligned)
    }
}

/// Why an amount of memory is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// In bytes it would not fit.
    #[error("{amount} of memory is more than can be counted in bytes")]
    Overflow {
        /// What was asked for.
        amount: Mib,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn vic() {
        for (request, limit, expected) in [
            (None, None, 2048),
            (Some(0), Some(0), 2048),
            // 512 bytes are not 512 MiB, but the least there is.
            (Some(512), None, 512),
            (Some(1), None, 512),
            (Some(512 * MIB), None, 512),
            (Some(512 * MIB + 1), None, 640),
            (Some(513 * MIB), None, 640),
            (Some(640 * MIB), Some(1024 * MIB), 640),
            (None, Some(1000 * MIB), 1024),
            (Some(0), Some(1025 * MIB), 1152),
            (Some(3_000_000_000), None, 2944),
        ] {
            assert_eq!(MemoryRule::VIC.align(request, limit), Ok(Mib(expected)), "{request:?} {limit:?}");
        }
        assert_eq!(MemoryRule::VIC.step_mib.get(), 128);
    }

    #[test]
    fn too_much_is_refused() {
        let error = MemoryRule::VIC.align(Some(u64::MAX), None).unwrap_err();
        assert_eq!(error.to_string(), "17592186044416 MiB of memory is more than can be counted in bytes");
        let huge = MemoryRule { default: Mib(u64::MAX), ..MemoryRule::VIC };
        assert_eq!(huge.align(None, None), Err(MemoryError::Overflow { amount: Mib(u64::MAX) }));
        assert_eq!(Mib(u64::MAX).to_bytes(), Err(MemoryError::Overflow { amount: Mib(u64::MAX) }));
    }

    proptest! {
        #[test]
        fn enough_and_no_step_too_much(
            bytes in 1..u64::MAX / 2, default in 0..1u64 << 40, minimum in 0..1u64 << 40, step in 1..1u64 << 20,
        ) {
            let step_mib = NonZeroU64::new(step).unwrap();
            let rule = MemoryRule { default: Mib(default), minimum: Mib(minimum), step_mib };
            let given = rule.align(Some(bytes), None).unwrap();
            let least = minimum.max(bytes.div_ceil(MIB));
            prop_assert!(given.0 >= least && given.0 - least < step && given.0.is_multiple_of(step));
            prop_assert!(given.to_bytes().unwrap() >= bytes);
            prop_assert_eq!(rule.align(None, Some(bytes)), Ok(given));
        }
    }
}
