//! Tests of the engine as a whole: each starts its own, and proves at its end that nothing was left.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

mod attach;
mod connect;
mod ends;
mod exec;
mod life;
mod mounts;
mod security;
mod space;
mod usage;

const BUSYBOX: &str = "/bin/busybox";
const LONG: Duration = Duration::from_secs(20);

/// An engine with an image of busybox, and a pod.
struct Bed {
    engine: Engine,
    pod: String,
    image: &'static str,
}

impl Bed {
    /// With walls. `None`, with a printed reason, where that cannot be.
    async fn walled() -> Option<Self> {
        let engine = Engine::start(EngineOptions::default()).await.unwrap();
        if engine.isolation() != Isolation::Chroot {
            println!("skipped: needs root and namespaces");
            return None;
        }
        Self::with_busybox(engine).await
    }

    async fn open() -> Option<Self> {
        let options = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
        Self::with_busybox(Engine::start(options).await.unwrap()).await
    }

    async fn with_busybox(engine: Engine) -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            println!("skipped: no {BUSYBOX}");
            return None;
        }
        let files = tempfile::tempdir().unwrap();
        let root = files.path();
        for directory in ["bin", "etc", "tmp", "home/app"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
        for name in [
            "sh", "sleep", "cat", "echo", "hostname", "id", "ls", "touch", "ps", "mount", "env", "pwd",
            "seq", "dd", "grep",
        ] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
            .unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\napp:x:1001:\nwheel:x:10:app\n").unwrap();
        let config = ImageConfig { user: None, ..ImageConfig::default() };
        engine.import_image("localhost/busybox", root, config).await.unwrap();
        let pod = engine.create_pod(pod("one")).await.unwrap().id;
        Some(Self { engine, pod, image: "localhost/busybox" })
    }

    async fn host() -> Self {
        let engine = Engine::start(EngineOptions::default()).await.unwrap();
        let pod = engine.create_pod(pod("one")).await.unwrap().id;
        Self { engine, pod, image: HOST_IMAGE }
    }

    fn launch(&self, argv: &[&str]) -> Launch {
        Launch {
            name: argv.join(" "),
            image: self.image.to_owned(),
            argv: argv.iter().map(ToString::to_string).collect(),
            log_path: Some(self.log()),
            ..Launch::default()
        }
    }

    fn log(&self) -> std::path::PathBuf {
        self.engine.state_dir().join("log")
    }

    async fn start(&self, launch: Launch) -> String {
        let id = self.engine.create_container(&self.pod, launch).await.unwrap().id;
        self.engine.start_container(&id).await.unwrap();
        id
    }

    /// Runs to its end: what it ended with and what it printed.
    async fn run(&self, launch: Launch) -> (Exit, String) {
        let _ = fs::remove_file(self.log());
        let id = self.start(launch).await;
        let exit = tokio::time::timeout(LONG, self.engine.wait_container(&id)).await.unwrap().unwrap();
        assert!(self.engine.remove_container(&id, false).await.unwrap());
        (exit, self.printed())
    }

    async fn sh(&self, script: &str) -> (Exit, String) {
        self.run(self.launch(&["sh", "-c", script])).await
    }

    fn printed(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.split_terminator('\n').map(|line| line.splitn(4, ' ').nth(3).unwrap().to_owned() + "\n").collect()
    }

    async fn exec(&self, id: &str, script: &str) -> ExecOutput {
        let output = self.engine.exec(id, command(&["sh", "-c", script])).await;
        output.unwrap()
    }

    /// Everything gone, and no trace of it on the machine.
    async fn end(self) {
        let directory = self.engine.state_dir().to_path_buf();
        let pids: Vec<i32> = self.engine.ledger().processes.iter().map(|process| process.pid).collect();
        self.engine.shutdown().await.unwrap();
        assert!(self.engine.ledger().is_empty(), "{:?}", self.engine.ledger());
        assert!(!directory.exists());
        for pid in pids {
            assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is left");
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(directory.to_str().unwrap()), "{mounts}");
    }
}

fn pod(name: &str) -> PodLaunch {
    PodLaunch { name: name.into(), namespace: "default".into(), uid: "u".into(), ..PodLaunch::default() }
}

fn command(argv: &[&str]) -> ExecLaunch {
    ExecLaunch { argv: argv.iter().map(ToString::to_string).collect(), ..ExecLaunch::default() }
}

/// Polls until something is so.
async fn until(so: impl Fn() -> bool) {
    let mut wait = Duration::from_millis(1);
    let mut waited = Duration::ZERO;
    while !so() {
        assert!(waited < LONG, "it never came to be");
        tokio::time::sleep(wait).await;
        waited += wait;
        wait = (wait * 2).min(Duration::from_millis(50));
    }
}
