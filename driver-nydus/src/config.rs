//! Where daemons live and how they are run, from a URL.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use runtime_core::{Error, Result, helpers::local_url};
use serde::{Deserialize, Serialize};
use url::Url;

/// The daemon's program, looked for in `PATH`.
const DEFAULT_PROGRAM: &str = "nydusd";

/// How long a daemon may take to be ready.
const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(10);

/// The options in a URL.
const OPTIONS: [&str; 3] = ["mode", "nydusd", "start_timeout"];

/// How daemons are run.
///
/// As a URL: `nydus:///work/dir?mode=virtiofs|fuse&nydusd=PATH&start_timeout=SECONDS`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The directory with everything that daemons need and leave: it is made if it isn't there. Drivers with the same
    /// directory, in any process of this host, see the same pods.
    pub work_dir: PathBuf,
    /// What daemons serve, unless a pod says otherwise. `virtiofs` unless said.
    pub mode: Mode,
    /// The program: a path, or a name that is looked for in `PATH`. `nydusd` unless said.
    pub nydusd: PathBuf,
    /// How long a daemon may take until its API says that it is running. 10 s unless said.
    pub start_timeout: Duration,
}

/// What a daemon serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A vhost-user socket for a hypervisor, which passes the files into its guest.
    #[default]
    Virtiofs,
    /// A mount on this host.
    Fuse,
}

impl Config {
    /// Daemons below this directory.
    #[must_use]
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            work_dir: work_dir.into(),
            mode: Mode::default(),
            nydusd: PathBuf::from(DEFAULT_PROGRAM),
            start_timeout: DEFAULT_START_TIMEOUT,
        }
    }

    /// Sets what daemons serve.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the program.
    #[must_use]
    pub fn with_nydusd(mut self, program: impl Into<PathBuf>) -> Self {
        self.nydusd = program.into();
        self
    }

    /// Sets how long a daemon may take to be ready.
    #[must_use]
    pub fn with_start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Reads a URL.
    ///
    /// # Errors
    /// `InvalidArgument` says what is wrong with it.
    pub fn from_url(url: &Url) -> Result<Self> {
        if url.scheme() != "nydus" {
            return Err(invalid(format!("the scheme is {:?}, not \"nydus\"", url.scheme())));
        }
        if url.host_str().is_some_and(|host| !host.is_empty()) || url.port().is_some() {
            return Err(invalid("daemons are on this host: expected nydus:///DIRECTORY (three slashes)"));
        }
        let mut config = match local_url::path(url)? {
            path if path.is_absolute() && path != Path::new("/") => Self::new(path),
            _ => return Err(invalid("there is no directory in it, expected nydus:///DIRECTORY")),
        };
        for (key, value) in url.query_pairs() {
            match &*key {
                "mode" => config.mode = value.parse().map_err(invalid)?,
                "nydusd" if value.is_empty() => return Err(invalid("nydusd= names no program")),
                "nydusd" => config.nydusd = PathBuf::from(&*value),
                "start_timeout" => config.start_timeout = seconds(&value)?,
                _ => {
                    let known = OPTIONS.join(", ");
                    return Err(invalid(format!("the option {key:?} is unknown, there are {known}")));
                }
            }
        }
        Ok(config)
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "virtiofs" => Ok(Self::Virtiofs),
            "fuse" => Ok(Self::Fuse),
            _ => Err(format!("the mode {text:?} is unknown, there are virtiofs and fuse")),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtiofs => "virtiofs",
            Self::Fuse => "fuse",
        })
    }
}

fn seconds(value: &str) -> Result<Duration> {
    match value.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(invalid(format!("start_timeout={value} is not a number of seconds"))),
    }
}

fn invalid(message: impl fmt::Display) -> Error {
    Error::invalid("url", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Config> {
        Config::from_url(&Url::parse(url).unwrap())
    }

    #[test]
    fn directories_and_options() {
        assert_eq!(parse("nydus:///run/n").unwrap(), Config::new("/run/n"));
        assert_eq!(parse("nydus:///a%20b?mode=fuse").unwrap(), Config::new("/a b").with_mode(Mode::Fuse));
        let all = parse("nydus:///n?mode=virtiofs&nydusd=/opt/nydusd&start_timeout=3").unwrap();
        let expected =
            Config::new("/n").with_nydusd("/opt/nydusd").with_start_timeout(Duration::from_secs(3));
        assert_eq!(all, expected);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, part) in [
            ("nydus://", "no directory"),
            ("nydus:///", "no directory"),
            ("nydus://run/n", "three slashes"),
            ("nydus:///n#y", "fragment"),
            ("nydus:///n?mod=fuse", "\"mod\""),
            ("nydus:///n?mode=fues", "\"fues\""),
            ("nydus:///n?nydusd=", "no program"),
            ("nydus:///n?start_timeout=0", "start_timeout=0"),
            ("nydus:///n?start_timeout=x", "start_timeout=x"),
            ("other:///n", "\"other\""),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.field(), Some("url"), "{url}");
            assert!(error.to_string().contains(part), "{url}: {error}");
        }
    }
}
