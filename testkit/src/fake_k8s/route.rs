//! What a path is about, and what a method does there.

use percent_encoding::percent_decode_str;

use super::PodSubresource;
use super::store::Resource;

/// The group of leases.
pub(super) const COORDINATION: &str = "coordination.k8s.io";
/// The group of access reviews.
pub(super) const AUTHORIZATION: &str = "authorization.k8s.io";
/// The group of metrics.
pub(super) const METRICS: &str = "metrics.k8s.io";

/// What a path is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/healthz` and the like.
    Health,
    /// `/version`
    Version,
    /// `/api`, `/apis`, `/api/v1`, `/apis/GROUP`, `/apis/GROUP/VERSION`
    Discovery(Discovery),
    /// Objects of a resource.
    Objects(Place),
    /// One object.
    Object(Place, String),
    /// The status of one object.
    Status(Place, String),
    /// What a node serves of a pod.
    Pod(PodSubresource, Place, String),
    /// `selfsubjectaccessreviews` and `selfsubjectrulesreviews`, by their kind.
    Review(&'static str),
    /// `pods` of the metrics API, in a namespace or of all, one or all.
    PodMetrics(Option<String>, Option<String>),
    /// Nothing that an API knows, though the path is an API's.
    Unknown,
    /// No API at all.
    NoPage,
}

/// The lists of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Discovery {
    CoreVersions,
    Groups,
    Group(String),
    /// The resources of a group; the core has the empty name.
    Resources(String),
}

/// A resource, in a namespace or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) resource: Resource,
    /// Empty for all, and for what has none.
    pub(super) namespace: String,
}

/// Which groups are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) leases: bool,
    pub(super) metrics: bool,
}

impl Served {
    /// The groups beside the core, with their versions.
    pub(super) fn groups(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [(AUTHORIZATION, "v1", true), (COORDINATION, "v1", self.leases), (METRICS, "v1beta1", self.metrics)]
            .into_iter()
            .filter(|(_, _, served)| *served)
            .map(|(group, version, _)| (group, version))
    }

    fn version(self, group: &str) -> Option<&'static str> {
        self.groups().find(|(name, _)| *name == group).map(|(_, version)| version)
    }
}

