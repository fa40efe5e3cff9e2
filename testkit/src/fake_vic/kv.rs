//! `/kv/{key}`: texts by name, which the personas keep what they know in.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply};

#[derive(Default)]
pub(super) struct KeyValues(Mutex<BTreeMap<String, String>>);

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct KeyValue {
    key: String,
    value: String,
}

impl KeyValues {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortLayer {
    pub(super) fn kv_get(&self, call: &Call) -> Result<Reply, Refusal> {
        let key = call.first();
        let value = self.kv.lock().get(key).cloned().ok_or(Refusal::Empty(404))?;
        Ok(Reply::Json(200, json!({"Key": key, "Value": value})))
    }

    /// Stored under the body's key, whatever the path says.
    pub(super) fn kv_put(&self, call: &Call) -> Result<Reply, Refusal> {
        let KeyValue { key, value } = call.body("key_value")?;
        self.kv.lock().insert(key, value);
        Ok(Reply::Empty(200))
    }

    pub(super) fn kv_delete(&self, call: &Call) -> Result<Reply, Refusal> {
        self.kv.lock().remove(call.first()).map(|_| Reply::Empty(200)).ok_or(Refusal::Empty(404))
    }
}
