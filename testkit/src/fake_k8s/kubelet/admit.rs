//! Which pods a kubelet lets in.

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::{Value, json};

use super::config::Identity;
use super::pod::PodRun;
use super::state::Verdict;
use crate::fake_k8s::store::Resource;

/// The kernel parameters that a pod may set where a kubelet was told of no others.
const SAFE_SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Why a pod is not let in.
fn refusal(spec: &PodSpec) -> Option<Verdict> {
    let sysctls = spec.security_context.as_ref().and_then(|security| security.sysctls.as_ref());
    let unsafe_one = sysctls?.iter().find(|sysctl| !SAFE_SYSCTLS.contains(&sysctl.name.as_str()))?;
    let message = format!("forbidden sysctl: {:?} not allowlisted", unsafe_one.name);
    Some(Verdict { reason: "SysctlForbidden".to_owned(), message })
}

impl PodRun {
    /// Lets the pod in, or fails it with a status that says nothing of its containers.
    pub(super) fn admit(&self) -> bool {
        let Some(Verdict { reason, message }) = refusal(&self.spec) else { return true };
        self.tell(&reason, message.clone(), true, None);
        let Identity { namespace, name, uid } = &self.identity;
        let written = self.cluster.store.edit(Resource::Pods, namespace, name, |pod| {
            if pod["metadata"]["uid"] == uid.as_str() {
                let before = pod["status"].take();
                let mut status = json!({
                    "observedGeneration": pod["metadata"]["generation"],
                    "phase": "Failed",
                    "reason": reason,
                    "message": format!("Pod was rejected: {message}"),
                });
                for kept in ["qosClass", "conditions"] {
                    if before[kept] != Value::Null {
                        status[kept] = before[kept].clone();
                    }
                }
                pod["status"] = status;
            }
            Ok(())
        });
        // It may be gone.
        drop(written);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_parameters_that_are_not_safe() {
        let spec = |names: &[&str]| -> PodSpec {
            let sysctls: Vec<_> = names.iter().map(|name| json!({"name": name, "value": "1"})).collect();
            let security = json!({"sysctls": sysctls});
            serde_json::from_value(json!({"containers": [], "securityContext": security})).unwrap()
        };
        assert_eq!(refusal(&spec(&[])), None);
        assert_eq!(refusal(&spec(&SAFE_SYSCTLS)), None);
        let told = refusal(&spec(&["net.ipv4.tcp_syncookies", "kernel.msgmax"])).unwrap();
        assert_eq!(told.reason, "SysctlForbidden");
        assert_eq!(told.message, "forbidden sysctl: \"kernel.msgmax\" not allowlisted");
    }
}