impl Route {
    /// Reads a path.
    pub(super) fn parse(path: &str, served: Served) -> Self {
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["api"] => Self::Discovery(Discovery::CoreVersions),
            ["apis"] => Self::Discovery(Discovery::Groups),
            ["api", "v1"] => Self::Discovery(Discovery::Resources(String::new())),
            ["api", "v1", rest @ ..] => Self::core(rest),
            ["apis", group, rest @ ..] => match (served.version(group), rest) {
                (None, _) => Self::NoPage,
                (Some(_), []) => Self::Discovery(Discovery::Group((*group).to_owned())),
                (Some(version), [asked, rest @ ..]) if *asked == version => Self::in_group(group, rest),
                (Some(_), _) => Self::NoPage,
            },
            _ => Self::NoPage,
        }
    }

    fn core(rest: &[&str]) -> Self {
        match rest {
            // The namespaces themselves, and what is in one.
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() && !matches!(rest, ["status"]) => {
                Self::objects("", namespace, rest)
            }
            rest => Self::objects("", "", rest),
        }
    }

    fn in_group(group: &str, rest: &[&str]) -> Self {
        match (group, rest) {
            (_, []) => Self::Discovery(Discovery::Resources(group.to_owned())),
            (AUTHORIZATION, ["selfsubjectaccessreviews"]) => Self::Review("SelfSubjectAccessReview"),
            (AUTHORIZATION, ["selfsubjectrulesreviews"]) => Self::Review("SelfSubjectRulesReview"),
            (METRICS, ["pods"]) => Self::PodMetrics(None, None),
            (METRICS, ["namespaces", namespace, "pods"]) => {
                Self::PodMetrics(Some((*namespace).to_owned()), None)
            }
            (METRICS, ["namespaces", namespace, "pods", name]) => {
                Self::PodMetrics(Some((*namespace).to_owned()), Some((*name).to_owned()))
            }
            (group, ["namespaces", namespace, rest @ ..]) => Self::objects(group, namespace, rest),
            (group, rest) => Self::objects(group, "", rest),
        }
    }

    fn objects(group: &str, namespace: &str, rest: &[&str]) -> Self {
        let Some((plural, rest)) = rest.split_first() else { return Self::Unknown };
        let Some(resource) = Resource::named(group, plural) else { return Self::Unknown };
        if !resource.is_namespaced() && !namespace.is_empty() {
            return Self::Unknown;
        }
        let place = Place { resource, namespace: namespace.to_owned() };
        if resource.is_namespaced() && namespace.is_empty() && !rest.is_empty() {
            return Self::Unknown;
        }
        match rest {
            [] => Self::Objects(place),
            [name] => Self::Object(place, (*name).to_owned()),
            [name, "status"] if resource.has_status() => Self::Status(place, (*name).to_owned()),
            [name, subresource] if resource == Resource::Pods => match *subresource {
                "attach" => Self::Pod(PodSubresource::Attach, place, (*name).to_owned()),
                "exec" => Self::Pod(PodSubresource::Exec, place, (*name).to_owned()),
                "log" => Self::Pod(PodSubresource::Log, place, (*name).to_owned()),
                "portforward" => Self::Pod(PodSubresource::PortForward, place, (*name).to_owned()),
                _ => Self::Unknown,
            },
            _ => Self::Unknown,
        }
    }

    /// The group, resource and subresource, namespace and name that rights are about; `None` where everyone may look.
    pub(super) fn subject(&self) -> Option<(&str, String, &str, &str)> {
        let of = |place: &Place, subresource: &str| format!("{}{subresource}", place.resource.plural());
        match self {
            Self::Objects(place) => Some((place.resource.group(), of(place, ""), &place.namespace, "")),
            Self::Object(place, name) => {
                Some((place.resource.group(), of(place, ""), &place.namespace, name))
            }
            Self::Status(place, name) => {
                Some((place.resource.group(), of(place, "/status"), &place.namespace, name))
            }
            Self::Pod(subresource, place, name) => {
                let subresource = format!("/{}", subresource.name());
                Some(("", of(place, &subresource), &place.namespace, name))
            }
            Self::PodMetrics(namespace, name) => Some((
                METRICS,
                "pods".to_owned(),
                namespace.as_deref().unwrap_or_default(),
                name.as_deref().unwrap_or_default(),
            )),
            Self::Review(_)
            | Self::Health
            | Self::Version
            | Self::Discovery(_)
            | Self::Unknown
            | Self::NoPage => None,
        }
    }
}

impl PodSubresource {
    /// As in the path.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Exec => "exec",
            Self::Log => "log",
            Self::PortForward => "portforward",
        }
    }
}

/// What a request wants to do, as RBAC and faults name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    /// What a method does at a route; `None` if it does nothing there.
    pub(super) fn of(method: &str, route: &Route, is_watch: bool) -> Option<Self> {
        match (method, route) {
            ("GET" | "HEAD", Route::Objects(_) | Route::Object(..)) if is_watch => Some(Self::Watch),
            ("GET" | "HEAD", Route::Objects(_) | Route::PodMetrics(_, None)) => Some(Self::List),
            ("POST", Route::Objects(place)) if !place.is_everywhere() => Some(Self::Create),
            ("DELETE", Route::Objects(place)) if !place.is_everywhere() => Some(Self::DeleteCollection),
            (_, Route::Objects(_)) => None,
            ("POST", Route::Review(_)) => Some(Self::Create),
            (_, Route::Review(_)) => None,
            // A stream, whichever way it is asked for, creates something in the pod.
            ("GET" | "HEAD", Route::Pod(PodSubresource::Log, ..)) => Some(Self::Get),
            (_, Route::Pod(PodSubresource::Log, ..)) => None,
            ("GET" | "POST", Route::Pod(..)) => Some(Self::Create),
            ("GET" | "HEAD", _) => Some(Self::Get),
            ("PUT", Route::Object(..) | Route::Status(..)) => Some(Self::Update),
            ("PATCH", Route::Object(..) | Route::Status(..)) => Some(Self::Patch),
            ("DELETE", Route::Object(..)) => Some(Self::Delete),
            _ => None,
        }
    }

    /// As RBAC names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

