//! What can't be shown on the fake.

use runtime_core::Capability;

/// What containerd honours and the fake, even as root, does not, with the reason.
pub const LACKS: &[(Capability, &str)] = &[
    (Capability::PodCgroupParent, "the fake has no cgroups, containers only see files like theirs"),
    (Capability::ContainerForceKill, "the fake's processes are in no cgroup that would prove whose they are"),
    (Capability::PodForceKill, "the fake's processes are in no cgroup that would prove whose they are"),
    (
        Capability::ContainerHugepages,
        "accepted without effect, as without the kernel's controller for huge pages",
    ),
    (Capability::ContainerCgroupUnified, "refused as on cgroup v1"),
    (Capability::ContainerApparmor, "accepted without effect, as without AppArmor in the kernel"),
    (Capability::ContainerSelinux, "accepted without effect, as without SELinux in the kernel"),
    (Capability::ContainerAmbientCapabilities, "accepted without effect, as by containerd 1.6"),
];
