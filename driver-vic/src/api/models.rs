//! What requests and answers carry.
//!
//! The server leaves out what is zero, false or empty, and writes null for arrays without elements: whatever is missing has its
//! default.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize};

/// A snapshot of a container with changes that wait for their commit. Opaque, and known to nobody after it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Handle(pub(crate) String);

/// What a container VM is made from. Its images come by their own calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateConfig {
    pub(crate) name: String,
    #[serde(rename = "numCPUs")]
    pub(crate) num_cpus: u64,
    /// In MiB.
    #[serde(rename = "memoryMB")]
    pub(crate) memory_mib: u64,
    pub(crate) hostname: String,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The answer to a create: nothing is there before the handle's commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Created {
    pub(crate) id: String,
    pub(crate) handle: Handle,
}

/// All that the server knows of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerInfo {
    #[serde(deserialize_with = "nullable")]
    pub(crate) container_config: ContainerConfig,
    #[serde(deserialize_with = "nullable")]
    pub(crate) process_config: ProcessConfig,
    #[serde(deserialize_with = "nullable")]
    pub(crate) endpoints: Vec<Endpoint>,
}

/// The VM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ContainerConfig {
    pub(crate) container_id: String,
    /// In nanoseconds since 1970.
    pub(crate) create_time: i64,
    #[serde(deserialize_with = "nullable")]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) state: String,
    pub(crate) storage_size: i64,
}

/// The task whose id is the container's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ProcessConfig {
    /// Empty before it was launched, `true` after, and else why it could not be.
    pub(crate) status: String,
    /// In seconds since 1970.
    pub(crate) start_time: i64,
    /// In seconds since 1970.
    pub(crate) stop_time: i64,
    pub(crate) exit_code: i32,
    pub(crate) error_msg: String,
}

/// A container's place in a network, as the info of containers has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    /// With a prefix length, as `172.16.0.2/16`; a bare address where it comes from a call of scopes. Empty until the guest has
    /// told.
    pub(crate) address: String,
}

/// A task to join to a handle. Without `Debug`: commands and environments may hold secrets.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskJoin {
    pub(crate) handle: Handle,
    /// Not said: the server makes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Which of the images that were joined is its root: the layer's id.
    pub(crate) namespace: String,
    pub(crate) path: String,
    pub(crate) args: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) working_dir: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    pub(crate) attach: bool,
    pub(crate) open_stdin: bool,
    pub(crate) tty: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_signal: Option<String>,
}

/// A handle and a task of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfTask {
    pub(crate) handle: Handle,
    pub(crate) id: String,
}

/// A handle alone, as many calls take and give it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OfHandle {
    pub(crate) handle: Handle,
}

/// How a task is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TaskInspect {
    /// `created`, `running`, `stopped`, `failed` or `unknown`.
    pub(crate) state: String,
    pub(crate) exit_code: i32,
    #[serde(deserialize_with = "nullable")]
    pub(crate) process_config: ProcessConfig,
}

/// An image to join to a handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ImageJoin {
    pub(crate) handle: Handle,
    /// Names the disk that is written to.
    #[serde(rename = "deltaID")]
    pub(crate) delta_id: String,
    #[serde(rename = "imageID")]
    pub(crate) image_id: String,
    #[serde(rename = "repoName")]
    pub(crate) repo_name: String,
}

/// A network to add to a handle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeJoin {
    pub(crate) handle: Handle,
    pub(crate) network_config: NetworkConfig,
}

/// What a container is in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkConfig {
    pub(crate) network_name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) aliases: Vec<String>,
    /// `hostPort:containerPort/protocol`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ports: Vec<String>,
}

/// What a virtual container host has and uses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct HostInfo {
    pub(crate) cpu_mhz: i64,
    /// In MiB.
    pub(crate) memory: i64,
    /// In MHz.
    pub(crate) cpu_usage: i64,
    /// In bytes.
    pub(crate) mem_usage: i64,
    pub(crate) host_product_name: String,
}

/// An entry of the key-value store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct KeyValue {
    pub(crate) value: String,
}

/// What happened to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct EventLine {
    /// The container's id.
    #[serde(rename = "Ref")]
    pub(crate) container: String,
}

/// A handle lets its holder change a container.
impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

/// Null is what is not there.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