impl Place {
    /// Whether it means all namespaces.
    pub(super) fn is_everywhere(&self) -> bool {
        self.resource.is_namespaced() && self.namespace.is_empty()
    }
}

/// How faults and records name a request.
pub(super) fn operation(method: &str, path: &str, route: &Route, verb: Option<Verb>) -> String {
    let method = match verb {
        Some(Verb::List) => "LIST",
        Some(Verb::Watch) => "WATCH",
        _ => method,
    };
    match (route, route.subject()) {
        (Route::PodMetrics(..), _) => format!("{method} podmetrics"),
        (_, Some((_, resource, _, _))) => format!("{method} {resource}"),
        (Route::Review(kind), None) => format!("{method} {}s", kind.to_lowercase()),
        (_, None) => format!("{method} {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Served = Served { leases: true, metrics: true };

    #[test]
    fn requests_have_names() {
        for (method, path, is_watch, name) in [
            ("GET", "/version", false, "GET /version"),
            ("GET", "/api/v1/namespaces/default/pods", false, "LIST pods"),
            ("GET", "/api/v1/pods", true, "WATCH pods"),
            ("GET", "/api/v1/namespaces/default/pods/a", false, "GET pods"),
            ("PUT", "/api/v1/namespaces/default/pods/a/status", false, "PUT pods/status"),
            ("GET", "/api/v1/namespaces/default/pods/a/exec", false, "GET pods/exec"),
            ("DELETE", "/api/v1/namespaces/a", false, "DELETE namespaces"),
            ("PUT", "/api/v1/namespaces/a/status", false, "PUT namespaces/status"),
            ("POST", "/apis/coordination.k8s.io/v1/namespaces/a/leases", false, "POST leases"),
            (
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                false,
                "POST selfsubjectaccessreviews",
            ),
            ("GET", "/apis/metrics.k8s.io/v1beta1/namespaces/a/pods", false, "LIST podmetrics"),
        ] {
            let route = Route::parse(path, ALL);
            let verb = Verb::of(method, &route, is_watch);
            assert!(verb.is_some(), "{path}");
            assert_eq!(operation(method, path, &route, verb), name);
        }
    }

    #[test]
    fn what_is_not_there() {
        let none = Served { leases: false, metrics: false };
        assert_eq!(Route::parse("/api/v1/nothere", ALL), Route::Unknown);
        assert_eq!(Route::parse("/apis/metrics.k8s.io/v1beta1/pods", none), Route::NoPage);
        assert_eq!(Route::parse("/apis/coordination.k8s.io/v1", none), Route::NoPage);
        assert_eq!(Route::parse("/apis/coordination.k8s.io/v2", ALL), Route::NoPage);
        assert_eq!(Route::parse("/nothere", ALL), Route::NoPage);
        assert_eq!(Route::parse("/api/v1/pods/a", ALL), Route::Unknown);
    }

    #[test]
    fn methods_have_their_places() {
        let pods = Route::parse("/api/v1/namespaces/default/pods", ALL);
        assert_eq!(Verb::of("PATCH", &pods, false), None);
        assert_eq!(Verb::of("POST", &Route::parse("/api/v1/pods", ALL), false), None);
        let log = Route::parse("/api/v1/namespaces/default/pods/a/log", ALL);
        assert_eq!(Verb::of("POST", &log, false), None);
    }
}
