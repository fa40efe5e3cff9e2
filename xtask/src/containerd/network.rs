//! The pods' network: a bridge with a name and addresses of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::layout::Layout;
use crate::failure::{AtPath, Failure, Result};

/// One run's network, kept in a file for whoever cleans up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Network {
    /// CNI's name for it, by which port mappings are known in the packet filter.
    pub(super) name: String,
    /// The bridge device.
    pub(super) bridge: String,
    /// `A.B.C.0/24`.
    pub(super) subnet: String,
    /// Where the plugins are.
    pub(super) bin_dir: PathBuf,
}

impl Network {
    /// A network for the run with this number, on addresses that the machine has no route to yet.
    pub(super) fn choose(number: u32, bin_dir: PathBuf) -> Result<Self> {
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        let subnet = free_subnet(number, &routes)
            .ok_or_else(|| Failure::failed("no free subnet below 10.213.0.0/16 for the pods"))?;
        // Device names end at 15 bytes, pids at 7 digits.
        Ok(Self { name: format!("wharf-{number}"), bridge: format!("wharf{number}"), subnet, bin_dir })
    }

    /// Writes CNI's configuration and the record for the cleanup.
    pub(super) fn write(&self, layout: &Layout) -> Result<()> {
        let conf_dir = layout.cni_conf();
        fs::create_dir(&conf_dir).at("create", &conf_dir)?;
        let conf = conf_dir.join("10-wharf.conflist");
        fs::write(&conf, format!("{:#}", self.conflist(&layout.cni_data()))).at("write", &conf)?;
        let record = layout.network();
        fs::write(&record, json!(self).to_string()).at("write", &record)
    }

    /// The network of a run that may be long dead; `None` if it never came to have one.
    pub(super) fn read(layout: &Layout) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(layout.network()).ok()?).ok()
    }

    fn conflist(&self, data_dir: &Path) -> Value {
        json!({
            "cniVersion": "0.4.0",
            "name": self.name,
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": self.bridge,
                    "isGateway": true,
                    // Pods talk to this machine only, so no masquerading and no rules for it.
                    "ipMasq": false,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{ "subnet": self.subnet }]],
                        "routes": [{ "dst": "0.0.0.0/0" }],
                        "dataDir": data_dir,
                    },
                },
                { "type": "portmap", "capabilities": { "portMappings": true } },
                { "type": "loopback" },
            ],
        })
    }
}

/// The first /24 from 10.213.N.0 on, N going round from `number`, that shares no route with the table.
fn free_subnet(number: u32, routes: &str) -> Option<String> {
    (0..256).map(|step| (number + step) % 256).find_map(|third| {
        let network = u32::from_be_bytes([10, 213, u8::try_from(third).ok()?, 0]);
        (!routes.lines().filter_map(route).any(|(to, mask)| mask != 0 && network & mask == to))
            .then(|| format!("10.213.{third}.0/24"))
    })
}

/// Destination and mask of a line of `/proc/net/route`, which prints them in the byte order of the machine.
fn route(line: &str) -> Option<(u32, u32)> {
    let mut fields = line.split_ascii_whitespace();
    let mut address = |nth| Some(u32::from_str_radix(fields.nth(nth)?, 16).ok()?.to_ne_bytes());
    let (destination, mask) = (address(1)?, address(5)?);
    Some((u32::from_be_bytes(destination), u32::from_be_bytes(mask)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        wharf7\t0007D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

    #[test]
    fn a_subnet_in_use_is_passed_over() {
        assert_eq!(free_subnet(6, ROUTES).unwrap(), "10.213.6.0/24");
        assert_eq!(free_subnet(7, ROUTES).unwrap(), "10.213.8.0/24");
        assert_eq!(free_subnet(256 + 7, ROUTES).unwrap(), "10.213.8.0/24");
    }

    #[test]
    fn a_route_to_all_of_ten_leaves_no_subnet() {
        let routes = "vpn\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";
        assert_eq!(free_subnet(1, routes), None);
    }

    #[test]
    fn the_longest_pid_still_makes_a_device_name() {
        let network = Network::choose(4_194_304, PathBuf::new()).unwrap();
        assert!(network.bridge.len() <= 15, "{}", network.bridge);
    }

    #[test]
    fn the_record_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert_eq!(Network::read(&layout), None);
        let network = Network::choose(5, PathBuf::from("/usr/lib/cni")).unwrap();
        network.write(&layout).unwrap();
        assert_eq!(Network::read(&layout), Some(network));
    }
}
