//! The cases, a file a group.

mod any_pod;
mod attaching;
mod bad_input;
mod bare;
mod bare_cancellation;
mod bare_events;
mod bare_lifecycle;
mod broken_copies;
mod cancellation;
mod contract;
mod copy;
mod emulation;
mod events;
mod exec;
mod existing;
mod faults;
mod force_kill;
mod image_mounts;
mod images;
mod lifecycle;
mod logs;
mod network;
mod nodes;
mod operation;
mod pod_stops;
mod ports;
mod pulling;
mod random;
mod recovery;
mod resources;
mod restarts;
mod secrets;
mod security;
mod stalled_pulls;
mod stats;
mod stopping;
mod streaming;
mod undo;
mod update;
mod volumes;

use super::Case;

/// Every case of every group.
pub(super) fn all() -> impl Iterator<Item = Case> {
    [
        any_pod::CASES,
        contract::CASES,
        bare::CASES,
        bare_lifecycle::CASES,
        bare_events::CASES,
        bare_cancellation::CASES,
        bad_input::CASES,
        undo::CASES,
        existing::CASES,
        lifecycle::CASES,
        stopping::CASES,
        pod_stops::CASES,
        restarts::CASES,
        nodes::CASES,
        force_kill::CASES,
        exec::CASES,
        emulation::CASES,
        streaming::CASES,
        attaching::CASES,
        logs::CASES,
        copy::CASES,
        broken_copies::CASES,
        images::CASES,
        pulling::CASES,
        image_mounts::CASES,
        stalled_pulls::CASES,
        resources::CASES,
        stats::CASES,
        update::CASES,
        security::CASES,
        network::CASES,
        ports::CASES,
        volumes::CASES,
        events::CASES,
        secrets::CASES,
        faults::CASES,
        recovery::CASES,
        cancellation::CASES,
        random::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let names: BTreeSet<_> = all().map(|case| (case.group.name(), case.name)).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.len() >= 60, "{}", names.len());
    }
}
