//! The command line of a daemon.

use std::{ffi::OsString, path::Path};

use crate::{Mode, options::LogLevel};

/// What the command line is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arguments<'a> {
    /// What the daemon calls itself, which a supervisor knows it by.
    pub(crate) id: &'a str,
    pub(crate) log_level: LogLevel,
    pub(crate) api_socket: &'a Path,
    pub(crate) serves: Serves<'a>,
    pub(crate) supervisor: Option<&'a Path>,
    pub(crate) extra: &'a [String],
}

/// What the daemon serves, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Serves<'a> {
    Virtiofs { socket: &'a Path, hybrid_mode: bool },
    Fuse { mountpoint: &'a Path },
}

impl Serves<'_> {
    pub(crate) fn mode(&self) -> Mode {
        match self {
            Self::Virtiofs { .. } => Mode::Virtiofs,
            Self::Fuse { .. } => Mode::Fuse,
        }
    }
}

impl Arguments<'_> {
    /// The arguments, the program's name not among them.
    pub(crate) fn build(&self) -> Vec<OsString> {
        let mut line: Vec<OsString> = vec![self.serves.mode().to_string().into()];
        let mut option = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
            line.push(name.into());
            line.push(value.as_ref().into());
        };
        option("--log-level", &self.log_level.name());
        option("--apisock", &self.api_socket);
        match self.serves {
            Serves::Virtiofs { socket, .. } => option("--sock", &socket),
            Serves::Fuse { mountpoint } => option("--mountpoint", &mountpoint),
        }
        if let Some(supervisor) = self.supervisor {
            option("--id", &self.id);
            option("--supervisor", &supervisor);
        }
        // By itself it asks for a million, which takes a privilege that not everybody has.
        if !self
            .extra
            .iter()
            .any(|argument| argument == "--rlimit-nofile" || argument.starts_with("--rlimit-nofile="))
        {
            option("--rlimit-nofile", &"0");
        }
        if let Serves::Virtiofs { hybrid_mode: true, .. } = self.serves {
            line.push("--hybrid-mode".into());
        }
        line.extend(self.extra.iter().map(OsString::from));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(serves: Serves<'static>) -> Arguments<'static> {
        Arguments {
            id: "p1",
            log_level: LogLevel::Info,
            api_socket: Path::new("/w/a b.sock"),
            serves,
            supervisor: None,
            extra: &[],
        }
    }

    fn line(arguments: Arguments<'_>) -> String {
        let words = arguments.build().into_iter().map(|word| word.into_string().unwrap());
        words.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn each_mode() {
        let virtiofs = Serves::Virtiofs { socket: Path::new("/w/v.sock"), hybrid_mode: false };
        assert_eq!(
            line(arguments(virtiofs)),
            "virtiofs|--log-level|info|--apisock|/w/a b.sock|--sock|/w/v.sock|--rlimit-nofile|0"
        );
        let fuse = Serves::Fuse { mountpoint: Path::new("/w/mnt") };
        assert_eq!(
            line(Arguments { log_level: LogLevel::Debug, ..arguments(fuse) }),
            "fuse|--log-level|debug|--apisock|/w/a b.sock|--mountpoint|/w/mnt|--rlimit-nofile|0"
        );
    }

    #[test]
    fn what_is_asked_for_and_nothing_else() {
        let hybrid = Serves::Virtiofs { socket: Path::new("v"), hybrid_mode: true };
        assert!(line(arguments(hybrid)).ends_with("|--rlimit-nofile|0|--hybrid-mode"));
        let supervised = Arguments { supervisor: Some(Path::new("/s")), ..arguments(hybrid) };
        assert!(line(supervised).contains("|--id|p1|--supervisor|/s|"));
        for extra in
            [vec!["--rlimit-nofile".to_owned(), "5".to_owned()], vec!["--rlimit-nofile=5".to_owned()]]
        {
            let line = line(Arguments { extra: &extra, ..arguments(hybrid) });
            assert!(line.ends_with(&extra.join("|")), "{line}");
            assert_eq!(line.matches("rlimit").count(), 1, "{line}");
        }
    }
}
