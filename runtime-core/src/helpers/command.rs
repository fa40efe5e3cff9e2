//! What a container runs: the image's entrypoint and cmd, and the spec's command and args.

use thiserror::Error;

/// The four places that say what to run. An empty list says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandParts<'a> {
    /// The image's `Entrypoint`.
    pub image_entrypoint: &'a [String],
    /// The image's `Cmd`.
    pub image_cmd: &'a [String],
    /// The spec's command.
    pub command: &'a [String],
    /// The spec's arguments.
    pub args: &'a [String],
}

impl CommandParts<'_> {
    /// The argument vector by Kubernetes' table; its first element, the program, is never empty.
    ///
    /// | spec command | spec args | runs |
    /// | --- | --- | --- |
    /// | – | – | image entrypoint + image cmd |
    /// | – | set | image entrypoint + args |
    /// | set | – | command |
    /// | set | set | command + args |
    ///
    /// An image entrypoint of one empty string counts as none: so Docker writes that it was reset.
    ///
    /// # Errors
    /// Nothing to run, a program with an empty name, or an argument with a NUL.
    pub fn resolve(&self) -> Result<Vec<String>, CommandError> {
        let entrypoint = match self.image_entrypoint {
            [reset] if reset.is_empty() => &[],
            entrypoint => entrypoint,
        };
        let (program, arguments) = match (self.command, self.args) {
            ([], []) => (entrypoint, self.image_cmd),
            ([], args) => (entrypoint, args),
            (command, args) => (command, args),
        };
        let argv = [program, arguments].concat();
        match argv.first() {
            None => return Err(CommandError::NothingToRun),
            Some(program) if program.is_empty() => return Err(CommandError::EmptyProgram),
            Some(_) => {}
        }
        match argv.iter().position(|argument| argument.contains('\0')) {
            Some(index) => Err(CommandError::NulInArgument { index }),
            None => Ok(argv),
        }
    }
}

/// Why there is nothing that could be run. Arguments may hold secrets, so no message holds one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Neither image nor spec names a program.
    #[error("nothing to run: the image has neither entrypoint nor cmd, the spec neither command nor args")]
    NothingToRun,
    /// The program's name is the empty string.
    #[error("the program to run is an empty string")]
    EmptyProgram,
    /// No process can be given an argument with a NUL.
    #[error("argument {index} of the command holds a NUL")]
    NulInArgument {
        /// Where it stands; the program is 0.
        index: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace()
            .map(|word| if word == "''" { String::new() } else { word.to_owned() })
            .collect()
    }

    fn resolve(entrypoint: &str, cmd: &str, command: &str, args: &str) -> Result<String, CommandError> {
        let parts = [entrypoint, cmd, command, args].map(list);
        let [image_entrypoint, image_cmd, command, args] = parts.each_ref().map(Vec::as_slice);
        let argv = CommandParts { image_entrypoint, image_cmd, command, args }.resolve()?;
        Ok(argv.join(" "))
    }

    #[test]
    fn kubernetes_table() {
        // The four rows are those of Kubernetes' page on commands and arguments.
        for (entrypoint, cmd, command, args, expected) in [
            ("/ep-1", "foo bar", "", "", "/ep-1 foo bar"),
            ("/ep-1", "foo bar", "/ep-2", "", "/ep-2"),
            ("/ep-1", "foo bar", "", "zoo boo", "/ep-1 zoo boo"),
            ("/ep-1", "foo bar", "/ep-2", "zoo boo", "/ep-2 zoo boo"),
            ("", "foo bar", "", "", "foo bar"),
            ("/ep-1", "", "", "", "/ep-1"),
            ("", "foo bar", "", "zoo boo", "zoo boo"),
            ("", "", "/ep-2", "zoo", "/ep-2 zoo"),
            ("''", "foo bar", "", "", "foo bar"),
            ("/ep-1", "''", "", "", "/ep-1 "),
        ] {
            let case = format!("{entrypoint:?} {cmd:?} {command:?} {args:?}");
            assert_eq!(resolve(entrypoint, cmd, command, args).as_deref(), Ok(expected), "{case}");
        }
    }

    #[test]
    fn nothing_to_run() {
        assert_eq!(resolve("", "", "", ""), Err(CommandError::NothingToRun));
        assert_eq!(resolve("''", "", "", ""), Err(CommandError::NothingToRun));
        assert_eq!(resolve("", "''", "", ""), Err(CommandError::EmptyProgram));
        assert_eq!(resolve("/ep", "x", "''", ""), Err(CommandError::EmptyProgram));
        assert_eq!(resolve("/ep", "", "", "a b\0"), Err(CommandError::NulInArgument { index: 2 }));
    }

    proptest! {
        #[test]
        fn a_command_hides_the_image(
            image in prop::collection::vec(any::<String>(), 0..3),
            command in prop::collection::vec("[a-z]{1,4}", 1..3),
            args in prop::collection::vec("[a-z]{0,4}", 0..3),
        ) {
            let parts = CommandParts {
                image_entrypoint: &image, image_cmd: &image, command: &command, args: &args,
            };
            prop_assert_eq!(parts.resolve(), Ok([command.clone(), args.clone()].concat()));
        }

        #[test]
        fn what_is_resolved_can_be_run(
            parts in prop::array::uniform4(prop::collection::vec("[a\0]{0,2}", 0..3)),
        ) {
            let [image_entrypoint, image_cmd, command, args] = parts.each_ref().map(Vec::as_slice);
            if let Ok(argv) = (CommandParts { image_entrypoint, image_cmd, command, args }).resolve() {
                prop_assert!(!argv[0].is_empty());
                prop_assert!(argv.iter().all(|argument| !argument.contains('\0')));
            }
        }
    }
}
