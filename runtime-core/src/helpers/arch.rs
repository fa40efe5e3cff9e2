//! Processor architectures, under the names that kernels, Go, OCI images and Rust give them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A processor architecture that container images are built for.
///
/// `Display`, `FromStr` and serde use the form of an OCI platform: `amd64`, `arm/v7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Architecture {
    /// 64-bit x86.
    Amd64,
    /// 32-bit x86.
    I386,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM, version 5.
    ArmV5,
    /// 32-bit ARM, version 6.
    ArmV6,
    /// 32-bit ARM, version 7: what plain `arm` means.
    ArmV7,
    /// 64-bit POWER, little-endian.
    Ppc64le,
    /// 64-bit RISC-V.
    Riscv64,
    /// IBM Z.
    S390x,
    /// 64-bit LoongArch.
    Loong64,
}

use Architecture::{Amd64, Arm64, ArmV5, ArmV6, ArmV7, I386, Loong64, Ppc64le, Riscv64, S390x};

/// One row an architecture: itself, `uname -m`, Go and OCI name, OCI variant, Rust name.
const NAMES: [(Architecture, &str, &str, Option<&str>, &str); 10] = [
    (Amd64, "x86_64", "amd64", None, "x86_64"),
    (I386, "i686", "386", None, "x86"),
    (Arm64, "aarch64", "arm64", None, "aarch64"),
    // First of the three, so that the names they share mean this one.
    (ArmV7, "armv7l", "arm", Some("v7"), "arm"),
    (ArmV6, "armv6l", "arm", Some("v6"), "arm"),
    (ArmV5, "armv5tel", "arm", Some("v5"), "arm"),
    (Ppc64le, "ppc64le", "ppc64le", None, "powerpc64"),
    (Riscv64, "riscv64", "riscv64", None, "riscv64"),
    (S390x, "s390x", "s390x", None, "s390x"),
    (Loong64, "loongarch64", "loong64", None, "loongarch64"),
];

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 10] = [Amd64, I386, Arm64, ArmV5, ArmV6, ArmV7, Ppc64le, Riscv64, S390x, Loong64];

    /// The architecture that this program was built for.
    ///
    /// # Errors
    /// It is none that images are built for.
    pub fn host() -> Result<Self, UnknownArchitecture> {
        Self::from_rust(std::env::consts::ARCH)
    }

    /// From what `uname -m` prints.
    ///
    /// # Errors
    /// Names what is not known.
    pub fn from_uname(machine: &str) -> Result<Self, UnknownArchitecture> {
        match machine {
            "amd64" => Ok(Amd64),
            "i386" | "i486" | "i586" => Ok(I386),
            "arm64" => Ok(Arm64),
            // A 64-bit kernel that runs 32-bit programs.
            "armv8l" => Ok(ArmV7),
            "armv5l" | "armv5tejl" => Ok(ArmV5),
            _ => find(machine, "uname -m", |row| row.1 == machine),
        }
    }

    /// From a Go name (`GOARCH`), which is also what the label `kubernetes.io/arch` of a node holds.
    ///
    /// # Errors
    /// Names what is not known.
    pub fn from_go(goarch: &str) -> Result<Self, UnknownArchitecture> {
        find(goarch, "Go", |row| row.2 == goarch)
    }

    /// From the `architecture` and `variant` of an OCI platform; an empty variant is none.
    ///
    /// # Errors
    /// Names what is not known. That includes variants which ask for more than the plain architecture, as `amd64/v3`.
    pub fn from_oci(architecture: &str, variant: Option<&str>) -> Result<Self, UnknownArchitecture> {
        let variant = variant.filter(|variant| !variant.is_empty());
        match (architecture, variant) {
            ("amd64", Some("v1")) => Ok(Amd64),
            ("arm64", Some("v8" | "8")) => Ok(Arm64),
            ("arm", None | Some("7")) => Ok(ArmV7),
            ("arm", Some("6")) => Ok(ArmV6),
            ("arm", Some("5")) => Ok(ArmV5),
            _ => {
                let text =
                    variant.map_or(architecture.to_owned(), |variant| format!("{architecture}/{variant}"));
                find(&text, "OCI", |row| row.2 == architecture && row.3 == variant)
            }
        }
    }

    /// From a Rust name, as in `std::env::consts::ARCH`.
    ///
    /// # Errors
    /// Names what is not known.
    pub fn from_rust(arch: &str) -> Result<Self, UnknownArchitecture> {
        find(arch, "Rust", |row| row.4 == arch)
    }

    /// What `uname -m` prints on it, in the commonest form.
    pub fn uname(self) -> &'static str {
        self.row().1
    }

    /// Its Go name. The ARM versions share one.
    pub fn go(self) -> &'static str {
        self.row().2
    }

    /// Its OCI `architecture` and `variant`.
    pub fn oci(self) -> (&'static str, Option<&'static str>) {
        (self.row().2, self.row().3)
    }

    /// Its Rust name. The ARM versions share one.
    pub fn rust(self) -> &'static str {
        self.row().4
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, Option<&'static str>, &'static str) {
        // A test walks ALL, so the first row stands in for nothing.
        NAMES.iter().find(|row| row.0 == self).unwrap_or(&NAMES[0])
    }
}

