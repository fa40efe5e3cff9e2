//! Options that belong to one driver, carried in a common spec.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Error, Result};

/// The options of one driver: a serde type with the driver's name as its key.
pub trait DriverOptions: Serialize + DeserializeOwned {
    /// The key in [`Extensions`], which is the driver's name.
    const KEY: &'static str;
}

/// Driver options by key. A driver refuses a spec with a key that it does not know, so an option is never ignored.
///
/// `Debug` shows the keys alone: what a driver keeps secret among its options is plain JSON here.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extensions(BTreeMap<String, serde_json::Value>);

impl Extensions {
    /// Sets the options of a driver.
    ///
    /// # Errors
    /// `InvalidArgument` when the options can't be written as JSON.
    pub fn set<T: DriverOptions>(&mut self, options: &T) -> Result<()> {
        let value = serde_json::to_value(options)
            .map_err(|error| Error::invalid(format!("extensions.{}", T::KEY), error))?;
        self.0.insert(T::KEY.to_owned(), value);
        Ok(())
    }

    /// The options of a driver; its default when there are none.
    ///
    /// # Errors
    /// `InvalidArgument` naming the key when they are not of the driver's form.
    pub fn get<T: DriverOptions + Default>(&self) -> Result<T> {
        match self.0.get(T::KEY) {
            None => Ok(T::default()),
            Some(value) => {
                T::deserialize(value).map_err(|error| Error::invalid(format!("extensions.{}", T::KEY), error))
            }
        }
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}
