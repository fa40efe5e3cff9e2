//! Being attached to a container.

use super::*;

const SCRIPT: &str = "while read line; do echo out $line; echo err $line >&2; done; echo end; exit 3";

async fn container(stage: &mut Stage, name: &str, stdin: bool, stdin_once: bool) -> String {
    let config = ContainerConfig { stdin, stdin_once, ..shell(name, SCRIPT) };
    let id = stage.bench.create(&stage.sandbox, config).await;
    stage.bench.start(&id).await.unwrap();
    id
}

#[tokio::test]
async fn the_end_of_the_input_ends_a_session() {
    let mut stage = Stage::new().await;
    let id = container(&mut stage, "many", true, false).await;
    for line in ["1", "2"] {
        let mut spdy = Spdy::open(&stage.attach(&id, "ioe").await, V4, "ioe").await;
        let mut stdin = spdy.stdin.take().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let mut heard = [0; 6];
        spdy.stdout.as_mut().unwrap().read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, format!("out {line}\n").as_bytes());
        spdy.stderr.as_mut().unwrap().read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, format!("err {line}\n").as_bytes());
        stdin.shutdown().await.unwrap();
        assert_eq!((spdy.stdout().await.as_str(), spdy.status().await.as_str()), ("", SUCCESS));
    }
    assert_eq!(stage.bench.status(&id).await.state, 1, "it runs on");
    stage.finish().await;
}

#[tokio::test]
async fn an_input_for_once_ends_with_its_session() {
    let mut stage = Stage::new().await;
    let id = container(&mut stage, "once", true, true).await;
    let url = stage.attach(&id, "ioe").await;
    let mut spdy = Spdy::open(&url, V4, "ioe").await;
    let mut stdin = spdy.stdin.take().unwrap();
    stdin.write_all(b"1\n").await.unwrap();
    stdin.shutdown().await.unwrap();
    assert_eq!(spdy.stdout().await, "out 1\nend\n");
    assert_eq!(spdy.stderr().await, "err 1\n");
    // Whatever the container ended with.
    assert_eq!(spdy.status().await, SUCCESS);
    assert_eq!(stage.bench.exited(&id).await.exit_code, 3);

    let id = container(&mut stage, "lost", true, true).await;
    let spdy = Spdy::open(&stage.attach(&id, "io").await, V4, "io").await;
    drop(spdy);
    assert_eq!(stage.bench.exited(&id).await.exit_code, 3, "a lost session ends it, too");
    stage.finish().await;
}

#[tokio::test]
async fn over_websocket_and_without_input() {
    let mut stage = Stage::new().await;
    let go = stage.bench.logs.path().join("go");
    let script = "until test -e $0; do echo tick; sleep 0.01; done; echo end; exit 3";
    let args = vec![go.to_string_lossy().into_owned()];
    let id = stage.bench.create(&stage.sandbox, ContainerConfig { args, ..shell("c2", script) }).await;
    stage.bench.start(&id).await.unwrap();
    let (mut channels, _) = Channels::open(&stage.attach(&id, "io").await, V4).await;
    // The empty message, and the first that there is to see.
    channels.next().await;
    channels.next().await;
    channels.send(0, b"nobody reads this\n").await;
    std::fs::write(go, "").unwrap();
    let [out, err, status] = all(&mut channels).await;
    assert_eq!((out.replace("tick\n", ""), err.as_str(), status.as_str()), ("end\n".into(), "", SUCCESS));
    stage.finish().await;
}
