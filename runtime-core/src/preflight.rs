//! Can this driver do this? Asked before any IO, field by field.

use crate::{
    Call, Capabilities, Capability, Context, Error, Result, Support, requirements, spec::PodSpec, validate,
};

/// The verdict on every field of a spec that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preflight {
    /// One for each field that needs a capability, in the order of the spec.
    pub verdicts: Vec<Verdict>,
}

/// The verdict on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The path of the field, such as `containers[0].mounts[1].propagation`.
    pub field: String,
    /// What it needs; `None` for driver options.
    pub capability: Option<Capability>,
    /// How the driver supports it; [`Support::Unsupported`] is a rejection.
    pub support: Support,
}

impl Preflight {
    /// Looks at a pod's spec.
    #[must_use]
    pub fn of(capabilities: &Capabilities, spec: &PodSpec) -> Self {
        let mut verdicts = vec![Verdict {
            field: "pod".to_owned(),
            capability: Some(Capability::PodRun),
            support: capabilities.support(Capability::PodRun),
        }];
        requirements::of_pod(spec, &mut |capability, field| {
            verdicts.push(Verdict {
                field: field.to_string(),
                capability: Some(capability),
                support: capabilities.support(capability),
            });
        });
        for key in spec.extensions.keys() {
            let support =
                if capabilities.knows_extension(key) { Support::Native } else { Support::Unsupported };
            verdicts.push(Verdict { field: format!("extensions.{key}"), capability: None, support });
        }
        Self { verdicts }
    }

    /// The fields that the driver can't honour.
    pub fn rejected(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.support == Support::Unsupported)
    }

    /// Whether the driver can run the spec.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.rejected().next().is_none()
    }
}

/// Checks a call before any IO: the input by itself, then against what the driver can do.
///
/// The gate layer calls it for every client, and every driver calls it first thing, so that a driver used without layers
/// refuses the same.
///
/// # Errors
/// `InvalidArgument` names the field; `Unsupported` names the call or field and the capability that is missing.
pub fn admit(driver: &'static str, capabilities: &Capabilities, cx: &Context, call: &Call<'_>) -> Result<()> {
    let mut refusal = None;
    if let Some(capability) = call.capability()
        && !capabilities.has(capability)
    {
        refusal = Some(unsupported(driver, &call.operation(), capability));
    }
    if refusal.is_none() {
        validate::call(cx, call)?;
        requirements::of_call(call, &mut |capability, field| {
            if refusal.is_none() && !capabilities.has(capability) {
                refusal = Some(unsupported(driver, field, capability));
            }
        });
    }
    let extensions = match call {
        Call::PodRun { spec, .. } => Some(&spec.extensions),
        Call::ImageMount { spec, .. } | Call::ImageRemount { spec, .. } => Some(&spec.extensions),
        _ => None,
    };
    if let (None, Some(extensions)) = (&refusal, extensions) {
        let unknown = extensions.keys().find(|key| !capabilities.knows_extension(key));
        refusal = unknown.map(|key| {
            Error::unsupported(format_args!("extensions.{key}"))
                .with_driver(driver)
                .with_operation(call.operation())
        });
    }
    refusal.map_or(Ok(()), |error| Err(error.with_operation(call.operation())))
}

fn unsupported(driver: &'static str, what: &dyn std::fmt::Display, capability: Capability) -> Error {
    Error::unsupported(what).with_driver(driver).with_context("capability", capability.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, RunOptions, spec::ContainerSpec};

    fn admit_pod(capabilities: &Capabilities, spec: &PodSpec) -> Result<()> {
        let options = RunOptions::default();
        admit("test", capabilities, &Context::background(), &Call::PodRun { spec, options: &options })
    }

    #[test]
    fn names_the_field_and_the_driver() {
        let spec = PodSpec::new("p").with_container(ContainerSpec::new("c", "image:1").with_env("A", "b"));
        let capabilities = Capabilities::none().native([Capability::PodRun, Capability::PodContainers]);
        let error = admit_pod(&capabilities, &spec).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "pod.run on test: containers[0].env is not supported, capability=container.env"
        );
        assert!(!Preflight::of(&capabilities, &spec).is_ok());
        let capabilities = capabilities.emulated([Capability::ContainerEnv]);
        admit_pod(&capabilities, &spec).unwrap();
        assert!(Preflight::of(&capabilities, &spec).is_ok());
    }

    #[test]
    fn refuses_options_of_another_driver() {
        let mut spec = PodSpec::new("p").with_container(ContainerSpec::new("c", "image:1"));
        spec.extensions = serde_json::from_str(r#"{"other": {"x": 1}}"#).unwrap();
        let capabilities = Capabilities::none().native([Capability::PodRun, Capability::PodContainers]);
        let error = admit_pod(&capabilities, &spec).unwrap_err();
        assert!(error.message().contains("extensions.other"), "{error}");
        admit_pod(&capabilities.with_extension("other"), &spec).unwrap();
    }
}
