//! Leases as `Lease` objects, such as `kubectl get leases` shows them.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use runtime_core::group::{Epoch, LeaseRecord};

use super::{
    carrier::Carrier,
    names::{INSTANCE, TENURE},
};

impl Carrier for Lease {
    fn of(mut metadata: ObjectMeta, record: &LeaseRecord) -> Result<Self, serde_json::Error> {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(INSTANCE.to_owned(), record.instance.clone());
        annotations.insert(TENURE.to_owned(), record.epoch.tenure.clone());
        // Whole seconds is what there is; longer does no harm.
        let seconds = record.duration.as_secs() + u64::from(record.duration.subsec_nanos() > 0);
        let spec = LeaseSpec {
            holder_identity: Some(record.executor.clone()),
            lease_duration_seconds: Some(seconds.max(1).try_into().unwrap_or(i32::MAX)),
            acquire_time: record.acquired.map(MicroTime),
            renew_time: record.renewed.map(MicroTime),
            lease_transitions: Some(record.epoch.turn.try_into().unwrap_or(i32::MAX)),
            ..LeaseSpec::default()
        };
        Ok(Self { metadata, spec: Some(spec) })
    }

    fn record(&self) -> LeaseRecord {
        let annotation = |key: &str| self.metadata.annotations.as_ref()?.get(key).cloned();
        let spec = self.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| seconds.try_into().ok());
        let turn = spec.lease_transitions.and_then(|turn| turn.try_into().ok());
        let mut record = LeaseRecord::new(spec.holder_identity.unwrap_or_default());
        record.instance = annotation(INSTANCE).unwrap_or_default();
        record.epoch = Epoch::new(annotation(TENURE).unwrap_or_default(), turn.unwrap_or_default());
        record.acquired = spec.acquire_time.map(|time| time.0);
        record.renewed = spec.renew_time.map(|time| time.0);
        record.duration = Duration::from_secs(seconds.unwrap_or_default());
        record
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let mut record = LeaseRecord::new("builder-1");
        record.instance = "i2".to_owned();
        record.epoch = Epoch::new("i1", 2);
        record.acquired = Some("2026-01-01T00:00:00.000001Z".parse().unwrap());
        record.renewed = Some("2026-01-01T00:00:10Z".parse().unwrap());
        record.duration = Duration::from_secs(60);
        let lease = Lease::of(ObjectMeta::default(), &record).unwrap();
        let json = serde_json::to_value(&lease).unwrap();
        assert_eq!(
            json["spec"],
            json!({
                "holderIdentity": "builder-1", "leaseDurationSeconds": 60, "leaseTransitions": 2,
                "acquireTime": "2026-01-01T00:00:00.000001Z", "renewTime": "2026-01-01T00:00:10.000000Z",
            })
        );
        assert_eq!(serde_json::from_value::<Lease>(json).unwrap().record(), record);
        let odd = LeaseRecord::new("x");
        let spec = Lease::of(ObjectMeta::default(), &odd).unwrap().spec.unwrap();
        assert_eq!((spec.lease_duration_seconds, spec.renew_time), (Some(1), None));
    }

    #[test]
    fn what_others_wrote_is_read_as_far_as_it_can_be() {
        // As a 1.36 cluster answers one that says the least.
        let lease = json!({
            "metadata": {"name": "rec-l", "namespace": "default", "resourceVersion": "512"},
            "spec": {"holderIdentity": "a", "leaseDurationSeconds": -60},
        });
        assert_eq!(serde_json::from_value::<Lease>(lease).unwrap().record(), LeaseRecord::new("a"));
        assert_eq!(Lease::default().record(), LeaseRecord::new(""));
    }
}
