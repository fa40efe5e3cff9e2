//! What a private containerd holds beside images: by its own client, and by the files of what it called.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::layout::Layout;
use super::network::Network;
use super::server::ctr;
use crate::failure::Result;

/// CRI's namespace within containerd.
const NAMESPACE: &str = "k8s.io";

/// Something that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Held {
    /// What it is.
    what: &'static str,
    /// Its name or id.
    name: String,
    /// The sandbox or container that it belongs to, where that is known.
    owner: Option<String>,
}

impl Held {
    /// Something that has the id of its owner.
    fn of(what: &'static str, owner: &str) -> Self {
        Self { what, name: owner.to_owned(), owner: Some(owner.to_owned()) }
    }
}

/// All that is there. The server has to run.
pub(super) fn all(layout: &Layout) -> Result<Vec<Held>> {
    let mut all = Vec::new();
    for (what, kind) in [("sandbox", "sandbox"), ("container", "container")] {
        let filter = format!("labels.\"io.cri-containerd.kind\"=={kind}");
        let ids = ctr(layout, ["--namespace", NAMESPACE, "containers", "list", "--quiet", &filter])?;
        all.extend(ids.lines().map(|id| Held::of(what, id)));
    }
    let tasks = ctr(layout, ["--namespace", NAMESPACE, "tasks", "list", "--quiet"])?;
    all.extend(tasks.lines().map(|id| Held::of("task", id)));
    let snapshots = ctr(layout, ["--namespace", NAMESPACE, "snapshots", "list"])?;
    all.extend(active(&snapshots).map(|key| Held::of("snapshot", key)));
    all.extend(names(&layout.bundles().join(NAMESPACE)).iter().map(|id| Held::of("bundle", id)));
    all.extend(names(&layout.runc_root().join(NAMESPACE)).iter().map(|id| Held::of("runc record", id)));
    if let Some(network) = Network::read(layout) {
        all.extend(addresses(&layout.cni_data().join(&network.name)));
        let results = attachments(Path::new("/var/lib/cni/results"), &network.name);
        all.extend(network_namespaces(&layout.network_namespaces(), &results));
    }
    Ok(all)
}

/// The keys of snapshots that are something's root file system; the committed ones are layers of images.
fn active(listing: &str) -> impl Iterator<Item = &str> {
    let columns = listing.lines().map(|line| line.split_ascii_whitespace());
    columns.filter_map(|mut columns| {
        let key = columns.next()?;
        (columns.last()? == "Active").then_some(key)
    })
}

/// host-local writes a file for each address that it gave out, with the id of the sandbox.
fn addresses(dir: &Path) -> Vec<Held> {
    let given = names(dir).into_iter().filter(|name| name.parse::<std::net::IpAddr>().is_ok());
    let owned = given.map(|name| {
        let owner = fs::read_to_string(dir.join(&name)).ok();
        let owner = owner.as_deref().and_then(|text| text.lines().next()).map(|id| id.trim().to_owned());
        Held { what: "address", name, owner }
    });
    owned.collect()
}

/// The sandboxes that are attached to a network, each with what CNI knows of it, in which its namespace's path is.
fn attachments(results: &Path, network: &str) -> Vec<(String, String)> {
    let ours = names(results).into_iter().filter_map(|name| {
        let id = name.strip_prefix(network)?.strip_prefix('-')?.strip_suffix("-eth0")?.to_owned();
        Some((id, fs::read_to_string(results.join(&name)).ok()?))
    });
    ours.collect()
}

fn network_namespaces(dir: &Path, attachments: &[(String, String)]) -> Vec<Held> {
    let with_owner = names(dir).into_iter().map(|name| {
        let path = format!("{}\"", dir.join(&name).display());
        let owner = attachments.iter().find(|(_, result)| result.contains(&path)).map(|(id, _)| id.clone());
        Held { what: "network namespace", name, owner }
    });
    with_owner.collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_active_snapshots_count() {
        let listing =
            "KEY   PARENT     KIND\nabc  sha256:1  Active  \nsha256:1    Committed \nextract-1    Active\n";
        assert_eq!(active(listing).collect::<Vec<_>>(), ["abc", "extract-1"]);
    }

    #[test]
    fn addresses_and_namespaces_have_owners() {
        let dir = tempfile::tempdir().unwrap();
        let [data, results, namespaces] = ["data", "results", "netns"].map(|name| dir.path().join(name));
        for dir in [&data, &results, &namespaces] {
            fs::create_dir(dir).unwrap();
        }
        fs::write(data.join("10.213.4.2"), "abc\r\neth0").unwrap();
        fs::write(data.join("last_reserved_ip.0"), "10.213.4.2").unwrap();
        fs::write(namespaces.join("cni-1"), "").unwrap();
        fs::write(namespaces.join("cni-12"), "").unwrap();
        let result = format!("{{\"interfaces\":[{{\"sandbox\":\"{}/cni-12\"}}]}}", namespaces.display());
        fs::write(results.join("wharf-4-abc-eth0"), result).unwrap();
        fs::write(results.join("wharf-44-xyz-eth0"), "").unwrap();

        let address = Held { what: "address", name: "10.213.4.2".to_owned(), owner: Some("abc".to_owned()) };
        assert_eq!(addresses(&data), [address]);
        let mut found = network_namespaces(&namespaces, &attachments(&results, "wharf-4"));
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let owners: Vec<_> = found.iter().map(|held| held.owner.as_deref()).collect();
        assert_eq!(owners, [None, Some("abc")]);
    }
}
