//! Kubernetes quantities: `250m`, `1.5Gi`, `2e3`.

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
            Scale::Times(nanos_per_one) => scaled(whole, fraction, nanos_per_one),
            Scale::PowerOfTen(exponent) => shifted(whole, fraction, exponent),
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

/// `whole.fraction` times `factor`, rounded up; `None` when it can't be in range.
fn scaled(whole: &str, fraction: &str, factor: i128) -> Option<i128> {
    let whole: i128 = match whole.trim_start_matches('0') {
        "" => 0,
        digits => digits.parse().ok()?,
    };
    // From the last digit to the first; dropping the remainder on the way does not change the floor of the sum.
    let (mut part, mut exact) = (0, true);
    for digit in fraction.bytes().rev() {
        let sum = i128::from(digit - b'0') * factor + part;
        part = sum / 10;
        exact &= sum % 10 == 0;
    }
    whole.checked_mul(factor)?.checked_add(part + i128::from(!exact))
}

/// `whole.fraction` times 10^`exponent` in billionths, rounded up; `None` when it can't be in range.
fn shifted(whole: &str, fraction: &str, exponent: i64) -> Option<i128> {
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // The number is 0.significant times 10^point.
    let zeros = digits.len() - significant.len();
    let point = exponent.saturating_add(whole.len() as i64).saturating_sub(zeros as i64);
    match usize::try_from(point) {
        Ok(20..) => None,
        Ok(point) if point >= significant.len() => {
            scaled(&format!("{significant:0<point$}"), "", NANOS_PER_UNIT)
        }
        Ok(point) => {
            let (whole, fraction) = significant.split_at(point);
            scaled(whole, fraction, NANOS_PER_UNIT)
        }
        // Below a billionth, yet not nothing.
        Err(_) if point < -20 => Some(1),
        Err(_) => {
            let zeros = point.unsigned_abs() as usize;
            scaled("", &format!("{}{significant}", "0".repeat(zeros)), NANOS_PER_UNIT)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quantity(text: &str) -> Quantity {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn canonical_form() {
        for (text, canonical) in [
            ("0", "0"),
            ("0n", "0"),
            ("0.0Ki", "0"),
            ("0e99999999", "0"),
            ("-0", "0"),
            ("+0", "0"),
            ("1", "1"),
            ("+5", "5"),
            ("-5", "-5"),
            ("007", "7"),
            ("1.", "1"),
            (".5", "500m"),
            ("1.5", "1500m"),
            ("1000", "1k"),
            ("1000k", "1M"),
            ("12000", "12k"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("1E", "1E"),
            ("1e5", "100e3"),
            ("1e+6", "1e6"),
            ("1e-3", "1e-3"),
            ("1.5e0", "1500e-3"),
            ("5e0", "5"),
            ("100m", "100m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("1.1n", "2n"),
            ("-1.1n", "-2n"),
            ("0.1n", "1n"),
            ("1e-10", "1e-9"),
            ("1e-99999", "1e-9"),
            ("0.0000000001", "1n"),
            ("1u", "1u"),
            ("0.5u", "500n"),
            ("1Ki", "1Ki"),
            ("1024Ki", "1Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1000Ki", "1000Ki"),
            ("0.1Ki", "102400m"),
            ("1.1Ki", "1126400m"),
            ("1023.5Ki", "1048064"),
            ("-2048Ki", "-2Mi"),
            ("7Ei", "7Ei"),
            ("9E", "9E"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775807000000000n", "9223372036854775807"),
            ("0.000000000000000000001E", "1m"),
        ] {
            assert_eq!(quantity(text).to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn malformed() {
        for text in [
            "",
            " ",
            "-",
            "+",
            ".",
            "-.",
            "1 ",
            " 1",
            "1.1.M",
            "1+1.0M",
            "0.1mi",
            "0.1am",
            "aoeu",
            ".5i",
            "1i",
            "-3.01i",
            "-3.01e-",
            "+.1 ",
            "1K",
            "1ki",
            "1KI",
            "1kb",
            "1e",
            "1e3.5",
            "1e3M",
            "--1",
            "+-1",
            "1_000",
            "0x10",
            "١",
            "1e99999999999999999999",
            "NaN",
            "inf",
        ] {
            let error = text.parse::<Quantity>().unwrap_err();
            assert!(matches!(error, QuantityError::Malformed { .. }), "{text:?}: {error}");
        }
        assert_eq!(
            "1K".parse::<Quantity>().unwrap_err().to_string(),
            "malformed quantity \"1K\", expected a number with an optional suffix such as 250m, 1.5 or 64Mi"
        );
    }

    #[test]
    fn overflow() {
        for text in [
            "9223372036854775808",
            "-9223372036854775808",
            "8Ei",
            "10E",
            "1e19",
            "1e999999999",
            "9223372036854775807.1",
            "99999999999999999999999999999999999999999999999999",
            "99999999999999999999999999999999999999999999999999n",
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Overflow), "{text}");
        }
    }

    #[test]
    fn whole_bytes_and_milli_round_up() {
        for (text, value, milli) in [
            ("0", 0, 0),
            ("1", 1, 1000),
            ("1.5", 2, 1500),
            ("100m", 1, 100),
            ("1n", 1, 1),
            ("0.0011", 1, 2),
            ("1Ki", 1024, 1_024_000),
            ("1.5Ki", 1536, 1_536_000),
            ("64Mi", 67_108_864, 67_108_864_000),
        ] {
            assert_eq!(quantity(text).to_bytes(), Ok(value), "{text}");
            assert_eq!(quantity(text).value(), value as i64, "{text}");
            assert_eq!(quantity(text).to_milli(), Ok(milli), "{text}");
        }
        assert_eq!(quantity("-1.5").value(), -2);
        assert_eq!(quantity("-1n").to_bytes().unwrap_err().to_string(), "the quantity -1n is negative");
        assert!(matches!(quantity("-1").to_milli(), Err(QuantityError::Negative { .. })));
        assert_eq!(quantity("9E").to_milli(), Err(QuantityError::Overflow));
    }

    #[test]
    fn equality_is_that_of_the_number() {
        assert_eq!(quantity("1Ki"), quantity("1024"));
        assert_eq!(quantity("1"), quantity("1000m"));
        assert!(quantity("1M") < quantity("1Mi"));
        assert_eq!(Quantity::from_bytes(64 << 20).unwrap().to_string(), "64Mi");
        assert_eq!(Quantity::from_milli(250).to_string(), "250m");
        assert_eq!(Quantity::from_bytes(u64::MAX), Err(QuantityError::Overflow));
    }

    #[test]
    fn serde_takes_text_and_numbers() {
        let read = |json: &str| serde_json::from_str::<Quantity>(json);
        assert_eq!(read("\"64Mi\"").unwrap(), quantity("64Mi"));
        assert_eq!(read("2").unwrap(), quantity("2"));
        assert_eq!(read("-2").unwrap(), quantity("-2"));
        assert_eq!(read("0.5").unwrap(), quantity("500m"));
        assert!(read("1e300").is_err());
        assert!(read("true").is_err());
        assert_eq!(serde_json::to_string(&quantity("1.5Gi")).unwrap(), "\"1536Mi\"");
    }

    proptest! {
        #[test]
        fn display_reads_back_the_same(text in "[+-]?[0-9]{0,12}(\\.[0-9]{0,12})?(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})") {
            if let Ok(read) = text.parse::<Quantity>() {
                let shown = read.to_string();
                let again = quantity(&shown);
                prop_assert_eq!(again, read);
                prop_assert_eq!(again.to_string(), shown);
            }
        }

        #[test]
        fn whole_numbers_are_kept(number: i64) {
            prop_assume!(number != i64::MIN);
            prop_assert_eq!(quantity(&number.to_string()).value(), number);
        }

        #[test]
        fn an_exponent_is_a_suffix(number in 0..1_000_000u64, power in 0..4usize) {
            let exponent = quantity(&format!("{number}e{}", 3 * power));
            prop_assert_eq!(exponent, quantity(&format!("{number}{}", ["", "k", "M", "G"][power])));
        }

        #[test]
        fn fractions_are_exact_or_rounded_up(whole in 0..1u64 << 20, fraction in "[0-9]{1,30}") {
            // A fraction of a Ti, by way of wide integers.
            let digits = fraction.len().min(20);
            let unit = 10u128.pow(digits as u32);
            let part = fraction[..digits].parse::<u128>().unwrap() << 40;
            let least = (u128::from(whole) << 40) + part / unit;
            let value = quantity(&format!("{whole}.{fraction}Ti")).value() as u128;
            prop_assert!(value == least || value == least + 1, "{} {}", value, least);
        }

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = text.parse::<Quantity>();
        }
    }
}
