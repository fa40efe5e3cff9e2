//! Connections to ports of a pod.

use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn a_port_of_the_hosts_network() {
    let bed = Bed::host().await;
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address).await else {
            println!("skipped: no {address}");
            continue;
        };
        let port = listener.local_addr().unwrap().port();
        let (mut inside, outside) = tokio::join!(bed.engine.connect(&bed.pod, port), listener.accept());
        outside.unwrap().0.write_all(b"hello").await.unwrap();
        let mut heard = String::new();
        inside.as_mut().unwrap().read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "hello");
        drop(listener);
        let refused = bed.engine.connect(&bed.pod, port).await;
        let Err(EngineError::Unreachable { ipv4, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(ipv4.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    bed.engine.stop_pod(&bed.pod, Duration::ZERO).await.unwrap();
    assert!(matches!(bed.engine.connect(&bed.pod, 1).await, Err(EngineError::InvalidState { .. })));
    assert!(matches!(bed.engine.connect("none", 1).await, Err(EngineError::NotFound { .. })));
    bed.end().await;
}

#[tokio::test]
async fn a_port_of_the_pods_own_network() {
    let Some(bed) = Bed::walled().await else { return };
    if !bed.engine.has_networks() {
        println!("skipped: no networks here");
        return;
    }
    let space = PodSpace { network: Some(PodNetwork::default()), ..PodSpace::default() };
    let pod = bed.engine.create_pod(PodLaunch { space, ..pod("two") }).await.unwrap().id;
    let launch = Launch {
        hostname: Some("inside".into()),
        ..bed.launch(&["busybox", "nc", "-l", "-p", "7000", "-e", "hostname"])
    };
    let id = bed.engine.create_container(&pod, launch).await.unwrap().id;
    bed.engine.start_container(&id).await.unwrap();
    // It takes a moment to listen.
    let mut wait = Duration::from_millis(1);
    let mut stream = loop {
        match bed.engine.connect(&pod, 7000).await {
            Ok(stream) => break stream,
            Err(EngineError::Unreachable { .. }) if wait < Duration::from_secs(5) => {
                tokio::time::sleep(wait).await
            }
            Err(error) => panic!("{error}"),
        }
        wait *= 2;
    };
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "inside\n");
    bed.engine.remove_pod(&pod).await.unwrap();
    bed.end().await;
}
