//! Leases as annotations of `ConfigMap`s, for servers without `Lease` objects.

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use runtime_core::group::LeaseRecord;

use super::{carrier::Carrier, names::LEASE};

impl Carrier for ConfigMap {
    fn of(mut metadata: ObjectMeta, record: &LeaseRecord) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(record)?;
        metadata.annotations.get_or_insert_default().insert(LEASE.to_owned(), json);
        Ok(Self { metadata, ..Self::default() })
    }

    fn record(&self) -> LeaseRecord {
        let json = self.metadata.annotations.as_ref().and_then(|annotations| annotations.get(LEASE));
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let mut record = LeaseRecord::new("builder-1");
        record.epoch.tenure = "i1".to_owned();
        let map = ConfigMap::of(ObjectMeta::default(), &record).unwrap();
        assert_eq!(map.record(), record);
        assert!(map.metadata.annotations.unwrap()["wharf.dev/lease"].contains(r#""executor":"builder-1""#));
    }

    #[test]
    fn a_map_whose_annotation_is_missing_or_garbled_says_nothing() {
        let with = |text: &str| {
            let annotations = Some(BTreeMap::from([(LEASE.to_owned(), text.to_owned())]));
            ConfigMap {
                metadata: ObjectMeta { annotations, ..ObjectMeta::default() },
                ..ConfigMap::default()
            }
        };
        for map in [ConfigMap::default(), with(""), with("{"), with("[]"), with(r#"{"renewed": 5}"#)] {
            assert_eq!(map.record(), LeaseRecord::default());
        }
    }
}
