//! What is told of containers: `GET /containers/info/{id}` and `GET /containers/list`.

use serde_json::{Value, json};

use super::config::{Address, Config, Membership, Task};
use super::{Machine, State};
use crate::fake_vic::call::Call;
use crate::fake_vic::port_layer::PortLayer;
use crate::fake_vic::reply::{Refusal, Reply, omit_empty};

/// The version of the configuration's form. From 1 on the log has frames, which the server takes away.
const DATA_VERSION: i64 = 2;
/// The room that a disk of a container has unless anything else is asked for.
const STORAGE_BYTES: i64 = 8 << 30;
/// The PCI slots of network cards begin here.
const FIRST_SLOT: usize = 192;
const SLOTS_BETWEEN: usize = 32;

impl PortLayer {
    pub(in crate::fake_vic) fn info(&self, call: &Call) -> Result<Reply, Refusal> {
        let id = call.first();
        let missing = || Refusal::new(404, format!("container {id} not found"));
        let machine = self.machines.find(id).ok_or_else(missing)?;
        Ok(Reply::Json(200, self.describe(&machine)?))
    }

    /// Newest first. Only with `all=false` it matters whether they run.
    pub(in crate::fake_vic) fn list(&self, call: &Call) -> Result<Reply, Refusal> {
        let all = call.flag("all").unwrap_or(true);
        let mut machines = self.machines.all();
        machines.retain(|machine| all || machine.live().state == State::Running);
        machines.sort_by_cached_key(|machine| std::cmp::Reverse(machine.live().config.create_time));
        let told: Result<Vec<_>, _> = machines.iter().map(|machine| self.describe(machine)).collect();
        Ok(Reply::Json(200, told?.into()))
    }

    pub(in crate::fake_vic) fn describe(&self, machine: &Machine) -> Result<Value, Refusal> {
        let live = machine.live();
        let primary = live.config.primary();
        if primary.is_none() && self.options.bugs.info_needs_the_first_task {
            return Err(Refusal::Panic);
        }
        Ok(json!({
            "containerConfig": container_config(&live.config, live.state, primary),
            "HostConfig": {},
            "processConfig": primary.map_or_else(|| json!({}), process_config),
            "volumeConfig": null,
            "endpoints": live.config.networks.iter().enumerate().map(|(at, it)| endpoint(&live.config, at, it)).collect::<Vec<_>>(),
            "dataVersion": DATA_VERSION,
        }))
    }
}

fn container_config(config: &Config, state: State, primary: Option<&Task>) -> Value {
    let image = config.images.last().cloned().unwrap_or_default();
    let told = json!({
        "containerId": config.id,
        "layerId": image.layer,
        "imageId": image.image,
        "repoName": image.repo,
        "createTime": config.create_time,
        "names": [config.name],
        "annotations": config.annotations,
        "state": state.name(),
        "attachStdin": primary.is_some_and(|task| task.attach && task.open_stdin),
        "attachStdout": primary.is_some_and(|task| task.attach),
        "attachStderr": primary.is_some_and(|task| task.attach),
        "tty": primary.is_some_and(|task| task.tty),
        "openStdin": primary.is_some_and(|task| task.open_stdin),
        "storageSize": STORAGE_BYTES,
    });
    // Pointers in the server's model, so that false is said.
    omit_empty(told, &["repoName", "attachStdin", "attachStdout", "attachStderr", "tty", "openStdin"])
}

fn process_config(task: &Task) -> Value {
    let told = json!({
        "execPath": task.argv.first(),
        "execArgs": task.argv,
        "workingDir": task.cwd,
        "user": task.user,
        "env": task.env,
        "status": task.detail.started,
        "startTime": task.detail.start_time,
        "stopTime": task.detail.stop_time,
        "exitCode": task.detail.exit_code,
    });
    omit_empty(told, &["workingDir"])
}

/// An endpoint as the VM's configuration has it: addresses with the length of their network, and a PCI slot for an id.
fn endpoint(config: &Config, at: usize, network: &Membership) -> Value {
    let Membership { scope, aliases, ports, assigned, .. } = network;
    let with_length = |ip: std::net::Ipv4Addr, length: u8| format!("{ip}/{length}");
    let address = assigned.map(|Address { ip, prefix_length, .. }| with_length(ip, prefix_length));
    let gateway = assigned.map(|Address { gateway, prefix_length, .. }| with_length(gateway, prefix_length));
    let servers: Vec<_> = assigned.iter().map(|address| address.gateway.to_string()).collect();
    json!({
        "id": (FIRST_SLOT + at * SLOTS_BETWEEN).to_string(),
        "name": scope,
        "scope": scope,
        "address": address.unwrap_or_default(),
        "gateway": gateway.unwrap_or_default(),
        "container": config.id,
        "ports": ports,
        "aliases": aliases,
        "nameservers": servers,
    })
}
