//! The `wharf-testkit` command, as scripts use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_wharf-testkit"))
}

#[test]
fn it_serves_until_its_input_ends() {
    let mut child = command().arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let mut stream = TcpStream::connect(address.trim()).unwrap();
    stream.write_all(b"GET /v2/_catalog HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"guest\"") && answer.contains("\"pause\""), "{answer}");

    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_archive_has_the_layout_that_tools_expect() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("pause.tar");
    let archive = ["archive", "--image", "pause", "--name", "wharf.local/pause:1", "--out"];
    assert!(command().args(archive).arg(&out).status().unwrap().success());
    let mut archive = tar::Archive::new(std::fs::File::open(&out).unwrap());
    let paths: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(paths[..2], ["oci-layout", "index.json"]);
    assert_eq!(paths.len(), 2 + 3, "a manifest, a config and a layer: {paths:?}");
}

#[test]
fn an_unknown_image_is_refused_with_those_that_there_are() {
    let output =
        command().args(["archive", "--image", "x", "--name", "x:1", "--out", "/dev/null"]).output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("no image \"x\"; there are guest, "), "{message}");
}
