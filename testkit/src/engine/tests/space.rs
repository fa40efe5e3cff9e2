//! What containers of a pod share.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};

use super::*;

/// A pod of its own network, objects and process.
fn own(name: &str) -> PodLaunch {
    let space = PodSpace {
        network: Some(PodNetwork::default()),
        ipc: true,
        process: Some(PodProcess::default()),
        ..PodSpace::default()
    };
    PodLaunch { space, ..pod(name) }
}

/// A bed whose pod is this one; `None`, with a printed reason, where there can be no networks.
async fn bed(launch: PodLaunch) -> Option<Bed> {
    let mut bed = Bed::walled().await?;
    if !bed.engine.has_networks() {
        println!("skipped: no program to make networks with");
        bed.end().await;
        return None;
    }
    bed.pod = bed.engine.create_pod(launch).await.unwrap().id;
    Some(bed)
}

fn interface_of(address: Ipv4Addr) -> String {
    let number = (u32::from(address) & 0xffff) / 4;
    format!("/sys/class/net/wharfp{number}")
}

#[tokio::test]
async fn a_network_is_the_pods_own() {
    let Some(bed) = bed(own("net")).await else { return };
    let address = bed.engine.pod(&bed.pod).unwrap().address.unwrap();
    assert!(Path::new(&interface_of(address)).exists());
    let serve = ["sh", "-c", "echo ready; while true; do echo hello | busybox nc -l -p 7000; done"];
    bed.start(bed.launch(&serve)).await;
    until(|| bed.printed().contains("ready")).await;
    let second = bed.start(bed.launch(&["sleep", "1000"])).await;
    let fetch =
        "for i in 1 2 3 4 5 6 7 8 9; do busybox nc 127.0.0.1 7000 < /dev/null && break; sleep 0.05; done";
    assert_eq!(bed.exec(&second, fetch).await.stdout, b"hello\n");
    let mut text = String::new();
    let mut wait = Duration::from_millis(1);
    while text.is_empty() {
        if let Ok(mut stream) = TcpStream::connect(SocketAddr::new(address.into(), 7000)).await {
            stream.read_to_string(&mut text).await.unwrap();
        }
        assert!(wait < LONG, "nothing listens");
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    assert_eq!(text, "hello\n");
    let other = bed.engine.create_pod(own("other")).await.unwrap().id;
    let launch = Launch { log_path: None, ..bed.launch(&["sleep", "1000"]) };
    let stranger = bed.engine.create_container(&other, launch).await.unwrap().id;
    bed.engine.start_container(&stranger).await.unwrap();
    assert!(bed.exec(&stranger, "busybox nc 127.0.0.1 7000 < /dev/null").await.outcome != Outcome::Code(0));
    bed.engine.stop_pod(&bed.pod, Duration::ZERO).await.unwrap();
    assert_eq!(bed.engine.pod(&bed.pod).unwrap().address, None);
    assert!(!Path::new(&interface_of(address)).exists());
    let other = interface_of(bed.engine.pod(&other).unwrap().address.unwrap());
    assert!(Path::new(&other).exists());
    bed.end().await;
    assert!(!Path::new(&other).exists());
}

#[tokio::test]
async fn a_port_of_the_host_leads_to_the_pod() {
    let host_port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut launch = own("ports");
    let ports = vec![PublishedPort { host_ip: None, host_port, port: 7000 }];
    launch.space.network = Some(PodNetwork { ports });
    let Some(bed) = bed(launch).await else { return };
    bed.start(bed.launch(&["sh", "-c", "while true; do echo hello | busybox nc -l -p 7000; done"])).await;
    let mut text = String::new();
    let mut wait = Duration::from_millis(1);
    while text.is_empty() {
        let mut stream = TcpStream::connect(("127.0.0.1", host_port)).await.unwrap();
        // Nothing listens yet: closed at once.
        let _ = stream.read_to_string(&mut text).await;
        assert!(wait < LONG, "nothing listens");
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    assert_eq!(text, "hello\n");
    assert!(bed.engine.remove_pod(&bed.pod).await.unwrap());
    TcpStream::connect(("127.0.0.1", host_port)).await.unwrap_err();
    bed.end().await;
}

#[tokio::test]
async fn kernel_parameters_are_the_pods_own() {
    let mut launch = own("sysctls");
    launch.space.sysctls = [
        ("net.ipv4.ip_unprivileged_port_start".to_owned(), "123".to_owned()),
        ("kernel.shm_rmid_forced".to_owned(), "1".to_owned()),
    ]
    .into();
    let Some(bed) = bed(launch).await else { return };
    let (_, printed) =
        bed.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced").await;
    assert_eq!(printed, "123\n1\n");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/shm_rmid_forced").unwrap(), "0\n");
    let mut wrong = own("wrong");
    wrong.space.sysctls = [("net.ipv4.no_such_thing".to_owned(), "1".to_owned())].into();
    let refused = bed.engine.create_pod(wrong).await;
    assert!(matches!(refused, Err(EngineError::InvalidArgument { field: "sysctls", .. })), "{refused:?}");
    bed.end().await;
}

#[tokio::test]
async fn a_process_tree_is_shared() {
    let mut launch = own("pids");
    launch.space.process = Some(PodProcess {
        user: Some(User::Id { uid: 1000, gid: Some(1000) }),
        supplementary_groups: Vec::new(),
    });
    let Some(bed) = bed(launch).await else { return };
    let joined = |argv: &[&str]| Launch { pids: PidSpace::Pod, ..bed.launch(argv) };
    let (exit, printed) =
        bed.run(joined(&["sh", "-c", "cat /proc/1/cmdline; echo; grep Uid /proc/1/status; exit 3"])).await;
    assert_eq!(exit.outcome, Outcome::Code(3));
    assert!(printed.contains("sleep") && printed.contains("infinity"), "{printed}");
    assert!(printed.contains("1000"), "{printed}");

    // What a container leaves behind ends with it, and nothing else does.
    let neighbour = bed.start(joined(&["sleep", "1001"])).await;
    let (_, printed) = bed.run(joined(&["sh", "-c", "sleep 4321 & ps"])).await;
    assert!(printed.contains("sleep 1001"), "{printed}");
    let processes = bed.exec(&neighbour, "ps").await.stdout;
    let processes = String::from_utf8(processes).unwrap();
    assert!(!processes.contains("sleep 4321") && processes.contains("sleep 1001"), "{processes}");

    let own_tree = bed.start(bed.launch(&["sleep", "1002"])).await;
    assert_eq!(bed.exec(&own_tree, "cat /proc/1/cmdline").await.stdout, b"sleep\x001002\0");
    let target = Launch { pids: PidSpace::Target(own_tree), ..bed.launch(&["cat", "/proc/1/cmdline"]) };
    assert!(bed.run(target).await.1.contains("1002"));
    let host = Launch { pids: PidSpace::Host, ..bed.launch(&["sh", "-c", "echo $$"]) };
    let pid: u32 = bed.run(host).await.1.trim().parse().unwrap();
    assert!(pid > 100, "{pid}");
    bed.end().await;
}

/// Not a test of its own: the program that the next one kills.
#[tokio::test]
async fn a_victim_with_a_network() {
    let Some(state) = std::env::var_os("ENGINE_TEST_NETWORK_VICTIM") else { return };
    let options = EngineOptions { state_dir: Some(state.into()), ..EngineOptions::default() };
    let engine = Engine::start(options).await.unwrap();
    let pod = engine.create_pod(own("one")).await.unwrap();
    let argv = ["sleep", "1000"].map(str::to_owned).to_vec();
    let launch = Launch { image: HOST_IMAGE.into(), argv, pids: PidSpace::Pod, ..Launch::default() };
    let id = engine.create_container(&pod.id, launch).await.unwrap().id;
    engine.start_container(&id).await.unwrap();
    let ready = engine.state_dir().join("ready");
    fs::write(ready.with_extension("new"), pod.address.unwrap().to_string()).unwrap();
    fs::rename(ready.with_extension("new"), ready).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_engine_leaves_no_network() {
    let Some(bed) = bed(own("probe")).await else { return };
    bed.end().await;
    let parent = tempfile::tempdir().unwrap();
    let state = parent.path().join("state");
    let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::tests::space::a_victim_with_a_network"])
        .env("ENGINE_TEST_NETWORK_VICTIM", &state)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until(|| state.join("ready").exists()).await;
    let address: Ipv4Addr = fs::read_to_string(state.join("ready")).unwrap().parse().unwrap();
    assert!(Path::new(&interface_of(address)).exists());
    victim.kill().unwrap();
    victim.wait().unwrap();
    sweep(&state).unwrap();
    assert!(!state.exists());
    until(|| !Path::new(&interface_of(address)).exists()).await;
}
