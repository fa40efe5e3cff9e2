//! Names of what is made beside a pod.

use runtime_core::helpers::name::{MAX_SUBDOMAIN, sanitize_label};
use sha2::{Digest, Sha256};

/// The label of a node with its architecture.
pub(crate) const ARCH_LABEL: &str = "kubernetes.io/arch";

/// The same before Kubernetes 1.14.
pub(crate) const OLD_ARCH_LABEL: &str = "beta.kubernetes.io/arch";

/// The name of the secret that belongs to one life of a pod: another life of the same name has another one.
pub(crate) fn secret(pod: &str, life: &str) -> String {
    let hash = Sha256::digest(format!("{pod}/{life}").as_bytes());
    let hash: String = hash.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    let room = MAX_SUBDOMAIN - hash.len() - 1;
    // A valid name is ASCII, and what is cut must not end with a dot or dash.
    let readable = pod.get(..pod.len().min(room)).unwrap_or_default().trim_end_matches(['-', '.']);
    if readable.is_empty() { sanitize_label(life, 63) } else { format!("{readable}-{hash}") }
}

/// The key of a variable in such a secret.
pub(super) fn env_key(container: &str, index: usize) -> String {
    format!("env.{container}.{index}")
}

/// The first of `prefix-0`, `prefix-1`, … that isn't taken.
pub(super) fn free(prefix: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0_usize;
    loop {
        let name = format!("{prefix}-{number}");
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_core::helpers::name::validate_subdomain;

    #[test]
    fn secrets_of_long_names_stay_apart() {
        let long = |end: &str| format!("{}{end}", "a".repeat(250));
        let names =
            [secret(&long("b"), "1"), secret(&long("c"), "1"), secret(&long("b"), "2"), secret("a", "1")];
        for (index, name) in names.iter().enumerate() {
            validate_subdomain(name).unwrap();
            assert!(!names[..index].contains(name), "{name}");
        }
        assert!(names[3].starts_with("a-"));
        validate_subdomain(&secret(&format!("{}.{}", "a".repeat(241), "b".repeat(11)), "1")).unwrap();
    }

    #[test]
    fn free_names() {
        assert_eq!(free("host", |_| false), "host-0");
        assert_eq!(free("host", |name| name == "host-0"), "host-1");
    }
}
