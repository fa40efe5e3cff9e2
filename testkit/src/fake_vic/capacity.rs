//! `GET /vch/info`: what there is room for.

use serde_json::json;

use super::containers::State;
use super::port_layer::PortLayer;
use super::reply::{Reply, omit_empty};

/// What a processor of a VM that runs is told to take.
const BUSY_MHZ: i64 = 100;

impl PortLayer {
    pub(super) fn vch_info(&self) -> Reply {
        let capacity = &self.options.capacity;
        let (mut processors, mut memory) = (0_i64, 0_i64);
        for machine in self.machines.all() {
            let live = machine.live();
            if live.powered_on || live.state == State::Running {
                processors = processors.saturating_add(live.config.cpus);
                memory = memory.saturating_add(live.config.memory_mib.saturating_mul(1 << 20));
            }
        }
        let told = json!({
            "cpuMhz": capacity.cpu_mhz,
            "memory": capacity.memory_mib,
            "cpuUsage": processors.saturating_mul(BUSY_MHZ),
            "memUsage": memory,
            "hostProductName": "VMware ESXi",
            "hostOS": "vmnix-x86",
            "hostOSVersion": "6.5.0",
        });
        Reply::Json(200, omit_empty(told, &[]))
    }
}
