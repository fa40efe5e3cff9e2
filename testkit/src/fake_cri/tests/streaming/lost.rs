//! Clients that go away, and servers that do.

use super::*;

#[tokio::test]
async fn a_lost_client_ends_the_input_and_kills_nobody() {
    let mut stage = Stage::new().await;
    let there = |name: &str| stage.bench.logs.path().join(name);
    let (quiet, noisy) = (there("quiet"), there("noisy"));
    let script = "echo up; cat; touch $0; seq 1 100000; touch $1; sleep 1000";
    let cmd = ["sh", "-c", script, quiet.to_str().unwrap(), noisy.to_str().unwrap()];
    for websocket in [true, false] {
        let url = stage.exec(&cmd, "io").await;
        if websocket {
            let (mut channels, _) = Channels::open(&url, V4).await;
            // The empty message, and the first line.
            channels.next().await;
            channels.next().await;
        } else {
            let mut spdy = Spdy::open(&url, V4, "io").await;
            spdy.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).await.unwrap();
        }
        until("its input has ended", || quiet.exists()).await;
        std::fs::remove_file(&quiet).unwrap();
    }
    assert_eq!(stage.bench.fake.engine().ledger().execs.len(), 2, "they are still there");
    assert!(!noisy.exists(), "output that nobody reads holds them up");
    stage.bench.stop(&stage.id, 0).await.unwrap();
    until("the container takes them along", || stage.bench.fake.engine().ledger().execs.is_empty()).await;
    stage.finish().await;
}

#[tokio::test]
async fn a_crash_severs_the_streams_and_the_end_of_the_fake_ends_the_commands() {
    let mut stage = Stage::new().await;
    let mut spdy = Spdy::open(&stage.shell("echo up; sleep 1000", "o").await, V4, "o").await;
    let mut channels = Channels::open(&stage.shell("echo up; sleep 1000", "o").await, V4).await.0;
    spdy.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).await.unwrap();
    channels.next().await;
    channels.next().await;
    stage.bench.fake.restart().await.unwrap();
    let lost = spdy.stdout.as_mut().unwrap().read(&mut [0; 3]).await;
    assert_eq!(lost.unwrap_err().kind(), std::io::ErrorKind::ConnectionAborted);
    assert!(!matches!(spdy.connection.closed().await, ::spdy::CloseReason::GoneAway(_)));
    assert_eq!(channels.rest().await.1, None, "without a goodbye");
    let engine = stage.bench.fake.engine().clone();
    assert_eq!(engine.ledger().execs.len(), 2);
    drop(stage);
    until("the commands have ended", || engine.ledger().execs.is_empty()).await;
    engine.shutdown().await.unwrap();
}
