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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_row_for_every_capability() {
        let table = markdown(&[("memory", Capabilities::none().emulated([Capability::PodRun]))]);
        assert_eq!(table.lines().count(), Capability::ALL.len() + 2);
        assert!(table.contains("| `pod.run` | emulated |"), "{table}");
    }
}
