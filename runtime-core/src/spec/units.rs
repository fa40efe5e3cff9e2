//! Units.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::helpers::quantity::Quantity;

/// An amount of memory or storage. In YAML a number of bytes or a Kubernetes quantity such as `64Mi`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// Thousandths of a processor. In YAML a number of processors or a Kubernetes quantity such as `250m`; written as the
/// latter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MilliCpu(pub u64);

/// Microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Bytes {
    /// So many times 2^20 bytes.
    #[must_use]
    pub const fn mib(mib: u64) -> Self {
        Self(mib.saturating_mul(1 << 20))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0)
    }
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.0)
    }
}

impl Serialize for MilliCpu {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let quantity = quantity(deserializer)?;
        let bytes = quantity.to_bytes().map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

impl<'de> Deserialize<'de> for MilliCpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let quantity = quantity(deserializer)?;
        let milli = quantity.to_milli().map_err(serde::de::Error::custom)?;
        Ok(Self(milli))
    }
}

/// A quantity, written as a string or as a plain number.
fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Whole(u64),
        Signed(i64),
        Decimal(f64),
        Text(String),
    }
    let text = match Form::deserialize(deserializer)? {
        Form::Whole(number) => number.to_string(),
        Form::Signed(number) => number.to_string(),
        Form::Decimal(number) => number.to_string(),
        Form::Text(text) => text,
    };
    text.parse().map_err(serde::de::Error::custom)
}
