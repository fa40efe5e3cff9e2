//! The command line.

use super::super::arguments::{Arguments, Refusal};
use super::*;

fn parse(line: &str) -> Result<Arguments, Refusal> {
    Arguments::parse(line.split_whitespace().map(str::to_owned))
}

#[test]
fn both_modes_are_understood() {
    let line =
        "--fault late virtiofs --sock v --apisock a --rlimit-nofile 0 --log-level=debug --fault hang@POST";
    let arguments = parse(line).unwrap();
    assert_eq!((arguments.mode, arguments.open_files), (Mode::Virtiofs, 0));
    assert_eq!(arguments.faults, [Fault::Late, Fault::answering(Wrong::Hang, "POST")]);
    assert_eq!(arguments.log_level, "debug");
    let arguments = parse("fuse -M m -A a --id x --fuse-threads 2 --writable --upgrade").unwrap();
    assert_eq!((arguments.mode, arguments.upgrade), (Mode::Fuse, true));
    assert_eq!(arguments.id.as_deref(), Some("x"));
}

#[test]
fn what_is_refused_is_refused_in_the_same_words() {
    let table = [
        (
            "virtiofs --bogus",
            "error: Found argument '--bogus' which wasn't expected, or isn't valid in this context\n\nUsage: nydusd virtiofs [OPTIONS] --sock <sock>\n\nFor more information try '--help'\n",
        ),
        (
            "bogus",
            "error: The subcommand 'bogus' wasn't recognized\n\nUsage: nydusd [OPTIONS] --mountpoint <mountpoint>\n       nydusd <COMMAND>\n\nFor more information try '--help'\n",
        ),
        (
            "virtiofs --sock v --log-level nope",
            "error: 'nope' isn't a valid value for '--log-level <log-level>'\n  [possible values: trace, debug, info, warn, error]\n\nFor more information try '--help'\n",
        ),
        (
            "",
            "error: The following required arguments were not provided:\n  --mountpoint <mountpoint>\n\nUsage: nydusd --mountpoint <mountpoint>\n\nFor more information try '--help'\n",
        ),
    ];
    for (line, text) in table {
        assert_eq!(parse(line).unwrap_err(), Refusal { text: text.to_owned(), code: 2 }, "{line}");
    }
    for line in [
        "fuse --sock v --mountpoint m",
        "virtiofs --sock v --mountpoint m",
        "virtiofs --sock v --writable",
        "fuse --apisock a",
    ] {
        assert_eq!(parse(line).unwrap_err().code, 2, "{line}");
    }
}
