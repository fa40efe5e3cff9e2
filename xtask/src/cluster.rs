//! The Kubernetes cluster that the setup `k8s` runs on.

use std::env;
use std::ffi::OsStr;

/// What is missing for it, one thing an entry; empty when a cluster is named. The user's own kubeconfig is never taken by
/// itself: a conformance run makes pods and secrets.
pub(crate) fn missing() -> Vec<String> {
    missing_of(env::var_os("KUBECONFIG").as_deref())
}

fn missing_of(kubeconfig: Option<&OsStr>) -> Vec<String> {
    let Some(list) = kubeconfig.filter(|list| !list.is_empty()) else {
        return vec![
            "KUBECONFIG (the kubeconfig of a cluster whose nodes pull from this machine's loopback)"
                .to_owned(),
        ];
    };
    let files: Vec<_> = env::split_paths(list).filter(|path| !path.as_os_str().is_empty()).collect();
    // As kubectl has it, one that is missing is passed over as long as there is another.
    if files.iter().any(|path| path.is_file()) {
        return Vec::new();
    }
    files.iter().map(|path| format!("{} (named by KUBECONFIG)", path.display())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_to_be_named() {
        for unset in [None, Some(OsStr::new(""))] {
            let missing = missing_of(unset);
            assert!(missing.len() == 1 && missing[0].starts_with("KUBECONFIG ("), "{missing:?}");
        }
        assert_eq!(missing_of(Some(OsStr::new("/no/such/file"))), ["/no/such/file (named by KUBECONFIG)"]);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(missing_of(Some(file.path().as_os_str())).is_empty());
        let both = env::join_paths(["/no/such/file".as_ref(), file.path()]).unwrap();
        assert!(missing_of(Some(&both)).is_empty());
    }
}
