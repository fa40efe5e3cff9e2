//! `POST /containers`: an id and a handle. There is no VM before the first commit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Config, Device};
use crate::engine::random_id;
use crate::fake_vic::call::Call;
use crate::fake_vic::handles::Handle;
use crate::fake_vic::port_layer::PortLayer;
use crate::fake_vic::reply::{Refusal, Reply};

/// What the handler looks at; image, layer, repository, store and `networkDisabled` are described and ignored. The domain's name
/// would only be seen in files that the guest writes, which there are none of here.
#[derive(Deserialize, Default)]
#[serde(default)]
struct CreateConfig {
    name: String,
    #[serde(rename = "numCPUs")]
    cpus: i64,
    #[serde(rename = "memoryMB")]
    memory_mib: i64,
    annotations: BTreeMap<String, String>,
    hostname: String,
}

impl PortLayer {
    pub(in crate::fake_vic) fn create(&self, call: &Call) -> Result<Reply, Refusal> {
        // The pattern is bound to neither end, and what is given here is not used.
        let letter = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if call.text("name").is_some_and(|name| !name.is_empty() && !name.contains(letter)) {
            return Err(Refusal::framework(605, "name in query should match '/?[a-zA-Z0-9_-]+'"));
        }
        let CreateConfig { name, cpus, memory_mib, annotations, hostname } = call.body("createConfig")?;
        // Whatever goes wrong here is answered with 404.
        let id = random_id().map_err(|error| Refusal::new(404, error.to_string()))?;
        let config = Config {
            id: id.clone(),
            name,
            hostname,
            cpus,
            memory_mib,
            annotations,
            create_time: i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX),
            interaction: Device::None,
            logging: Device::None,
            ..Config::default()
        };
        let handle =
            Handle { machine: None, config, powered_on: false, version: 0, target: None, changed: true };
        let handle = self.open_handle(handle)?;
        Ok(Reply::Json(200, json!({"id": id, "handle": handle})))
    }
}
