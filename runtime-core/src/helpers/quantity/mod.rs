//! Kubernetes quantities: `250m`, `1.5Gi`, `2e3`.

mod digits;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A fixed-point number with a suffix, as Kubernetes writes amounts of anything.
///
/// Counts in billionths, between -(2^63 - 1) and 2^63 - 1; finer fractions are rounded away from zero. Where Kubernetes
/// caps what is beyond, this is an error. Equality and order are those of the number: `1Ki` is `1024`. `Display` is
/// Kubernetes' canonical form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    notation: Notation,
}

/// The family of suffixes that a quantity came with and is printed in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Notation {
    /// `n u m k M G T P E`
    #[default]
    Decimal,
    /// `Ki Mi Gi Ti Pi Ei`
    Binary,
    /// `e3`
    Exponent,
}

const NANOS_PER_UNIT: i128 = 1_000_000_000;
const MAX_NANOS: i128 = i64::MAX as i128 * NANOS_PER_UNIT;
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// From 10^-9 on, a factor of thousand each.
const DECIMAL_SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, notation: Notation::Decimal };

    /// So many bytes, printed with binary suffixes.
    ///
    /// # Errors
    /// More than 2^63 - 1.
    pub fn from_bytes(bytes: u64) -> Result<Self, QuantityError> {
        Self::checked(i128::from(bytes) * NANOS_PER_UNIT, Notation::Binary).ok_or(QuantityError::Overflow)
    }

    /// So many thousandths, as of a processor.
    #[must_use]
    pub const fn from_milli(milli: i64) -> Self {
        Self { nanos: milli as i128 * 1_000_000, notation: Notation::Decimal }
    }

    /// Whole units, rounded away from zero.
    #[must_use]
    pub fn value(&self) -> i64 {
        // The constructors keep the number in range.
        i64::try_from(self.rounded(NANOS_PER_UNIT)).unwrap_or(i64::MAX)
    }

    /// Whole bytes, rounded up.
    ///
    /// # Errors
    /// Less than nothing.
    pub fn to_bytes(&self) -> Result<u64, QuantityError> {
        u64::try_from(self.rounded(NANOS_PER_UNIT))
            .map_err(|_| QuantityError::Negative { quantity: self.to_string() })
    }

    /// Thousandths, rounded up.
    ///
    /// # Errors
    /// Less than nothing, or too many thousandths to count.
    pub fn to_milli(&self) -> Result<u64, QuantityError> {
        if self.nanos < 0 {
            return Err(QuantityError::Negative { quantity: self.to_string() });
        }
        u64::try_from(self.rounded(1_000_000)).map_err(|_| QuantityError::Overflow)
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    fn checked(nanos: i128, notation: Notation) -> Option<Self> {
        (nanos.abs() <= MAX_NANOS).then_some(Self { nanos, notation })
    }

    fn rounded(&self, unit: i128) -> i128 {
        let whole = self.nanos / unit;
        if self.nanos % unit == 0 { whole } else { whole + self.nanos.signum() }
    }
}

/// Why a quantity is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// It has not the form of one.
    #[error(
        "malformed quantity {text:?}, expected a number with an optional suffix such as 250m, 1.5 or 64Mi"
    )]
    Malformed {
        /// The text as it came.
        text: String,
    },
    /// It is beyond what can be counted.
    #[error("the quantity is too large to be counted")]
    Overflow,
    /// There can't be less than nothing of it.
    #[error("the quantity {quantity} is negative")]
    Negative {
        /// What it is.
        quantity: String,
    },
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || QuantityError::Malformed { text: text.to_owned() };
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(malformed());
        }
        let (notation, scale) = read_suffix(suffix).ok_or_else(malformed)?;
        let nanos = match scale {
            Scale::Times(nanos_per_one) => digits::scaled(whole, fraction, nanos_per_one),
            Scale::PowerOfTen(exponent) => digits::shifted(whole, fraction, exponent),
        };
        let nanos = nanos.ok_or(QuantityError::Overflow)?;
        Self::checked(if negative { -nanos } else { nanos }, notation).ok_or(QuantityError::Overflow)
    }
}

impl fmt::Display for Quantity {
    /// No fraction, and the largest suffix with which that is so.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nanos % NANOS_PER_UNIT == 0;
        let at_least_a_kibi = self.nanos.abs() >= 1024 * NANOS_PER_UNIT;
        if self.notation == Notation::Binary && whole && at_least_a_kibi {
            let (mut mantissa, mut power) = (self.nanos / NANOS_PER_UNIT, 0);
            while mantissa % 1024 == 0 && power + 1 < BINARY_SUFFIXES.len() {
                mantissa /= 1024;
                power += 1;
            }
            return write!(f, "{mantissa}{}", BINARY_SUFFIXES[power]);
        }
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let (mut mantissa, mut power) = (self.nanos, 0);
        while mantissa % 1000 == 0 && power + 1 < DECIMAL_SUFFIXES.len() {
            mantissa /= 1000;
            power += 1;
        }
        match (self.notation, 3 * power as i32 - 9) {
            (Notation::Exponent, 0) => write!(f, "{mantissa}"),
            (Notation::Exponent, exponent) => write!(f, "{mantissa}e{exponent}"),
            _ => write!(f, "{mantissa}{}", DECIMAL_SUFFIXES[power]),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From text, or from a plain number, as Kubernetes takes both.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 250m, 1.5 or 64Mi")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

enum Scale {
    /// So many billionths.
    Times(i128),
    /// Ten to the power of this.
    PowerOfTen(i64),
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn read_suffix(suffix: &str) -> Option<(Notation, Scale)> {
    if let Some(power) = DECIMAL_SUFFIXES.iter().position(|&known| known == suffix) {
        return Some((Notation::Decimal, Scale::Times(1000_i128.pow(power as u32))));
    }
    if let Some(power) = BINARY_SUFFIXES.iter().position(|&known| known == suffix) {
        return Some((Notation::Binary, Scale::Times(NANOS_PER_UNIT << (10 * power))));
    }
    // An exponent too long for its type is no number in Kubernetes either.
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    Some((Notation::Exponent, Scale::PowerOfTen(exponent.parse().ok()?)))
}

#[cfg(test)]
mod tests;
