//! A nydusd for tests of how daemons are run: the real command line, API, log and end, and faults. See
//! `testkit::fake_nydusd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The real one reads its arguments as text too.
    testkit::fake_nydusd::main(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()))
}
