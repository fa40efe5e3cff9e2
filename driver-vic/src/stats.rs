//! What pods use. vSphere measures a VM as a whole, every 20 seconds.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use runtime_core::{
    ContainerStats, Context, CpuStats, Error, ErrorKind, InterfaceStats, MemoryStats, Object, PodFilter,
    PodId, PodStats, Result, spec::Bytes,
};
use serde::Deserialize;

use crate::{
    api::models::nullable,
    driver::VicDriver,
    id::container_id,
    lines::Lines,
    translate::{
        annotations::Vm,
        status::{self, State},
    },
};

/// The longest sample that is read.
const MAX_SAMPLE_BYTES: usize = 1 << 20;

/// How many pods are asked about at once.
const AT_ONCE: usize = 32;

/// Nanoseconds of a processor a second for one MHz: 1 GHz is one processor, as in the capacity of hosts.
const NANO_CORES_PER_MHZ: u64 = 1_000_000;

/// A sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Sample {
    #[serde(rename = "CPU", deserialize_with = "nullable")]
    cpu: Cpu,
    #[serde(deserialize_with = "nullable")]
    memory: Memory,
    #[serde(deserialize_with = "nullable")]
    networks: Vec<Network>,
    sample_time: Option<Timestamp>,
}

/// In MHz.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Cpu {
    #[serde(rename = "CPUs", deserialize_with = "nullable")]
    each: Vec<OneCpu>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct OneCpu {
    mhz_usage: i64,
}

/// In bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Memory {
    consumed: i64,
    active: i64,
    provisioned: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    name: String,
    #[serde(deserialize_with = "nullable")]
    rx: Traffic,
    #[serde(deserialize_with = "nullable")]
    tx: Traffic,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Traffic {
    bytes: i64,
    errors: i64,
}

impl VicDriver {
    pub(crate) async fn pod_stats(&self, cx: &Context, id: &PodId) -> Result<PodStats> {
        let vm = self.require(cx, id).await?;
        if State::of(&vm) != State::Running {
            let message = "the pod does not run, so nothing is measured";
            return Err(Error::new(ErrorKind::InvalidState, message).with_object(Object::pod(id.as_str())));
        }
        self.measure(cx, &vm).await
    }

    pub(crate) async fn list_of_pod_stats(&self, cx: &Context, filter: &PodFilter) -> Result<Vec<PodStats>> {
        let mut vms = self.vms(cx).await?;
        vms.retain(|vm| State::of(vm) == State::Running && filter.matches(&status::pod_summary(vm)));
        let measuring = stream::iter(vms).map(|vm| async move {
            match self.measure(cx, &vm).await {
                // It went meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                measured => measured.map(Some),
            }
        });
        let measured: Vec<_> = measuring.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(measured.into_iter().flatten().collect())
    }

    async fn measure(&self, cx: &Context, vm: &Vm) -> Result<PodStats> {
        let body = self.client().stats(cx, vm.id().as_str()).await?;
        let mut samples = Lines::new(body, MAX_SAMPLE_BYTES);
        let line = cx.run(async { samples.next().await.transpose() }).await?;
        let Some(line) = line else {
            return Err(Error::new(ErrorKind::Unavailable, "the server measured nothing").transient());
        };
        let sample =
            serde_json::from_slice(&line.content).map_err(|error| crate::error::unreadable(&error))?;
        Ok(stats(vm, &sample))
    }
}

fn stats(vm: &Vm, sample: &Sample) -> PodStats {
    let bytes = |number: i64| u64::try_from(number).ok().map(Bytes);
    let number = |number: i64| u64::try_from(number).ok();
    let pod = vm.id();
    let mut stats = PodStats::new(pod.clone(), &vm.kept.name, &vm.kept.namespace);
    let mhz = sample.cpu.each.iter().filter_map(|cpu| number(cpu.mhz_usage)).sum::<u64>();
    let mut cpu = CpuStats::default();
    cpu.measured_at = sample.sample_time;
    cpu.usage_nano_cores = Some(mhz.saturating_mul(NANO_CORES_PER_MHZ));
    stats.cpu = Some(cpu);
    let mut memory = MemoryStats::default();
    memory.measured_at = sample.sample_time;
    memory.usage = bytes(sample.memory.consumed);
    memory.working_set = bytes(sample.memory.active);
    memory.available = bytes(sample.memory.provisioned.saturating_sub(sample.memory.active));
    stats.memory = Some(memory);
    stats.network = sample
        .networks
        .iter()
        .map(|network| {
            let mut interface = InterfaceStats::default();
            interface.name.clone_from(&network.name);
            (interface.received, interface.sent) = (bytes(network.rx.bytes), bytes(network.tx.bytes));
            (interface.receive_errors, interface.send_errors) =
                (number(network.rx.errors), number(network.tx.errors));
            interface
        })
        .collect();
    // Of containers by themselves nothing is measured.
    stats.containers = vm
        .kept
        .containers
        .iter()
        .map(|container| {
            let mut one = ContainerStats::new(container_id(&pod, &container.name), &container.name);
            one.pod = Some(pod.clone());
            one
        })
        .collect();
    stats
}

#[cfg(test)]
mod tests {
    use runtime_core::spec::{ContainerSpec, PodSpec};

    use super::*;
    use crate::translate::annotations::tests::vm;

    #[test]
    fn a_sample_is_in_mhz_and_bytes() {
        let line = r#"{"CPU":{"CPUs":[{"ID":"0","MhzUsage":1500},{"ID":"1","MhzUsage":500}],"Usage":20.5},
            "Memory":{"Consumed":300,"Active":100,"Provisioned":1000},"Disks":null,
            "Networks":[{"Name":"4000","Rx":{"Bytes":5,"Errors":1},"Tx":{"Bytes":6}}],
            "SampleTime":"2018-06-04T10:00:00Z","Interval":20}"#;
        let mut vm = vm(&PodSpec::new("p").with_container(ContainerSpec::new("c", "busybox")));
        vm.info.container_config.state = "Running".to_owned();
        let stats = stats(&vm, &serde_json::from_str(line).unwrap());
        assert_eq!(stats.cpu.unwrap().usage_nano_cores, Some(2_000_000_000));
        let memory = stats.memory.unwrap();
        assert_eq!((memory.working_set, memory.available), (Some(Bytes(100)), Some(Bytes(900))));
        assert_eq!((stats.network[0].received, stats.network[0].send_errors), (Some(Bytes(5)), Some(0)));
        assert_eq!(serde_json::from_str::<Sample>("{}").unwrap(), Sample::default());
    }
}
