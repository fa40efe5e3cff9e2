//! The encoder, the scanner and the scripts together; the scripts in every shell that is here.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::prelude::*;

use super::{Header, Helper, MAX_LINE_BYTES, Mark, MarkScanner, Nonce, RemoteProcess, command::Whom};
use crate::{helpers::signal::Signal, spec::ExecSpec};

const SHELLS: [&[&str]; 3] = [&["dash"], &["bash", "--posix"], &["busybox", "sh"]];

fn shells() -> impl Iterator<Item = &'static [&'static str]> {
    let is_here = |shell: &&&[&str]| {
        let found =
            Command::new(shell[0]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        found.and_then(|mut child| child.wait()).is_ok()
    };
    SHELLS.iter().filter(is_here).copied()
}

/// Runs a helper's command in this shell instead of the container's.
fn in_shell(shell: &[&str], command: &[String]) -> Command {
    let mut child = Command::new(shell[0]);
    child.args(&shell[1..]).args(&command[1..]);
    child
}

/// What the command wrote behind the mark, or what the wrapper said of why there is none, and the exit code.
fn exec(shell: &[&str], spec: &ExecSpec, input: &[u8]) -> (Result<Vec<u8>, Mark>, i32) {
    let nonce = Nonce::random();
    let mut child = in_shell(shell, &Helper::Shell.wrapper(&nonce));
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, text) = (child.stdin.take().unwrap(), Header::new(spec).lines().concat());
    let input = input.to_vec();
    let writing = std::thread::spawn(move || {
        // One that fails early takes no more.
        drop(stdin.write_all(text.as_bytes()).and_then(|()| stdin.write_all(&input)));
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let mut scanner = MarkScanner::new(&nonce);
    scanner.push(&output.stdout);
    let code = output.status.code().unwrap_or(-1);
    loop {
        match scanner.next_mark() {
            Some(Mark::Read) => {}
            Some(Mark::Ready(process)) => {
                assert!(process.pid > 1 && process.start_time > 0, "{process:?}");
                return (Ok(scanner.into_rest()), code);
            }
            Some(mark) => return (Err(mark), code),
            None => panic!("{shell:?} said nothing: {:?}", String::from_utf8_lossy(&output.stdout)),
        }
    }
}

fn told(shell: &[&str], spec: &ExecSpec) -> String {
    let (output, code) = exec(shell, spec, b"");
    assert_eq!(code, 0, "{shell:?}");
    String::from_utf8(output.unwrap()).unwrap()
}

/// The values of variables, as `/proc` has them.
fn env_of(shell: &[&str], spec: ExecSpec, name: &str) -> Option<String> {
    let spec = ExecSpec { command: vec!["cat".into(), "/proc/self/environ".into()], ..spec };
    let all = told(shell, &spec);
    let prefix = format!("{name}=");
    let mut values = all.split('\0').filter_map(|line| line.strip_prefix(&prefix));
    let value = values.next().map(str::to_owned);
    assert_eq!(values.next(), None, "{shell:?}: {name} twice");
    value
}

#[test]
fn there_is_a_shell_to_test_with() {
    assert!(shells().count() > 0);
}

#[test]
fn values_arrive_as_they_are() {
    let every_char: String = (1..=0x2ff_u32).filter_map(char::from_u32).collect();
    let values = [
        "",
        " ",
        "a b",
        "'",
        "\"",
        "$HOME `id` $(id)",
        "*",
        "\\",
        "\\0101",
        "%s",
        "\n\n",
        "-n",
        "é\n",
        &every_char,
    ];
    for shell in shells() {
        for value in values {
            assert_eq!(
                env_of(shell, ExecSpec::new(["a"]).with_env("V", value), "V").as_deref(),
                Some(value),
                "{shell:?}"
            );
            let printed = told(shell, &ExecSpec::new(["printf", "%s|%s", value, "end"]));
            assert_eq!(printed, format!("{value}|end"), "{shell:?}");
        }
    }
}

#[test]
fn variables_that_a_shell_looks_at_do_no_harm() {
    for shell in shells() {
        let path = std::env::var("PATH").unwrap();
        let spec = ExecSpec::new(["a"])
            .with_env("LC_ALL", "no_SUCH.locale")
            .with_env("LANG", "C.UTF-8")
            .with_env("IFS", "ex")
            .with_env("PS4", "$(false)")
            .with_env("ENV", "/no/such")
            .with_env("PATH", format!("/no/such:{path}"))
            .with_env("CDPATH", "/tmp")
            .with_env("HOME", "/no/home")
            .with_cwd("/usr");
        for (name, value) in [("LC_ALL", "no_SUCH.locale"), ("IFS", "ex"), ("HOME", "/no/home")] {
            assert_eq!(env_of(shell, spec.clone(), name).as_deref(), Some(value), "{shell:?}");
        }
        let spec = ExecSpec { command: vec!["readlink".into(), "/proc/self/cwd".into()], ..spec };
        assert_eq!(told(shell, &spec), "/usr\n", "{shell:?}");
    }
}

#[test]
fn nothing_of_the_input_is_lost_or_taken() {
    let input: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    for shell in shells() {
        let (output, code) = exec(shell, &ExecSpec::new(["cat"]).with_stdin(), &input);
        assert_eq!((output.unwrap(), code), (input.clone(), 0), "{shell:?}");
        let (output, _) = exec(shell, &ExecSpec::new(["cat"]), &input);
        assert_eq!(output.unwrap(), b"", "{shell:?}: without input");
    }
}

#[test]
fn large_environments_arrive() {
    let value = "0123456789abcdef".repeat(4096 - 8);
    let spec =
        (0..4).fold(ExecSpec::new(["a"]), |spec, number| spec.with_env(format!("V{number}"), value.as_str()));
    for shell in shells() {
        assert_eq!(env_of(shell, spec.clone(), "V3").as_deref(), Some(value.as_str()), "{shell:?}");
    }
}

#[test]
fn the_exit_code_is_the_commands() {
    for shell in shells() {
        let (output, code) = exec(shell, &ExecSpec::new(["sh", "-c", "exit 42"]), b"");
        assert_eq!((output, code), (Ok(vec![]), 42), "{shell:?}");
    }
}

#[test]
fn what_cannot_be_applied_is_said_before_anything_runs() {
    let spec = || ExecSpec::new(["echo", "ran"]);
    for shell in shells() {
        for (spec, word) in [
            (spec().with_cwd("/no/such"), "cwd-missing"),
            (spec().with_cwd("/etc/passwd"), "cwd-file"),
            (spec().with_user("no-such-user"), "user-unknown"),
            (spec().with_user("0:no-such-group"), "group-unknown"),
            (ExecSpec::new(["/no/such"]), "command-missing"),
            (ExecSpec::new(["no-such"]), "command-missing"),
            (ExecSpec::new(["/etc"]), "command-denied"),
            (ExecSpec::new(["/etc/passwd"]), "command-denied"),
        ] {
            let (said, code) = exec(shell, &spec, b"");
            let Err(Mark::Failed(failure)) = said else { panic!("{shell:?} {word}: {said:?}") };
            assert_eq!(failure.into_error(&spec).reason(), Some(word), "{shell:?}");
            assert_eq!(code, 125);
        }
    }
}

#[test]
fn users_change_where_something_can_change_them() {
    if !std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t") {
        eprintln!("skipped: needs root");
        return;
    }
    for shell in shells() {
        for (user, expected) in [("daemon", "1"), ("1", "1"), ("0", "0"), ("root", "0")] {
            let spec = ExecSpec::new(["id", "-u"]).with_user(user).with_env("WITH", "it");
            assert_eq!(told(shell, &spec).trim(), expected, "{shell:?}");
            assert_eq!(env_of(shell, spec, "WITH").as_deref(), Some("it"));
        }
    }
}

#[test]
fn one_life_is_signalled_and_no_other() {
    for shell in shells() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let start_time = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
        let pid = child.id();
        let kill = |start_time| {
            let process = RemoteProcess { pid, start_time };
            let command = Helper::Shell.kill(Signal::TERM, process, Whom::Group);
            in_shell(shell, &command).status().unwrap().code()
        };
        assert_eq!(kill(start_time + 1), Some(3), "{shell:?}: another life");
        assert_eq!(kill(start_time), Some(0), "{shell:?}");
        assert!(!child.wait().unwrap().success());
        assert_eq!(kill(start_time), Some(3), "{shell:?}: it is gone");
    }
}

