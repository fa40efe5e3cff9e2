//! `cargo xtask matrix`: the capability table of the README, from the drivers themselves.

use std::fs;

use lexopt::{Arg, Parser};

use super::Command;
use crate::conformance::Runner;
use crate::failure::{AtPath, Failure, Result};
use crate::{cargo, project};

pub(super) const COMMAND: Command = Command {
    name: "matrix",
    arguments: "[--check]",
    summary: "Writes the capability table of the README",
    details: "  --check  only fail if the table is not what the drivers say",
    run,
};

const START: &str = "<!-- matrix -->";
const END: &str = "<!-- /matrix -->";

fn run(mut parser: Parser) -> Result<()> {
    let mut check = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("check") => check = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let readme = project::root().join("README.md");
    let before = fs::read_to_string(&readme).at("read", &readme)?;
    let programs = cargo::programs()?;
    let runner = Runner { program: programs.runner, guest: programs.guest, toolbox: programs.toolbox };
    let matrix = runner.matrix()?;
    let after = with_matrix(&before, &matrix)?;
    if before == after {
        return Ok(());
    }
    if check {
        return Err(Failure::failed("the matrix in README.md is out of date: run `cargo xtask matrix`"));
    }
    fs::write(&readme, after).at("write", &readme)
}

/// The text with the table between the two marks.
fn with_matrix(text: &str, matrix: &str) -> Result<String> {
    let parts = text.split_once(START).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.ok_or_else(|| Failure::failed(format!("README.md has no {START} … {END}")))?;
    if matrix.trim().is_empty() {
        return Err(Failure::failed("the runner printed an empty matrix"));
    }
    Ok(format!("{head}{START}\n{}\n{END}{tail}", matrix.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = "a\n<!-- matrix -->\nold\n<!-- /matrix -->\nb\n";
        let new = with_matrix(text, "| x |\n").unwrap();
        assert_eq!(new, "a\n<!-- matrix -->\n| x |\n<!-- /matrix -->\nb\n");
        assert_eq!(with_matrix(&new, "| x |").unwrap(), new, "stable");
    }

    #[test]
    fn missing_marks_and_an_empty_table_are_errors() {
        assert!(with_matrix("no marks", "| x |").is_err());
        assert!(with_matrix("<!-- matrix -->", "| x |").is_err());
        assert!(with_matrix("<!-- matrix --><!-- /matrix -->", "\n").is_err());
    }
}
