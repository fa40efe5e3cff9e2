//! Commands and their streams.

use super::*;

#[tokio::test]
async fn output_and_end_over_websocket() {
    let mut stage = Stage::new().await;
    let url = stage.shell("echo out; echo err >&2", "oe").await;
    let (mut channels, _) = Channels::open(&url, V4).await;
    assert_eq!(all(&mut channels).await, ["out\n", "err\n", SUCCESS]);

    let url = stage.shell("echo out; exit 5", "oe").await;
    let (mut channels, _) = Channels::open(&url, V4).await;
    let [out, err, status] = all(&mut channels).await;
    assert_eq!((out.as_str(), err.as_str()), ("out\n", ""));
    let words =
        "error executing command [sh -c echo out; exit 5], exit code 5\",\"reason\":\"NonZeroExitCode\",";
    assert!(status.contains(words), "{status}");
    assert!(status.ends_with(r#""details":{"causes":[{"reason":"ExitCode","message":"5"}]}}"#), "{status}");

    let url = stage.shell("kill -9 $$", "o").await;
    let (mut channels, _) = Channels::open(&url, V4).await;
    assert!(all(&mut channels).await[2].contains(r#""message":"137""#));

    // Not asked for, not sent.
    let url = stage.shell("echo out; echo err >&2", "e").await;
    let (mut channels, _) = Channels::open(&url, V4).await;
    assert_eq!(all(&mut channels).await, ["", "err\n", SUCCESS]);

    let url = stage.exec(&["/no/such"], "o").await;
    let (mut channels, _) = Channels::open(&url, V4).await;
    let [_, _, status] = all(&mut channels).await;
    assert!(status.contains(r#""reason":"InternalError""#) && status.ends_with(r#""code":500}"#), "{status}");
    let words = "error executing command in container: failed to exec in container: failed to start exec ";
    assert!(status.contains(words) && status.contains("stat /no/such: no such file"), "{status}");
    stage.finish().await;
}

#[tokio::test]
async fn old_versions_have_only_words() {
    let mut stage = Stage::new().await;
    for protocol in ["", "channel.k8s.io", "base64.channel.k8s.io"] {
        let (mut channels, _) = Channels::open(&stage.shell("echo hi; exit 5", "o").await, protocol).await;
        let words = "command terminated with non-zero exit code: error executing command [sh -c echo hi; exit 5], \
                     exit code 5";
        assert_eq!(all(&mut channels).await, ["hi\n", "", words]);
        let (mut channels, _) = Channels::open(&stage.shell("echo hi", "o").await, protocol).await;
        assert_eq!(all(&mut channels).await, ["hi\n", "", ""]);
    }
    for (protocol, told) in
        [("v3.channel.k8s.io", true), ("v2.channel.k8s.io", true), ("channel.k8s.io", false)]
    {
        let mut spdy = Spdy::open(&stage.shell("exit 5", "o").await, protocol, "o").await;
        assert_eq!(spdy.status().await.ends_with("exit code 5"), told, "{protocol}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn base64_both_ways() {
    let mut stage = Stage::new().await;
    let url = stage.shell("head -c 3", "io").await;
    let (mut channels, _) = Channels::open(&url, "v4.base64.channel.k8s.io").await;
    channels.send_text("0YWJj").await;
    assert_eq!(all(&mut channels).await, ["abc", "", SUCCESS]);
    stage.finish().await;
}

#[tokio::test]
async fn megabytes_there_and_back_over_spdy() {
    let mut stage = Stage::new().await;
    let url = stage.exec(&["cat"], "ioe").await;
    let mut spdy = Spdy::open(&url, V4, "ioe").await;
    let sent: Vec<u8> = (0..4_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let (_, mut stdin) = spdy.stdin.take().unwrap().into_split();
    let mut back = Vec::new();
    let send = async {
        stdin.write_all(&sent).await.unwrap();
        stdin.shutdown().await.unwrap();
    };
    let stdout = spdy.stdout.as_mut().unwrap();
    let both = async { tokio::join!(send, stdout.read_to_end(&mut back)) };
    tokio::time::timeout(LONG, both).await.unwrap().1.unwrap();
    assert!(back == sent);
    assert_eq!((spdy.stderr().await.as_str(), spdy.status().await.as_str()), ("", SUCCESS));
    let reason = spdy.connection.closed().await;
    assert!(matches!(reason, ::spdy::CloseReason::GoneAway(_)), "{reason:?}");
    stage.finish().await;
}

#[tokio::test]
async fn a_terminal_has_a_size_and_one_output() {
    let mut stage = Stage::new().await;
    let script = "echo ready; until test \"$(stty size)\" = '33 77'; do sleep 0.01; done; echo sized; read line; \
                  echo got $line >&2; exit 3";
    let mut spdy = Spdy::open(&stage.shell(script, "iot").await, V4, "iot").await;
    let mut heard = [0; 7];
    spdy.stdout.as_mut().unwrap().read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"ready\r\n");
    spdy.resize.as_mut().unwrap().write_all(br#"{"Width":77,"Height":33}"#).await.unwrap();
    spdy.stdout.as_mut().unwrap().read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"sized\r\n");
    let mut stdin = spdy.stdin.take().unwrap();
    stdin.write_all(b"hi\n").await.unwrap();
    assert_eq!(spdy.stdout().await, "hi\r\ngot hi\r\n");
    assert!(spdy.status().await.contains(r#""message":"3""#));
    stage.finish().await;
}

#[tokio::test]
async fn the_end_of_an_output_ends_the_input() {
    let mut stage = Stage::new().await;
    let mut spdy = Spdy::open(&stage.shell("exec 1>&-; cat >&2", "ioe").await, V4, "ioe").await;
    assert_eq!(spdy.stdout().await, "");
    assert_eq!((spdy.stderr().await.as_str(), spdy.status().await.as_str()), ("", SUCCESS));
    stage.finish().await;
}

#[tokio::test]
async fn the_end_of_a_terminals_input_ends_its_output() {
    let mut stage = Stage::new().await;
    let script = "echo one; while ! test -e $0; do sleep 0.01; done; echo two";
    let go = stage.bench.logs.path().join("go").to_string_lossy().into_owned();
    let mut spdy = Spdy::open(&stage.exec(&["sh", "-c", script, &go], "iot").await, V4, "iot").await;
    let mut one = [0; 5];
    spdy.stdout.as_mut().unwrap().read_exact(&mut one).await.unwrap();
    spdy.stdin.as_mut().unwrap().shutdown().await.unwrap();
    assert_eq!(spdy.stdout().await, "");
    std::fs::write(go, "").unwrap();
    assert_eq!(spdy.status().await, SUCCESS, "its end is waited for all the same");
    stage.finish().await;
}