fn mark() -> impl Strategy<Value = (String, Mark)> {
    prop_oneof![
        Just(("+".to_owned(), Mark::Read)),
        (1..u32::MAX, any::<u64>()).prop_map(|(pid, start_time)| {
            (format!("ready:{pid}:{start_time}"), Mark::Ready(RemoteProcess { pid, start_time }))
        }),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_plain_lines_that_a_shell_reads(bytes in prop::collection::vec(1..=u8::MAX, 0..3000)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let header = Header::new(&ExecSpec::new([text.clone()]).with_env("A", text).with_cwd("/x").with_user("u"));
        let lines = header.lines();
        for line in lines {
            prop_assert!(line.len() <= MAX_LINE_BYTES && line.ends_with('\n'));
            let plain = line.trim_end_matches('\n').bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            prop_assert!(plain, "{line:?}");
        }
        let length: usize = lines[1..].iter().map(String::len).sum();
        let first = format!("1 {length} n\n");
        prop_assert_eq!(&lines[0], &first);
    }

    #[test]
    fn marks_are_found_however_they_are_cut(
        said in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), mark()), 0..6),
        rest in prop::collection::vec(any::<u8>(), 0..100),
        cuts in prop::collection::vec(1..30_usize, 1..10),
    ) {
        let nonce = Nonce::random();
        let mut text = Vec::new();
        for (noise, (mark, _)) in &said {
            text.extend_from_slice(noise);
            // The beginning of a mark, and marks of others, are noise too.
            text.extend_from_slice(format!("<wharf:<wharf:{nonce}:?><wharf:x:+><wharf:{nonce}:{mark}>").as_bytes());
        }
        text.extend_from_slice(&rest);
        let mut scanner = MarkScanner::new(&nonce);
        let (mut found, mut left, mut sizes) = (Vec::new(), &text[..], cuts.iter().cycle());
        while !left.is_empty() && found.len() < said.len() {
            let (piece, later) = left.split_at((*sizes.next().unwrap()).min(left.len()));
            left = later;
            scanner.push(piece);
            while let Some(mark) = scanner.next_mark() {
                found.push(mark);
            }
        }
        prop_assert_eq!(found, said.iter().map(|(_, (_, mark))| mark.clone()).collect::<Vec<_>>());
        if !said.is_empty() {
            prop_assert_eq!([scanner.into_rest(), left.to_vec()].concat(), rest);
        }
    }

    #[test]
    fn a_scanner_keeps_little(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..500), 0..20)) {
        let mut scanner = MarkScanner::new(&Nonce::random());
        for piece in pieces {
            scanner.push(&piece);
            prop_assert_eq!(scanner.next_mark(), None);
        }
        prop_assert!(scanner.into_rest().len() < 50);
    }
}
