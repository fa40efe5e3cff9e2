//! Serves and writes the images of the conformance suite, and keeps a fake cluster to try things on.

use std::ffi::OsString;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;
use testkit::engine::{Engine, EngineOptions};
use testkit::fake_k8s::{FakeK8s, FakeK8sOptions};
use testkit::image::{ImageBuilder, Platform, guest, shell, standard, standard::Named, write_archive};
use testkit::registry::{Options, Registry};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const HELP: &str = "\
wharf-testkit: the images of wharf's conformance suite, and a fake cluster

    wharf-testkit archive --image IMAGE --name NAME --out FILE
        Writes an image as an OCI archive under a full name, as in wharf.local/pause:1.
    wharf-testkit serve [--port PORT]
        Serves all images with the tag `1` from a registry on loopback. Prints its address, then runs until
        standard input ends or SIGINT or SIGTERM comes.
    wharf-testkit cluster --dir DIR
        Runs a fake Kubernetes cluster whose pods are processes of this machine, and serves the images beside it,
        `shell` among them if there is a static busybox. Writes DIR/kubeconfig, and its pods' files below DIR. Prints
        the address of the images when it can be used, then runs as long as `serve`.
    wharf-testkit help

The guest program inside the images is that of the environment variable WHARF_GUEST, or is built by cargo.
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Job {
    Help,
    Archive { image: String, name: String, out: PathBuf },
    Serve { port: u16 },
    Cluster { dir: PathBuf },
}

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let job = match parse(std::env::args_os().skip(1)) {
        Ok(job) => job,
        Err(error) => {
            eprintln!("wharf-testkit: {error}; `wharf-testkit help` shows how");
            return ExitCode::from(64);
        }
    };
    let done = match job {
        Job::Help => io::stdout().write_all(HELP.as_bytes()).map_err(Into::into),
        Job::Archive { image, name, out } => archive(&image, &name, &out),
        Job::Serve { port } => serve(port),
        Job::Cluster { dir } => cluster(dir),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wharf-testkit: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: impl Iterator<Item = OsString>) -> Result<Job, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(words);
    let (mut command, mut image, mut name, mut out, mut port, mut dir) = (None, None, None, None, None, None);
    while let Some(word) = parser.next()? {
        match (word, command.as_deref()) {
            (Value(word), None) => command = Some(word.string()?),
            (Short('h') | Long("help"), _) => return Ok(Job::Help),
            (Long("image"), Some("archive")) => image = Some(parser.value()?.string()?),
            (Long("name"), Some("archive")) => name = Some(parser.value()?.string()?),
            (Long("out"), Some("archive")) => out = Some(PathBuf::from(parser.value()?)),
            (Long("dir"), Some("cluster")) => dir = Some(PathBuf::from(parser.value()?)),
            (Long("port"), Some("serve")) => port = Some(parser.value()?.parse()?),
            (word, _) => return Err(word.unexpected()),
        }
    }
    let missing = |option: &str| lexopt::Error::Custom(format!("{option} is missing").into());
    match command.as_deref() {
        Some("help") => Ok(Job::Help),
        Some("archive") => Ok(Job::Archive {
            image: image.ok_or_else(|| missing("--image"))?,
            name: name.ok_or_else(|| missing("--name"))?,
            out: out.ok_or_else(|| missing("--out"))?,
        }),
        Some("serve") => Ok(Job::Serve { port: port.unwrap_or(0) }),
        Some("cluster") => Ok(Job::Cluster { dir: dir.ok_or_else(|| missing("--dir"))? }),
        Some(other) => Err(format!("unknown command {other:?}").into()),
        None => Err(missing("the command")),
    }
}

fn archive(image: &str, name: &str, out: &PathBuf) -> Result<()> {
    let images = standard::all(&guest::binary()?)?;
    let Some(named) = images.iter().find(|named| named.name == image) else {
        let names: Vec<&str> = images.iter().map(|named| named.name).collect();
        return Err(format!("no image {image:?}; there are {}", names.join(", ")).into());
    };
    let file = std::fs::File::create(out).map_err(|error| format!("{}: {error}", out.display()))?;
    write_archive(BufWriter::new(file), &[(name, &named.image)])?;
    Ok(())
}

fn serve(port: u16) -> Result<()> {
    let images = standard::all(&guest::binary()?)?;
    runtime()?.block_on(async {
        let registry = registry(port, &images).await?;
        until_ended(&registry.address().to_string()).await
    })
}

fn cluster(dir: PathBuf) -> Result<()> {
    let mut images = standard::all(&guest::binary()?)?;
    if let Some(busybox) = shell::busybox() {
        let builder = ImageBuilder::new(Platform::host()).layer(shell::layer(busybox)?);
        images.push(Named { name: "shell", image: builder.env("PATH", "/bin").cmd(["/bin/sh"]).build()? });
    }
    runtime()?.block_on(async {
        let registry = registry(0, &images).await?;
        let kubeconfig = dir.join("kubeconfig");
        let engine =
            Engine::start(EngineOptions { state_dir: Some(dir), ..EngineOptions::default() }).await?;
        let fake = FakeK8s::start(engine, &FakeK8sOptions::default())?;
        fake.write_kubeconfig(&kubeconfig)?;
        let ended = until_ended(&registry.address().to_string()).await;
        fake.shutdown().await;
        ended
    })
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

async fn registry(port: u16, images: &[Named]) -> Result<Registry> {
    let registry = Registry::start(Options { port, ..Options::default() }).await?;
    for named in images {
        registry.push(named.name, standard::TAG, &named.image);
    }
    Ok(registry)
}

/// Says where it is, and waits until standard input ends or a signal comes.
async fn until_ended(address: &str) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut out = io::stdout();
    writeln!(out, "{address}")?;
    out.flush()?;
    tokio::select! {
        _ = end_of_input() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// A thread of its own, because the runtime would wait at its end for a read that blocks.
fn end_of_input() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        let mut input = io::stdin().lock();
        while input.read(&mut buffer).is_ok_and(|length| length > 0) {}
        // Nobody waits any more when a signal came first.
        let _ = sender.send(());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(line: &str) -> Result<Job, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn command_lines_are_read() {
        assert_eq!(job("help"), Ok(Job::Help));
        assert_eq!(job("serve"), Ok(Job::Serve { port: 0 }));
        assert_eq!(job("serve --port=5000"), Ok(Job::Serve { port: 5000 }));
        assert_eq!(job("cluster --dir there"), Ok(Job::Cluster { dir: "there".into() }));
        let archive = Job::Archive { image: "pause".into(), name: "a/b:1".into(), out: "file".into() };
        assert_eq!(job("archive --image pause --name a/b:1 --out file"), Ok(archive));
    }

    #[test]
    fn a_wrong_command_line_is_refused_by_name() {
        for (line, part) in [
            ("", "command is missing"),
            ("bake", "unknown command \"bake\""),
            ("archive --image pause --name a:1", "--out is missing"),
            ("serve --image pause", "--image"),
            ("cluster", "--dir is missing"),
            ("serve --port many", "many"),
            ("serve now", "now"),
        ] {
            let error = job(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
