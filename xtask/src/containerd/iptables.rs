//! Port mappings in the packet filter, as the `portmap` plugin makes them and never takes away all of.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::failure::{Failure, Result};
use crate::process::{find, tool};

/// The chains that all networks of the machine share.
const SHARED: [&str; 3] = ["CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK"];

/// Whether the shared chains are there now.
pub(super) fn has_shared_chains() -> bool {
    nat_rules().is_some_and(|rules| rules.lines().any(|line| line.starts_with(":CNI-HOSTPORT-DNAT ")))
}

/// Takes away the mappings of a network, and the shared chains too if told so and nobody else uses them.
pub(super) fn remove_mappings(network: &str, bin_dir: &Path, shared: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(rules) = nat_rules() else { return problems };
    for container in containers_of(&rules, network) {
        problems.extend(remove_mapping(network, &container, bin_dir).err().map(|error| error.to_string()));
    }
    let restore = shared.then(nat_rules).flatten().and_then(|rules| shared_chains_removal(&rules));
    problems.extend(restore.and_then(|input| change(&input).err()).map(|error| error.to_string()));
    problems
}

/// The whole `nat` table; `None` without iptables, and then nothing made a mapping either.
fn nat_rules() -> Option<String> {
    tool(find("iptables-save")?.to_str()?, ["-t", "nat"]).ok()
}

/// The containers with a mapping: the plugin's comments read `dnat name: "NETWORK" id: "CONTAINER"`.
fn containers_of(rules: &str, network: &str) -> BTreeSet<String> {
    let start = format!(r#"name: \"{network}\" id: \""#);
    let ids = rules.lines().filter_map(|line| line.split_once(&start)?.1.split_once('\\'));
    ids.map(|(id, _)| id.to_owned()).collect()
}

fn remove_mapping(network: &str, container: &str, bin_dir: &Path) -> Result<()> {
    let config = json!({
        "cniVersion": "0.4.0",
        "name": network,
        "type": "portmap",
        "capabilities": { "portMappings": true },
        // It removes by container, but does nothing at all when no mapping is given, so it gets one.
        "runtimeConfig": { "portMappings": [{ "hostPort": 1, "containerPort": 1, "protocol": "tcp" }] },
    });
    let mut plugin = Command::new(bin_dir.join("portmap"));
    plugin.envs([
        ("CNI_COMMAND", "DEL"),
        ("CNI_CONTAINERID", container),
        ("CNI_NETNS", ""),
        ("CNI_IFNAME", "eth0"),
    ]);
    plugin.env("CNI_PATH", bin_dir);
    feed(&mut plugin, &config.to_string())
}

/// The input of `iptables-restore` that deletes the shared chains; `None` if they are away or in use.
fn shared_chains_removal(rules: &str) -> Option<String> {
    let there: Vec<_> = SHARED
        .into_iter()
        .filter(|chain| rules.lines().any(|line| line.starts_with(&format!(":{chain} "))))
        .collect();
    let in_use = rules.lines().any(|line| line.starts_with("-A CNI-HOSTPORT-DNAT "));
    if there.is_empty() || in_use {
        return None;
    }
    let jumps = rules.lines().filter_map(|line| {
        let rule = line.strip_prefix("-A ")?;
        let target = rule.split_once(" -j ")?.1;
        let ours = !rule.starts_with("CNI-HOSTPORT") && there.contains(&target.trim());
        ours.then(|| format!("-D {rule}\n"))
    });
    let mut input = String::from("*nat\n");
    input.extend(jumps);
    input.extend(there.iter().map(|chain| format!("-F {chain}\n")));
    input.extend(there.iter().map(|chain| format!("-X {chain}\n")));
    Some(input + "COMMIT\n")
}

fn change(input: &str) -> Result<()> {
    let program = find("iptables-restore").ok_or_else(|| Failure::failed("iptables-restore is missing"))?;
    feed(Command::new(program).arg("--noflush"), input)
}

fn feed(command: &mut Command, input: &str) -> Result<()> {
    let name = command.get_program().display().to_string();
    let failed = |why: String| Failure::failed(format!("{name} failed: {why}"));
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().and_then(|output| written.map(|()| output));
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(failed(String::from_utf8_lossy(&said).trim().replace('\n', " ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:CNI-DN-2d0a - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-HOSTPORT-MASQ - [0:0]
:CNI-HOSTPORT-SETMARK - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" -j CNI-HOSTPORT-MASQ
-A CNI-DN-2d0a -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.213.7.2:80
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"wharf-7\" id: \"0a1b\"" -m multiport --dports 8080 -j CNI-DN-2d0a
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
-A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" -j MARK --set-xmark 0x2000/0x2000
COMMIT
"#;

    #[test]
    fn mappings_are_known_by_their_network() {
        assert_eq!(containers_of(RULES, "wharf-7"), BTreeSet::from(["0a1b".to_owned()]));
        assert_eq!(containers_of(RULES, "wharf-70"), BTreeSet::new());
        assert_eq!(containers_of(RULES, "wharf-"), BTreeSet::new());
    }

    #[test]
    fn shared_chains_in_use_stay() {
        assert_eq!(shared_chains_removal(RULES), None);
    }

    #[test]
    fn unused_shared_chains_go_with_the_jumps_to_them() {
        let unused: String =
            RULES.lines().filter(|line| !line.contains("0a1b")).map(|line| format!("{line}\n")).collect();
        assert_eq!(
            shared_chains_removal(&unused).unwrap(),
            "*nat\n\
             -D PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n\
             -D OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n\
             -D POSTROUTING -m comment --comment \"CNI portfwd requiring masquerade\" -j CNI-HOSTPORT-MASQ\n\
             -F CNI-HOSTPORT-DNAT\n-F CNI-HOSTPORT-MASQ\n-F CNI-HOSTPORT-SETMARK\n\
             -X CNI-HOSTPORT-DNAT\n-X CNI-HOSTPORT-MASQ\n-X CNI-HOSTPORT-SETMARK\nCOMMIT\n"
        );
    }

    #[test]
    fn a_table_without_the_chains_needs_nothing() {
        assert_eq!(shared_chains_removal("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"), None);
    }
}
