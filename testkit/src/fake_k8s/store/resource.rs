//! The kinds of objects that are kept.

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `configmaps`
    ConfigMaps,
    /// `events`
    Events,
    /// `leases`, of the group `coordination.k8s.io`
    Leases,
    /// `namespaces`
    Namespaces,
    /// `nodes`
    Nodes,
    /// `pods`
    Pods,
    /// `secrets`
    Secrets,
    /// `serviceaccounts`
    ServiceAccounts,
}

struct Names {
    group: &'static str,
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    short: &'static [&'static str],
}

impl Resource {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ConfigMaps,
        Self::Events,
        Self::Leases,
        Self::Namespaces,
        Self::Nodes,
        Self::Pods,
        Self::Secrets,
        Self::ServiceAccounts,
    ];

    /// By group and name in the path; `None` for what is not kept.
    #[must_use]
    pub fn named(group: &str, plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.group() == group && resource.plural() == plural)
    }

    /// The API group; empty for the core.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.names().group
    }

    /// Group and version, as in `apiVersion`.
    #[must_use]
    pub fn api_version(self) -> String {
        if self.group().is_empty() { "v1".to_owned() } else { format!("{}/v1", self.group()) }
    }

    /// The name in paths (`pods`).
    #[must_use]
    pub fn plural(self) -> &'static str {
        self.names().plural
    }

    /// The name for people (`pod`).
    #[must_use]
    pub fn singular(self) -> &'static str {
        self.names().singular
    }

    /// The kind (`Pod`).
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.names().kind
    }

    /// What kubectl also knows it by (`po`).
    #[must_use]
    pub fn short_names(self) -> &'static [&'static str] {
        self.names().short
    }

    /// Plural and group (`leases.coordination.k8s.io`), as in messages.
    #[must_use]
    pub fn qualified(self) -> String {
        let Names { group, plural, .. } = self.names();
        if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
    }

    /// Whether its objects live in namespaces.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        !matches!(self, Self::Namespaces | Self::Nodes)
    }

    /// Whether the status is a subresource, which updates of the object leave alone.
    #[must_use]
    pub fn has_status(self) -> bool {
        matches!(self, Self::Namespaces | Self::Nodes | Self::Pods)
    }

    /// Whether its objects count the changes of their spec.
    #[must_use]
    pub fn has_generation(self) -> bool {
        self == Self::Pods
    }

    /// Whether a deletion is answered with the object, not with a `Status`.
    #[must_use]
    pub fn returns_deleted(self) -> bool {
        matches!(self, Self::Namespaces | Self::Pods | Self::ServiceAccounts)
    }

    fn names(self) -> Names {
        const COORDINATION: &str = "coordination.k8s.io";
        let (group, plural, singular, kind, short): (_, _, _, _, &[&str]) = match self {
            Self::ConfigMaps => ("", "configmaps", "configmap", "ConfigMap", &["cm"]),
            Self::Events => ("", "events", "event", "Event", &["ev"]),
            Self::Leases => (COORDINATION, "leases", "lease", "Lease", &[]),
            Self::Namespaces => ("", "namespaces", "namespace", "Namespace", &["ns"]),
            Self::Nodes => ("", "nodes", "node", "Node", &["no"]),
            Self::Pods => ("", "pods", "pod", "Pod", &["po"]),
            Self::Secrets => ("", "secrets", "secret", "Secret", &[]),
            Self::ServiceAccounts => ("", "serviceaccounts", "serviceaccount", "ServiceAccount", &["sa"]),
        };
        Names { group, plural, singular, kind, short }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_path() {
        for resource in Resource::ALL {
            assert_eq!(Resource::named(resource.group(), resource.plural()), Some(resource));
        }
        assert_eq!(Resource::named("", "leases"), None);
    }
}
