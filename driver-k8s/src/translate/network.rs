//! Names and ports.

use k8s_openapi::api::core::v1::{ContainerPort, PodDNSConfig, PodDNSConfigOption};
use runtime_core::{
    Error, Result,
    spec::{DnsConfig, PortMapping, Protocol},
};

use super::{enums, said};

/// The policy that takes only what the spec says.
const NONE: &str = "None";

/// The policy when nothing is said.
const DEFAULT: &str = "ClusterFirst";

/// The policy and the configuration. With name servers of its own a pod uses no others; without, what it says comes beside the
/// cluster's.
pub(super) fn to_k8s(
    dns: Option<&DnsConfig>,
    policy: Option<&String>,
) -> (Option<String>, Option<PodDNSConfig>) {
    let config = dns.map(|DnsConfig { servers, searches, options }| PodDNSConfig {
        nameservers: said(servers.clone()),
        searches: said(searches.clone()),
        options: said(options.iter().map(|option| to_option(option)).collect()),
    });
    let own = dns.is_some_and(|dns| !dns.servers.is_empty());
    (policy.cloned().or_else(|| own.then(|| NONE.to_owned())), config)
}

/// The configuration, and the policy where it is not the one that comes with it.
pub(super) fn from_k8s(
    policy: Option<String>,
    config: Option<PodDNSConfig>,
) -> (Option<DnsConfig>, Option<String>) {
    let dns = config.map(|PodDNSConfig { nameservers, options, searches }| DnsConfig {
        servers: nameservers.unwrap_or_default(),
        searches: searches.unwrap_or_default(),
        options: options.unwrap_or_default().into_iter().map(from_option).collect(),
    });
    let own = dns.as_ref().is_some_and(|dns| !dns.servers.is_empty());
    let policy = policy.unwrap_or_else(|| DEFAULT.to_owned());
    let usual = if own { NONE } else { DEFAULT };
    (dns, (policy != usual).then_some(policy))
}

/// `ndots:5` is a name and a value.
fn to_option(option: &str) -> PodDNSConfigOption {
    match option.split_once(':') {
        Some((name, value)) => {
            PodDNSConfigOption { name: Some(name.to_owned()), value: Some(value.to_owned()) }
        }
        None => PodDNSConfigOption { name: Some(option.to_owned()), value: None },
    }
}

fn from_option(option: PodDNSConfigOption) -> String {
    let name = option.name.unwrap_or_default();
    option.value.map_or(name.clone(), |value| format!("{name}:{value}"))
}

pub(super) fn to_port(port: &PortMapping) -> ContainerPort {
    ContainerPort {
        container_port: port.container_port.into(),
        host_ip: port.host_ip.map(|ip| ip.to_string()),
        host_port: (port.host_port != 0).then(|| port.host_port.into()),
        name: None,
        protocol: Some(enums::to_protocol(port.protocol)),
    }
}

/// A port without a name.
pub(super) fn from_port(port: ContainerPort) -> Result<PortMapping> {
    let number = |field, number: i32| {
        u16::try_from(number).map_err(|_| Error::invalid(field, format!("{number} is not a port")))
    };
    let host_ip = port.host_ip.filter(|ip| !ip.is_empty()).map(|ip| {
        ip.parse().map_err(|error| Error::invalid("hostIP", format!("{ip:?} is no address: {error}")))
    });
    Ok(PortMapping {
        container_port: number("containerPort", port.container_port)?,
        host_port: number("hostPort", port.host_port.unwrap_or_default())?,
        host_ip: host_ip.transpose()?,
        protocol: match port.protocol {
            None => Protocol::Tcp,
            Some(word) => enums::from_protocol("protocol", &word)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_name_servers_are_the_only_ones() {
        let own = DnsConfig {
            servers: vec!["10.0.0.1".into()],
            searches: vec!["example.test".into()],
            options: vec!["ndots:5".into(), "rotate".into()],
        };
        let (policy, config) = to_k8s(Some(&own), None);
        assert_eq!(policy.as_deref(), Some("None"));
        assert_eq!(from_k8s(policy, config), (Some(own.clone()), None));
        let beside = DnsConfig { servers: Vec::new(), ..own };
        let (policy, config) = to_k8s(Some(&beside), None);
        assert_eq!(policy, None);
        assert_eq!(from_k8s(Some("ClusterFirst".into()), config), (Some(beside), None));
        assert_eq!(from_k8s(Some("Default".into()), None), (None, Some("Default".into())));
    }
}
