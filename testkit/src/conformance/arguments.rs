//! The runner's command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use super::{Group, RealSystem};

/// What the runner is asked to do.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) setup: Option<String>,
    pub(super) system: RealSystem,
    pub(super) groups: Vec<Group>,
    pub(super) case: Option<String>,
    pub(super) seed: Option<u64>,
    pub(super) report: Option<PathBuf>,
    pub(super) print_matrix: bool,
}

impl Arguments {
    /// Reads a command line.
    pub(super) fn parse(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("setup") => arguments.setup = Some(parser.value()?.string()?),
                Long("url") => arguments.system.url = Some(parser.value()?.string()?),
                Long("control") => arguments.system.control = Some(parser.value()?.into()),
                Long("group") => arguments.groups.push(parser.value()?.parse_with(group)?),
                Long("case") => arguments.case = Some(parser.value()?.string()?),
                Long("seed") => arguments.seed = Some(parser.value()?.parse()?),
                Long("report") => arguments.report = Some(parser.value()?.into()),
                Long("print-matrix") => arguments.print_matrix = true,
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }

    /// Whether a case is asked for.
    pub(super) fn selects(&self, group: Group, name: &str) -> bool {
        let in_group = self.groups.is_empty() || self.groups.contains(&group);
        in_group
            && self
                .case
                .as_ref()
                .is_none_or(|text| format!("{}/{name}", group.name()).contains(text.as_str()))
    }
}

fn group(text: &str) -> Result<Group, String> {
    Group::ALL.into_iter().find(|group| group.name() == text).ok_or_else(|| {
        let known: Vec<_> = Group::ALL.iter().map(|group| group.name()).collect();
        format!("no group {text:?}; there are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(lexopt::Parser::from_args(words)).map_err(|error| error.to_string())
    }

    #[test]
    fn selects_by_group_and_text() {
        let arguments =
            parse(&["--setup", "memory", "--group", "exec", "--group", "logs", "--case", "exit"]).unwrap();
        assert!(arguments.selects(Group::Exec, "exit_code"));
        assert!(!arguments.selects(Group::Exec, "streams"));
        assert!(!arguments.selects(Group::Images, "exit_code"));
        assert!(parse(&[]).unwrap().selects(Group::Images, "pull"));
    }

    #[test]
    fn refuses_unknown_groups_and_seeds() {
        assert!(parse(&["--group", "all"]).unwrap_err().contains("lifecycle"));
        assert!(parse(&["--seed", "x"]).is_err());
        assert!(parse(&["case"]).is_err());
    }
}
