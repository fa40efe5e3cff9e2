//! The capability matrix, from the drivers themselves.

use std::fmt::Write;

use runtime_core::{Capabilities, Capability, Support};

/// A markdown table: a row a capability that any driver has, a column a driver.
pub(super) fn markdown(columns: &[(&str, Capabilities)]) -> String {
    let mut table = String::from("| capability |");
    for (name, _) in columns {
        let _ = write!(table, " `{name}` |");
    }
    table.push_str(" meaning |\n| --- |");
    table.push_str(&" --- |".repeat(columns.len() + 1));
    table.push('\n');
    for capability in Capability::ALL {
        let _ = write!(table, "| `{capability}` |");
        for (_, capabilities) in columns {
            let word = match capabilities.support(*capability) {
                Support::Native => "yes",
                Support::Emulated => "emulated",
                Support::Unsupported => "–",
            };
            let _ = write!(table, " {word} |");
        }
        let _ = writeln!(table, " {} |", capability.meaning().trim_end_matches('.'));
    }
    table
}

/// What is supported one way or the other, natively if either does so: a driver can do more in one mode than in another.
pub(super) fn either(one: &Capabilities, other: &Capabilities) -> Capabilities {
    let supported = |support| {
        Capability::ALL
            .iter()
            .copied()
            .filter(move |capability| [one, other].iter().any(|all| all.support(*capability) == support))
    };
    Capabilities::none().emulated(supported(Support::Emulated)).native(supported(Support::Native))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_row_for_every_capability() {
        let table = markdown(&[("memory", Capabilities::none().emulated([Capability::PodRun]))]);
        assert_eq!(table.lines().count(), Capability::ALL.len() + 2);
        assert!(table.contains("| `pod.run` | emulated |"), "{table}");
    }

    #[test]
    fn what_one_mode_can_do_counts() {
        let (run, stop) = ([Capability::PodRun], [Capability::PodStop]);
        let both =
            either(&Capabilities::none().emulated(run).emulated(stop), &Capabilities::none().native(run));
        assert_eq!(both.support(Capability::PodRun), Support::Native);
        assert_eq!(both.support(Capability::PodStop), Support::Emulated);
        assert_eq!(both.support(Capability::PodList), Support::Unsupported);
    }
}
