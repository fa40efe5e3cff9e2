//! Names that a runtime keeps for a create that has not ended.
//!
//! A runtime takes a sandbox's name first, and lists the sandbox last. In between, as long as a network plugin hangs if need
//! be, also after the caller has gone, it refuses the name to others with the same code as anything else. What it says is not
//! a thing to decide by. So it is asked for a sandbox that it can't make: with a label that is too long. Taking the name comes
//! before looking at labels, and these are refused with a code of their own.

use k8s_cri::v1 as cri;
use runtime_core::{Context, PodId, Result, compose::PodParts, spec::PodSpec};
use tonic::Code;

use crate::driver::CriDriver;

/// A label that says what the sandbox is for whose making fails, and its length beyond containerd's 4096 bytes.
const LABEL: &str = "wharf.dev/name-probe";
const LABEL_BYTES: usize = 5000;

/// An attempt that nobody counts up to.
const OTHER_ATTEMPT: u32 = u32::MAX - 1;

impl CriDriver {
    /// Whether the runtime refuses the name of this spec, and lists no pod that has it.
    pub(crate) async fn is_name_held(&self, cx: &Context, spec: &PodSpec) -> Result<bool> {
        if self.pods_named(cx, spec).await?.iter().any(|pod| pod.attempt == spec.attempt) {
            return Ok(false);
        }
        if !self.refuses_name(cx, spec, spec.attempt).await? {
            return Ok(false);
        }
        // A runtime that refuses every sandbox in this way says nothing about the name.
        Ok(!self.refuses_name(cx, spec, OTHER_ATTEMPT).await?)
    }

    /// Whether a sandbox that can't be made is refused before its labels are looked at.
    async fn refuses_name(&self, cx: &Context, spec: &PodSpec, attempt: u32) -> Result<bool> {
        let options = cri::NamespaceOption {
            // No network is set up for it.
            network: cri::NamespaceMode::Node.into(),
            ..Default::default()
        };
        let security_context =
            cri::LinuxSandboxSecurityContext { namespace_options: Some(options), ..Default::default() };
        let config = cri::PodSandboxConfig {
            metadata: Some(cri::PodSandboxMetadata {
                name: spec.name.clone(),
                namespace: spec.namespace_or_default().to_owned(),
                uid: spec.uid.clone().unwrap_or_default(),
                attempt,
            }),
            labels: [(LABEL.to_owned(), "x".repeat(LABEL_BYTES))].into(),
            linux: Some(cri::LinuxPodSandboxConfig {
                security_context: Some(security_context),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = cri::RunPodSandboxRequest { config: Some(config), ..Default::default() };
        match self.client().run_pod_sandbox(cx, request).await {
            // A runtime that takes any label.
            Ok(made) => {
                self.remove_sandbox(cx, &PodId::new(made.pod_sandbox_id)).await?;
                Ok(false)
            }
            Err(refusal) if refusal.code.is_none() || refusal.error.is_transient() => Err(refusal.into()),
            Err(refusal) => Ok(refusal.code == Some(Code::Unknown)),
        }
    }
}