/// A name that stands for no known architecture.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("unknown {naming} architecture {name:?}")]
pub struct UnknownArchitecture {
    /// The name as it came.
    pub name: String,
    /// Whose name it should have been.
    pub naming: &'static str,
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oci() {
            (architecture, Some(variant)) => write!(f, "{architecture}/{variant}"),
            (architecture, None) => f.write_str(architecture),
        }
    }
}

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((architecture, variant)) => Self::from_oci(architecture, Some(variant)),
            None => Self::from_oci(text, None),
        }
    }
}

impl TryFrom<String> for Architecture {
    type Error = UnknownArchitecture;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Architecture> for String {
    fn from(architecture: Architecture) -> Self {
        architecture.to_string()
    }
}

fn find(
    name: &str,
    naming: &'static str,
    matches: impl Fn(&&(Architecture, &str, &str, Option<&str>, &str)) -> bool,
) -> Result<Architecture, UnknownArchitecture> {
    let row = NAMES.iter().find(matches);
    row.map(|row| row.0).ok_or_else(|| UnknownArchitecture { name: name.to_owned(), naming })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_architecture_has_its_row_and_every_name_leads_back() {
        for arch in Architecture::ALL {
            assert_eq!(arch.row().0, arch);
            assert_eq!(Architecture::from_uname(arch.uname()), Ok(arch));
            let (name, variant) = arch.oci();
            assert_eq!(Architecture::from_oci(name, variant), Ok(arch));
            assert_eq!(arch.to_string().parse(), Ok(arch));
            // Go and Rust have one name for all versions of 32-bit ARM.
            let plain = if name == "arm" { ArmV7 } else { arch };
            assert_eq!(Architecture::from_go(arch.go()), Ok(plain));
            assert_eq!(Architecture::from_rust(arch.rust()), Ok(plain));
        }
    }

    #[test]
    fn aliases() {
        assert_eq!(Architecture::from_uname("i386"), Ok(I386));
        assert_eq!(Architecture::from_uname("arm64"), Ok(Arm64));
        assert_eq!(Architecture::from_uname("armv8l"), Ok(ArmV7));
        assert_eq!(Architecture::from_oci("arm64", Some("v8")), Ok(Arm64));
        assert_eq!(Architecture::from_oci("arm64", Some("")), Ok(Arm64));
        assert_eq!(Architecture::from_oci("arm", None), Ok(ArmV7));
    }

    #[test]
    fn the_host_is_what_the_tests_run_on() {
        let host = Architecture::host().unwrap();
        assert_eq!(host.rust(), std::env::consts::ARCH);
    }

    #[test]
    fn unknown_names_are_named() {
        let message = |result: Result<Architecture, UnknownArchitecture>| result.unwrap_err().to_string();
        assert_eq!(message(Architecture::from_uname("vax")), "unknown uname -m architecture \"vax\"");
        assert_eq!(message(Architecture::from_go("x86_64")), "unknown Go architecture \"x86_64\"");
        assert_eq!(
            message(Architecture::from_oci("amd64", Some("v3"))),
            "unknown OCI architecture \"amd64/v3\""
        );
        assert_eq!(message(Architecture::from_rust("")), "unknown Rust architecture \"\"");
    }

    #[test]
    fn serde_is_the_platform_form() {
        assert_eq!(serde_json::to_string(&ArmV6).unwrap(), "\"arm/v6\"");
        assert_eq!(serde_json::from_str::<Architecture>("\"amd64\"").unwrap(), Amd64);
        assert!(serde_json::from_str::<Architecture>("\"x86_64\"").is_err());
    }

    proptest! {
        #[test]
        fn what_parses_is_printed_so_that_it_parses_again(text in "[a-z0-9_/]{0,12}") {
            if let Ok(arch) = text.parse::<Architecture>() {
                prop_assert_eq!(arch.to_string().parse(), Ok(arch));
            }
        }
    }
}
