//! Connections to ports of a sandbox.

use tokio::net::TcpListener;

use super::*;
use crate::streaming::dial::{ask_websocket, request};

impl Stage {
    async fn forward(&mut self, ports: &[i32]) -> String {
        let request = PortForwardRequest { pod_sandbox_id: self.sandbox.clone(), port: ports.to_vec() };
        self.bench.runtime.port_forward(request).await.unwrap().into_inner().url
    }
}

const PROTOCOL: &str = "portforward.k8s.io";

async fn pair(connection: &Connection, port: u16, request: &str) -> (Stream, Stream) {
    let port = port.to_string();
    let open = async |kind| {
        connection.open(&[("streamType", kind), ("port", &port), ("requestID", request)]).await.unwrap()
    };
    (open("error").await, open("data").await)
}

#[tokio::test]
async fn pairs_of_streams_over_spdy() {
    let mut stage = Stage::new().await;
    // Without walls a sandbox has the host's network.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connection, _) = dial::spdy(&stage.forward(&[]).await, &[PROTOCOL]).await;
    for number in ["0", "1"] {
        let ((mut error, mut data), server) =
            tokio::join!(pair(&connection, port, number), listener.accept());
        let mut server = server.unwrap().0;
        data.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        server.read_exact(&mut heard).await.unwrap();
        server.write_all(b"pong and more").await.unwrap();
        drop(server);
        assert_eq!(rest(&mut data).await, "pong and more");
        assert_eq!(rest(&mut error).await, "");
    }
    drop(listener);
    let (mut error, mut data) = pair(&connection, port, "2").await;
    assert_eq!(rest(&mut data).await, "");
    let told = rest(&mut error).await;
    let words =
        format!("error forwarding port {port} to pod {}, uid : failed to execute portforward", stage.sandbox);
    assert!(told.starts_with(&words), "{told}");
    assert!(
        told.contains(&format!("IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused")),
        "{told}"
    );
    drop(connection);
    stage.finish().await;
}

#[tokio::test]
async fn the_clients_end_is_not_passed_on() {
    let mut stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connection, _) = dial::spdy(&stage.forward(&[]).await, &[PROTOCOL]).await;
    let ((_error, mut data), server) = tokio::join!(pair(&connection, port, "0"), listener.accept());
    let mut server = server.unwrap().0;
    data.shutdown().await.unwrap();
    let begun = std::time::Instant::now();
    server.write_all(b"within a second").await.unwrap();
    // All that a server sees of it is the end of the connection.
    let _ = tokio::time::timeout(LONG, server.read(&mut [0])).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(rest(&mut data).await, "within a second");
    stage.finish().await;
}

#[tokio::test]
async fn streams_that_cannot_be() {
    let mut stage = Stage::new().await;
    let (connection, _) = dial::spdy(&stage.forward(&[]).await, &[PROTOCOL]).await;
    for headers in [
        &[("streamType", "error")][..],
        &[("streamType", "error"), ("port", "0")],
        &[("streamType", "error"), ("port", "x")],
        &[("port", "80")],
        &[("port", "80"), ("streamType", "odd")],
    ] {
        let refused = connection.open(headers).await;
        assert!(matches!(refused, Err(::spdy::Error::Reset(_))), "{headers:?} {refused:?}");
    }
    let headers = [("streamType", "error"), ("port", "80"), ("requestID", "7")];
    let mut first = connection.open(&headers).await.unwrap();
    let _second = connection.open(&headers).await.unwrap();
    let mut told = [0; 68];
    first.read_exact(&mut told).await.unwrap();
    assert_eq!(&told[..], b"error processing stream for request 7: error stream already assigned");
    // The one refusal that looks like none.
    assert_eq!(request("POST", &stage.forward(&[]).await, &[]).await.status(), 200);
    stage.finish().await;
}

#[tokio::test]
async fn pairs_of_channels_over_websocket() {
    let mut stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = stage.forward(&[port.into(), closed.into()]).await;
    assert_eq!(ask_websocket(&stage.forward(&[1]).await, "v5.channel.k8s.io").await.status(), 403);
    let (mut channels, protocol) = Channels::open(&url, V4).await;
    assert_eq!(protocol.as_deref(), Some(V4));
    let mut server = listener.accept().await.unwrap().0;
    channels.send(0, b"ping").await;
    let mut heard = [0; 4];
    server.read_exact(&mut heard).await.unwrap();
    server.write_all(b"pong").await.unwrap();
    drop(server);
    let (all, goodbye) = tokio::time::timeout(LONG, channels.rest()).await.unwrap();
    assert!(goodbye.is_some());
    assert_eq!(all[&0], [&port.to_le_bytes()[..], b"pong"].concat());
    assert_eq!(all[&1], port.to_le_bytes());
    assert_eq!(all[&2], closed.to_le_bytes());
    assert_eq!(all[&3][..2], closed.to_le_bytes());
    assert!(String::from_utf8_lossy(&all[&3][2..]).contains("connection refused"));
    stage.finish().await;
}
