//! Namespaces, users, capabilities and profiles.

use serde::{Deserialize, Serialize};

use super::IdMapping;

/// Security of the pod's sandbox, and what its containers take over unless they say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct PodSecurity {
    /// Which namespaces are shared with whom.
    #[serde(default)]
    pub namespaces: Namespaces,
    /// SELinux label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selinux: Option<SeLinuxOptions>,
    /// User id of the sandbox's own process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<u32>,
    /// Group id of the sandbox's own process. Needs `run_as_user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<u32>,
    /// The sandbox's own root file system can't be written.
    #[serde(default)]
    pub read_only_rootfs: bool,
    /// More groups of the sandbox's own process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supplemental_groups: Vec<u32>,
    /// Whether groups of the image's files are added.
    #[serde(default)]
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// Containers of the pod may be privileged.
    #[serde(default)]
    pub privileged: bool,
    /// System call filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<SecurityProfile>,
    /// AppArmor profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<SecurityProfile>,
    /// CRI's deprecated way to name a seccomp profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp_profile_path: Option<String>,
}

/// Security of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerSecurity {
    /// Linux capabilities beside the runtime's default.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Every capability, device and path of the host.
    #[serde(default)]
    pub privileged: bool,
    /// Which namespaces are shared with whom. Not said: the pod's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Namespaces>,
    /// SELinux label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selinux: Option<SeLinuxOptions>,
    /// User id. Not said: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<u32>,
    /// Group id. Needs a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<u32>,
    /// User name, looked up in the image. Not together with `run_as_user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_username: Option<String>,
    /// The root file system can't be written.
    #[serde(default)]
    pub read_only_rootfs: bool,
    /// More groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supplemental_groups: Vec<u32>,
    /// Whether groups of the image's files are added.
    #[serde(default)]
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// The process and its children can't gain privileges.
    #[serde(default)]
    pub no_new_privs: bool,
    /// Paths hidden inside. Not said: OCI's usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_paths: Option<Vec<String>>,
    /// Paths that can't be written. Not said: OCI's usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readonly_paths: Option<Vec<String>>,
    /// System call filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<SecurityProfile>,
    /// AppArmor profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<SecurityProfile>,
    /// CRI's deprecated way to name an AppArmor profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<String>,
    /// CRI's deprecated way to name a seccomp profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp_profile_path: Option<String>,
}

/// Linux capabilities to add to and drop from the runtime's default, such as `NET_ADMIN` or `ALL`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    /// Added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<String>,
    /// Dropped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// Added as ambient ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add_ambient: Vec<String>,
}

/// Which namespaces are shared with whom. The default is Kubernetes': network and IPC of the pod, processes of the
/// container alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Namespaces {
    /// Network.
    pub network: NamespaceMode,
    /// Processes.
    pub pid: NamespaceMode,
    /// System V IPC and POSIX message queues.
    pub ipc: NamespaceMode,
    /// The container that [`NamespaceMode::Target`] means, by id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Users. Not said: the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserNamespace>,
}

/// With whom a namespace is shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NamespaceMode {
    /// The containers of the pod.
    #[default]
    Pod,
    /// Nobody.
    Container,
    /// The host.
    Node,
    /// Another container of the pod.
    Target,
}

/// A user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserNamespace {
    /// With whom it is shared; `Pod` or `Node`.
    pub mode: NamespaceMode,
    /// User ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uids: Vec<IdMapping>,
    /// Group ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gids: Vec<IdMapping>,
}

/// Whether groups that the image's `/etc/group` gives the user are added to those of the spec.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SupplementalGroupsPolicy {
    /// They are.
    #[default]
    Merge,
    /// Only those of the spec.
    Strict,
}

/// A seccomp or AppArmor profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecurityProfile {
    /// The runtime's default.
    #[default]
    RuntimeDefault,
    /// None.
    Unconfined,
    /// One of the host, by name or path.
    Localhost(String),
}

/// An SELinux label.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SeLinuxOptions {
    /// User.
    pub user: String,
    /// Role.
    pub role: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Level.
    pub level: String,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self {
            network: NamespaceMode::Pod,
            pid: NamespaceMode::Container,
            ipc: NamespaceMode::Pod,
            target: None,
            user: None,
        }
    }
}
