//! `GET /containers/{id}/stats`: a sample now and again, one JSON object a line, for ever. `stream` is described and ignored.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::stream;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, missing};
use super::containers::Machine;
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply};

/// What a processor has.
const CORE_MHZ: f64 = 2000.0;

/// What was seen at one time.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    processor_time: Duration,
    memory_bytes: u64,
    received_bytes: u64,
    sent_bytes: u64,
    written_bytes: u64,
}

/// The stream of a client.
struct Sampler {
    layer: Arc<PortLayer>,
    machine: Arc<Machine>,
    before: Option<Seen>,
}

impl PortLayer {
    pub(super) fn stats(self: &Arc<Self>, call: &Call) -> Result<Reply, Refusal> {
        call.text("stream").ok_or_else(|| missing("stream", "query"))?;
        let machine = self.machines.find(call.first()).ok_or(Refusal::Empty(404))?;
        let sampler = Sampler { layer: Arc::clone(self), machine, before: None };
        Ok(Reply::stream(stream::unfold(sampler, async |mut sampler| {
            let line = sampler.next().await?;
            Some((Ok(line.into()), sampler))
        })))
    }

    async fn look(&self, machine: &Machine) -> Seen {
        let containers = self.engine.containers_of(&machine.pod);
        let used = join_all(containers.iter().map(|container| self.engine.usage(container))).await;
        let mut seen = Seen::default();
        // What doesn't run any more uses nothing.
        for usage in used.into_iter().flatten() {
            seen.processor_time += usage.processor_time;
            seen.memory_bytes += usage.memory_bytes;
            seen.written_bytes += usage.layer.map_or(0, |layer| layer.bytes);
        }
        for traffic in self.engine.traffic(&machine.pod).unwrap_or_default() {
            seen.received_bytes += traffic.received_bytes;
            seen.sent_bytes += traffic.sent_bytes;
        }
        seen
    }
}

impl Sampler {
    /// The next line; `None` once the VM is gone. While it is off there are none.
    async fn next(&mut self) -> Option<String> {
        let interval = self.layer.options.stats_interval;
        if self.before.is_some() {
            tokio::time::sleep(interval).await;
        }
        let there = self.machine.until(|live| (live.removed || live.powered_on).then_some(live.removed));
        if there.await? {
            return None;
        }
        let seen = self.layer.look(&self.machine).await;
        let before = self.before.replace(seen).unwrap_or(seen);
        let (cpus, memory_mib) = {
            let live = self.machine.live();
            (live.config.cpus.max(1), live.config.memory_mib)
        };
        Some(format!("{}\n", sample(seen, before, interval, cpus, memory_mib)))
    }
}

fn sample(seen: Seen, before: Seen, interval: Duration, cpus: i64, memory_mib: i64) -> Value {
    let seconds = interval.as_secs_f64().max(f64::MIN_POSITIVE);
    let busy = seen.processor_time.saturating_sub(before.processor_time).as_secs_f64() / seconds;
    let processors = u32::try_from(cpus).unwrap_or(1);
    let each = (busy / f64::from(processors) * CORE_MHZ).round() as i64;
    let cpus: Vec<_> = (0..processors).map(|id| json!({"ID": id.to_string(), "MhzUsage": each})).collect();
    let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds / 1024.0).round() as u64;
    let moved = |now: u64, before: u64| json!({"Bytes": now, "Kbps": rate(now, before), "Packets": 0, "Errors": 0, "Dropped": 0});
    let disk = |now: u64, before: u64| json!({"Bytes": now, "Kbps": rate(now, before), "Op": 0, "Ops": 0});
    json!({
        "CPU": {"CPUs": cpus, "Usage": busy / f64::from(processors) * 100.0},
        "Memory": {
            "Consumed": seen.memory_bytes,
            "Active": seen.memory_bytes,
            "Provisioned": memory_mib.saturating_mul(1 << 20),
        },
        "Networks": [{
            "Name": "eth0",
            "Rx": moved(seen.received_bytes, before.received_bytes),
            "Tx": moved(seen.sent_bytes, before.sent_bytes),
        }],
        "Disks": [{
            "Name": "scsi0:0",
            "Write": disk(seen.written_bytes, before.written_bytes),
            "Read": disk(0, 0),
        }],
        "SampleTime": Timestamp::now().to_string(),
        "Interval": interval.as_secs(),
    })
}
