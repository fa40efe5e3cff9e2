//! Which entry is for which image.
//!
//! An entry's key is a registry, or a registry and the beginning of a path in it, with or without `https://` and with or
//! without the `/v1/` or `/v2/` of the registry's own interface. In the host, `*` stands for any text and `?` for one
//! character of one label: `*.example.com` is for `a.example.com`, and neither for `a.b.example.com` nor for `example.com`.
//! Ports must be the same. A path counts in whole components: `host/team` is for `host/team/app`, and not for
//! `host/teamwork`, for which the kubelet would use it too.

use std::{cmp::Ordering, cmp::Reverse, fmt};

use crate::helpers::image_ref::ImageReference;

const DOCKER_HUB: &str = "docker.io";
/// The hosts under which configurations know Docker Hub.
const DOCKER_HUB_HOSTS: [&str; 3] = [DOCKER_HUB, "index.docker.io", "registry-1.docker.io"];

/// An entry's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    host: String,
    port: Option<String>,
    path: Vec<String>,
}

impl Pattern {
    /// Reads a key. `None` for what names no host.
    pub(super) fn parse(key: &str) -> Option<Self> {
        let key = key.trim();
        let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = split_port(address);
        let host = host.to_ascii_lowercase();
        let is_hub = port.is_none() && DOCKER_HUB_HOSTS.contains(&host.as_str());
        let mut path: Vec<_> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if matches!(path.first().map(String::as_str), Some("v1" | "v2")) {
            path.remove(0);
        }
        (!host.is_empty()).then(|| Self {
            host: if is_hub { DOCKER_HUB.to_owned() } else { host },
            port: port.map(str::to_owned),
            path,
        })
    }

    /// The registry by its name in image references.
    pub(super) fn registry(&self) -> String {
        match &self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// Whether the entry is for an image.
    pub(super) fn fits(&self, image: &ImageReference) -> bool {
        let (host, port) = split_port(image.registry());
        let mut path = image.repository().split('/');
        self.port.as_deref() == port
            && host_fits(&self.host, &host.to_ascii_lowercase())
            && self.path.iter().all(|part| path.next() == Some(part))
    }

    /// Longer paths first, then hosts without stars, then hosts with more to them beside stars.
    pub(super) fn most_specific_first(&self, other: &Self) -> Ordering {
        let rank = |pattern: &Self| {
            let stars = pattern.host.contains(['*', '?']);
            let plain = pattern.host.chars().filter(|c| !matches!(c, '*' | '?')).count();
            (Reverse(pattern.path.len()), stars, Reverse(plain))
        };
        rank(self).cmp(&rank(other)).then_with(|| self.to_string().cmp(&other.to_string()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.registry())?;
        self.path.iter().try_for_each(|part| write!(f, "/{part}"))
    }
}

/// An address in brackets has colons of its own.
fn split_port(address: &str) -> (&str, Option<&str>) {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (address, None),
    }
}

fn host_fits(pattern: &str, host: &str) -> bool {
    if pattern.starts_with('[') {
        return pattern == host;
    }
    let (mut labels, mut of_host) = (pattern.split('.'), host.split('.'));
    loop {
        match (labels.next(), of_host.next()) {
            (None, None) => return true,
            (Some(label), Some(of_host)) if label_fits(label.as_bytes(), of_host.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// A star takes as little as it can, and more if the rest then doesn't fit. No recursion: keys are outside text.
fn label_fits(pattern: &[u8], label: &[u8]) -> bool {
    let (mut at, mut of_label) = (0, 0);
    // Where the last star stands, and where in the label what it stands for ends.
    let mut star = None;
    while of_label < label.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of_label));
                at += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == label[of_label] => {
                at += 1;
                of_label += 1;
            }
            _ => match star {
                Some((star_at, ends)) => {
                    star = Some((star_at, ends + 1));
                    at = star_at + 1;
                    of_label = ends + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&left| left == b'*')
}
