//! The daemon's command line: what it takes, and how it refuses the rest.

use std::path::PathBuf;

use super::Fault;

/// What the daemon serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A vhost-user socket.
    Virtiofs,
    /// A FUSE mount.
    Fuse,
}

/// The options of both modes that take a value: those that are used, and those that are accepted without effect.
const WITH_VALUE: [&str; 14] = [
    "--apisock",
    "--config",
    "--bootstrap",
    "--id",
    "--localfs-dir",
    "--log-level",
    "--log-file",
    "--shared-dir",
    "--log-rotation-size",
    "--prefetch-files",
    "--virtual-mountpoint",
    "--rlimit-nofile",
    "--supervisor",
    "--fault",
];
const FLAGS: [&str; 1] = ["--upgrade"];
const VIRTIOFS: [&str; 1] = ["--sock"];
const VIRTIOFS_FLAGS: [&str; 1] = ["--hybrid-mode"];
const FUSE: [&str; 3] = ["--mountpoint", "--failover-policy", "--fuse-threads"];
const FUSE_FLAGS: [&str; 1] = ["--writable"];
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// The short forms.
const SHORT: [(&str, &str); 8] = [
    ("-A", "--apisock"),
    ("-C", "--config"),
    ("-B", "--bootstrap"),
    ("-D", "--localfs-dir"),
    ("-l", "--log-level"),
    ("-L", "--log-file"),
    ("-s", "--shared-dir"),
    ("-M", "--mountpoint"),
];

/// A command line that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    pub(super) mode: Mode,
    /// The vhost-user socket or the mountpoint.
    pub(super) serves_at: PathBuf,
    pub(super) api_socket: Option<PathBuf>,
    pub(super) id: Option<String>,
    pub(super) supervisor: Option<String>,
    pub(super) log_level: String,
    /// How many files it wants to open; 0 leaves it alone.
    pub(super) open_files: u64,
    pub(super) hybrid: bool,
    /// Starts in the state INIT, and waits to take over.
    pub(super) upgrade: bool,
    pub(super) faults: Vec<Fault>,
}

/// What the program says instead of running, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) text: String,
    pub(super) code: u8,
}

impl Mode {
    /// The subcommand.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Virtiofs => "virtiofs",
            Self::Fuse => "fuse",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Virtiofs => "nydusd virtiofs [OPTIONS] --sock <sock>",
            Self::Fuse => "nydusd fuse [OPTIONS] --mountpoint <mountpoint>",
        }
    }
}

impl Arguments {
    /// Reads the words after the program's name.
    pub(super) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Refusal> {
        let mut words = words.into_iter();
        let mut faults = Vec::new();
        let mode = loop {
            match words.next().as_deref() {
                Some("--fault") => faults.push(fault(words.next())?),
                Some("virtiofs") => break Mode::Virtiofs,
                Some("fuse") => break Mode::Fuse,
                Some("--version" | "-V") => return Err(Refusal { text: VERSION.to_owned(), code: 0 }),
                Some(other) if !other.starts_with('-') => {
                    return Err(usage(
                        &format!("The subcommand '{other}' wasn't recognized"),
                        "nydusd [OPTIONS] --mountpoint <mountpoint>\n       nydusd <COMMAND>",
                    ));
                }
                Some(other) => return Err(unexpected(other, "nydusd [OPTIONS] --mountpoint <mountpoint>")),
                None => return Err(missing("--mountpoint <mountpoint>", "nydusd --mountpoint <mountpoint>")),
            }
        };
        let mut arguments = Self {
            mode,
            serves_at: PathBuf::new(),
            api_socket: None,
            id: None,
            supervisor: None,
            log_level: "info".to_owned(),
            open_files: 1_000_000,
            hybrid: false,
            upgrade: false,
            faults,
        };
        while let Some(word) = words.next() {
            arguments.take(&word, &mut words)?;
        }
        if arguments.serves_at.as_os_str().is_empty() {
            let option = if mode == Mode::Fuse { "--mountpoint <mountpoint>" } else { "--sock <sock>" };
            return Err(missing(option, &format!("nydusd {} {option}", mode.name())));
        }
        Ok(arguments)
    }

    fn take(&mut self, word: &str, words: &mut impl Iterator<Item = String>) -> Result<(), Refusal> {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word, None),
        };
        let name = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| *long);
        let (own, own_flags): (&[&str], &[&str]) = match self.mode {
            Mode::Virtiofs => (&VIRTIOFS, &VIRTIOFS_FLAGS),
            Mode::Fuse => (&FUSE, &FUSE_FLAGS),
        };
        if FLAGS.contains(&name) || own_flags.contains(&name) {
            self.hybrid |= name == "--hybrid-mode";
            self.upgrade |= name == "--upgrade";
            return Ok(());
        }
        if !WITH_VALUE.contains(&name) && !own.contains(&name) {
            return Err(unexpected(word, self.mode.usage()));
        }
        let value = inline.or_else(|| words.next()).ok_or_else(|| Refusal {
            text: format!("error: The argument '{name}' requires a value but none was supplied\n\nFor more information try '--help'\n"),
            code: 2,
        })?;
        match name {
            "--sock" | "--mountpoint" => self.serves_at = value.into(),
            "--apisock" => self.api_socket = Some(value.into()),
            "--id" => self.id = Some(value),
            "--supervisor" => self.supervisor = Some(value),
            "--log-level" if LEVELS.contains(&value.as_str()) => self.log_level = value,
            "--log-level" => return Err(level(&value)),
            "--rlimit-nofile" => self.open_files = value.parse().unwrap_or_default(),
            "--fault" => self.faults.push(fault(Some(value))?),
            _ => {}
        }
        Ok(())
    }
}

const VERSION: &str = "nydusd Version: \tunknown\nGit Commit: \tunknown\nProfile: \trelease\n\n";

fn usage(message: &str, usage: &str) -> Refusal {
    Refusal {
        text: format!("error: {message}\n\nUsage: {usage}\n\nFor more information try '--help'\n"),
        code: 2,
    }
}

fn unexpected(word: &str, of: &str) -> Refusal {
    usage(&format!("Found argument '{word}' which wasn't expected, or isn't valid in this context"), of)
}

fn missing(option: &str, of: &str) -> Refusal {
    usage(&format!("The following required arguments were not provided:\n  {option}"), of)
}

fn level(value: &str) -> Refusal {
    let known = LEVELS.join(", ");
    Refusal {
        text: format!(
            "error: '{value}' isn't a valid value for '--log-level <log-level>'\n  [possible values: {known}]\n\nFor more information try '--help'\n"
        ),
        code: 2,
    }
}

fn fault(name: Option<String>) -> Result<Fault, Refusal> {
    name.unwrap_or_default().parse().map_err(|error| Refusal { text: format!("error: {error}\n"), code: 64 })
}
