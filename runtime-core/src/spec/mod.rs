//! What a caller asks for: plain serde data, the same for every driver.
//!
//! The types carry all of CRI v1's `PodSandboxConfig` and `ContainerConfig` and what Kubernetes pods add. `Default` is
//! "not said"; what is not said is never sent as if it were. In YAML and JSON the names are camelCase and an unknown
//! field is refused.

mod container;
mod default_paths;
mod exec;
mod extensions;
mod image;
mod image_mount;
mod mount;
mod network;
mod pod;
mod resources;
mod security;
mod units;
mod windows;

pub use container::{ContainerSpec, Device, EnvVar};
pub use exec::ExecSpec;
pub use extensions::{DriverOptions, Extensions};
pub use image::{ImageSpec, RegistryCredentials};
pub use image_mount::ImageMountSpec;
pub use mount::{IdMapping, Mount, MountPropagation, MountSource, Volume, VolumeSource};
pub use network::{DnsConfig, PortMapping, Protocol};
pub use pod::{PodSpec, RestartPolicy};
pub use resources::{CpuQuota, HugepageLimit, LinuxResources, ResourceAmounts, Resources, SwapLimit};
pub use security::{
    Capabilities as LinuxCapabilities, ContainerSecurity, NamespaceMode, Namespaces, PodSecurity,
    SeLinuxOptions, SecurityProfile, SupplementalGroupsPolicy, UserNamespace,
};
pub use units::{Bytes, Micros, MilliCpu};
pub use windows::{
    WindowsContainerOptions, WindowsCpuAffinity, WindowsPodOptions, WindowsResources, WindowsSecurity,
};
