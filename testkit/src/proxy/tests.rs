//! Every action, before a tiny echo server on a unix socket or a port.

use std::io::ErrorKind;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::endpoint::Stream;
use super::frame::tests::{frame, preface};
use super::*;

/// A proxy before an echo server, in a directory of its own.
struct Bench {
    proxy: FaultProxy,
    echo: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.echo.abort();
    }
}

async fn unix() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Endpoint::Unix(dir.path().join("echo.sock"));
    let listen = Endpoint::Unix(dir.path().join("proxy.sock"));
    bench(dir, listen, upstream).await
}

async fn tcp() -> Bench {
    bench(tempfile::tempdir().unwrap(), Endpoint::loopback(), Endpoint::loopback()).await
}

async fn bench(dir: tempfile::TempDir, listen: Endpoint, upstream: Endpoint) -> Bench {
    let (listener, upstream) = upstream.bind().unwrap();
    let echo = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok(mut stream) = listener.accept().await {
            connections.spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                let (mut reader, mut writer) = stream.split();
                while let Ok(size @ 1..) = reader.read(&mut buffer).await {
                    if writer.write_all(&buffer[..size]).await.is_err() {
                        return;
                    }
                }
                // Says goodbye after the client's half-close, so that a test can see it was passed on.
                let _ = writer.write_all(b"bye").await;
                let _ = writer.shutdown().await;
            });
        }
    });
    let proxy = FaultProxy::start(listen, upstream, Options::seed(7)).await.unwrap();
    Bench { proxy, echo, _dir: dir }
}

impl Bench {
    async fn client(&self) -> Stream {
        self.proxy.endpoint().connect().await.unwrap()
    }
}

async fn send(stream: &mut Stream, bytes: &[u8]) {
    stream.split().1.write_all(bytes).await.unwrap();
}

/// Reads this many bytes, within ten seconds.
async fn receive(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut filled = 0;
    while filled < count {
        let size = within(stream.split().0.read(&mut bytes[filled..])).await.unwrap();
        assert!(size > 0, "the stream ended after {filled} of {count} bytes");
        filled += size;
    }
    bytes
}

/// Reads to the end; an error ends it too.
async fn rest(stream: &mut Stream) -> (usize, Option<ErrorKind>) {
    let (mut total, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        match within(stream.split().0.read(&mut buffer)).await {
            Ok(0) => return (total, None),
            Ok(size) => total += size,
            Err(error) => return (total, Some(error.kind())),
        }
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(10), future).await.expect("done within ten seconds")
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let mut pause = Duration::from_millis(1);
    while !condition() {
        assert!(pause < Duration::from_secs(5), "never: {what}");
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

/// Longer than anything that is under way needs, for showing that nothing comes.
const SILENCE: Duration = Duration::from_millis(50);

async fn assert_silent(stream: &mut Stream) {
    let mut byte = [0];
    timeout(SILENCE, stream.split().0.read(&mut byte)).await.expect_err("nothing may come");
}

#[tokio::test]
async fn passes_bytes_and_half_close_untouched() {
    for bench in [unix().await, tcp().await] {
        let mut client = bench.client().await;
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
        let mut halves = client.split();
        let (reader, writer) = (&mut halves.0, &mut halves.1);
        let mut back = vec![0; bytes.len() + 3];
        let reading = async {
            let mut filled = 0;
            while filled < back.len() {
                filled += within(reader.read(&mut back[filled..])).await.unwrap();
            }
        };
        let writing = async {
            writer.write_all(&bytes).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        tokio::join!(reading, writing);
        assert!(back[..bytes.len()] == bytes && back.ends_with(b"bye"));
        drop(halves);
        drop(client);
        eventually("the connection is over", || bench.proxy.counters().live == 0).await;
        let counters = bench.proxy.counters();
        assert_eq!((counters.connections, counters.to_server_bytes), (1, 1_000_000));
        assert_eq!(counters.to_client_bytes, 1_000_003);
    }
}

#[tokio::test]
async fn cuts_after_the_exact_byte() {
    for bench in [unix().await, tcp().await] {
        bench.proxy.add(Rule::all(Direction::ToClient, Action::CutAfter(5)));
        let mut client = bench.client().await;
        send(&mut client, b"0123456789").await;
        assert_eq!(receive(&mut client, 5).await, b"01234");
        assert_eq!(rest(&mut client).await.0, 0);
    }
}

#[tokio::test]
async fn a_rule_counts_from_where_it_met_a_living_connection() {
    let bench = unix().await;
    let mut client = bench.client().await;
    send(&mut client, b"before").await;
    receive(&mut client, 6).await;
    bench.proxy.add(Rule::all(Direction::ToServer, Action::CutAfter(3)));
    send(&mut client, b"abcdef").await;
    assert!(rest(&mut client).await.0 <= 3);
    assert_eq!(bench.proxy.counters().to_server_bytes, 9);
}

#[tokio::test]
async fn resets_on_both_kinds_of_socket() {
    for bench in [unix().await, tcp().await] {
        bench.proxy.add(Rule::all(Direction::ToServer, Action::ResetAfter(4)));
        let mut client = bench.client().await;
        send(&mut client, b"1234").await;
        assert_eq!(receive(&mut client, 4).await, b"1234");
        send(&mut client, b"5").await;
        assert_eq!(rest(&mut client).await, (0, Some(ErrorKind::ConnectionReset)));
    }
}

#[tokio::test]
async fn a_reset_that_is_never_reached_lets_the_half_close_through() {
    let bench = unix().await;
    bench.proxy.add(Rule::all(Direction::ToServer, Action::ResetAfter(4)));
    let mut client = bench.client().await;
    send(&mut client, b"1234").await;
    client.split().1.shutdown().await.unwrap();
    assert_eq!(receive(&mut client, 7).await, b"1234bye");
}

#[tokio::test]
async fn hangs_until_the_rule_is_removed() {
    let bench = unix().await;
    let rule = bench.proxy.add(Rule::all(Direction::ToClient, Action::HangAfter(2)));
    let mut client = bench.client().await;
    send(&mut client, b"abcd").await;
    assert_eq!(receive(&mut client, 2).await, b"ab");
    assert_silent(&mut client).await;
    bench.proxy.remove(rule);
    assert_eq!(receive(&mut client, 2).await, b"cd");
}

#[tokio::test]
async fn delays_each_chunk_and_heals_in_the_middle() {
    let bench = unix().await;
    bench.proxy.add(Rule::all(Direction::ToServer, Action::Delay(Duration::from_millis(40))));
    let mut client = bench.client().await;
    let start = Instant::now();
    for _ in 0..2 {
        send(&mut client, b"x").await;
        receive(&mut client, 1).await;
    }
    assert!(start.elapsed() >= Duration::from_millis(80), "{:?}", start.elapsed());

    bench.proxy.add(Rule::all(Direction::ToServer, Action::Delay(Duration::from_secs(3600))));
    send(&mut client, b"y").await;
    assert_silent(&mut client).await;
    bench.proxy.heal();
    assert_eq!(receive(&mut client, 1).await, b"y");
}

#[tokio::test]
async fn limits_the_rate() {
    let bench = unix().await;
    let rate = NonZeroU64::new(100_000).unwrap();
    bench.proxy.add(Rule::all(Direction::ToServer, Action::BytesPerSecond(rate)));
    let mut client = bench.client().await;
    let start = Instant::now();
    send(&mut client, &[1; 20_000]).await;
    receive(&mut client, 20_000).await;
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(190), "{took:?}");
}

#[tokio::test]
async fn garbles_the_same_bytes_for_the_same_seed() {
    let mut seen = Vec::new();
    for pieces in [1, 10] {
        let bench = unix().await;
        let action = Action::Garble { from: 100, one_in: NonZeroU32::new(4).unwrap() };
        bench.proxy.add(Rule::all(Direction::ToServer, action));
        let mut client = bench.client().await;
        let mut back = Vec::new();
        for _ in 0..pieces {
            send(&mut client, &vec![b'a'; 1000 / pieces]).await;
            back.extend(receive(&mut client, 1000 / pieces).await);
        }
        let changed = back.iter().filter(|byte| **byte != b'a').count();
        assert!(back[..100].iter().all(|byte| *byte == b'a'));
        assert!((150..300).contains(&changed), "{changed} changed");
        seen.push(back);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn garbling_one_in_one_changes_every_byte() {
    let bench = unix().await;
    let action = Action::Garble { from: 0, one_in: NonZeroU32::MIN };
    bench.proxy.add(Rule::all(Direction::ToClient, action));
    let mut client = bench.client().await;
    send(&mut client, &[0; 500]).await;
    assert!(receive(&mut client, 500).await.iter().all(|byte| *byte != 0));
}

#[tokio::test]
async fn refuses_the_chosen_connections_only() {
    let bench = unix().await;
    bench.proxy.add(Rule::nth(2, Direction::ToServer, Action::Refuse));
    let (mut first, mut second, mut third) =
        (bench.client().await, bench.client().await, bench.client().await);
    assert_eq!(rest(&mut second).await.0, 0);
    for stream in [&mut first, &mut third] {
        send(stream, b"ok").await;
        assert_eq!(receive(stream, 2).await, b"ok");
    }
    bench.proxy.add(Rule::next(1, Direction::ToServer, Action::Refuse));
    assert_eq!(rest(&mut bench.client().await).await.0, 0);
    let mut last = bench.client().await;
    send(&mut last, b"ok").await;
    assert_eq!(receive(&mut last, 2).await, b"ok");
    assert_eq!((bench.proxy.counters().connections, bench.proxy.counters().refused), (5, 2));
}

#[tokio::test]
async fn the_socket_can_be_gone_or_stale_and_come_back() {
    for (bench, down, kind) in [
        (unix().await, Down::Gone, ErrorKind::NotFound),
        (unix().await, Down::Stale, ErrorKind::ConnectionRefused),
        (tcp().await, Down::Gone, ErrorKind::ConnectionRefused),
    ] {
        let mut living = bench.client().await;
        send(&mut living, b"a").await;
        receive(&mut living, 1).await;
        bench.proxy.stop_listening(down).await.unwrap();
        assert_eq!(bench.proxy.endpoint().connect().await.unwrap_err().kind(), kind);
        send(&mut living, b"b").await;
        assert_eq!(receive(&mut living, 1).await, b"b");
        bench.proxy.listen().await.unwrap();
        let mut again = bench.client().await;
        send(&mut again, b"c").await;
        assert_eq!(receive(&mut again, 1).await, b"c");
    }
}

#[tokio::test]
async fn drop_all_closes_the_living_and_takes_new_ones() {
    let bench = unix().await;
    let mut client = bench.client().await;
    send(&mut client, b"a").await;
    receive(&mut client, 1).await;
    bench.proxy.drop_all();
    assert_eq!(rest(&mut client).await.0, 0);
    let mut client = bench.client().await;
    send(&mut client, b"b").await;
    assert_eq!(receive(&mut client, 1).await, b"b");
}

#[tokio::test]
async fn a_missing_upstream_closes_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name| Endpoint::Unix(dir.path().join(name));
    let proxy = FaultProxy::start(at("proxy"), at("nobody"), Options::default()).await.unwrap();
    assert_eq!(rest(&mut proxy.endpoint().connect().await.unwrap()).await.0, 0);
    let taken = FaultProxy::start(at("proxy"), at("nobody"), Options::default()).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn dropping_ends_connections_and_removes_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Endpoint::Unix(dir.path().join("echo"));
    let (listener, upstream) = upstream.bind().unwrap();
    let path = dir.path().join("proxy");
    let proxy = FaultProxy::start(Endpoint::Unix(path.clone()), upstream, Options::seed(42)).await.unwrap();
    assert!(format!("{proxy:?}").contains("seed: 42"), "{proxy:?}");
    let mut client = proxy.endpoint().connect().await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    drop(proxy);
    assert_eq!(rest(&mut client).await.0, 0);
    assert_eq!(rest(&mut server).await.0, 0);
    assert!(!path.exists());
}

/// The beginning of an HTTP/2 connection with two requests, each of a HEADERS and a DATA frame.
fn two_calls() -> [Vec<u8>; 3] {
    let call = |stream| [frame(1, stream, 6), frame(0, stream, 10)].concat();
    [[preface(), frame(4, 0, 0)].concat(), call(1), call(3)]
}

fn at_call(call: u64, at: Moment, action: CallAction) -> CallRule {
    CallRule { call, at, action }
}

#[tokio::test]
async fn a_call_is_cut_before_its_request() {
    let [start, first, second] = two_calls();
    let all = [&start[..], &first, &second].concat();
    let bench = unix().await;
    let rule = bench.proxy.add_call(at_call(2, Moment::Request, CallAction::Cut));
    let mut client = bench.client().await;
    send(&mut client, &all).await;
    rest(&mut client).await;
    assert_eq!(bench.proxy.counters().to_server_bytes, (start.len() + first.len()) as u64);
    assert!(bench.proxy.has_hit(rule));
}

#[tokio::test]
async fn an_answer_is_known_by_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let (listener, upstream) = Endpoint::Unix(dir.path().join("server")).bind().unwrap();
    let listen = Endpoint::Unix(dir.path().join("proxy"));
    let proxy = FaultProxy::start(listen, upstream, Options::seed(7)).await.unwrap();
    let rule = proxy.add_call(at_call(1, Moment::Response, CallAction::Garble));
    let mut client = proxy.endpoint().connect().await.unwrap();
    let mut server = within(listener.accept()).await.unwrap();
    let requests = two_calls().concat();
    send(&mut client, &requests).await;
    assert_eq!(receive(&mut server, requests.len()).await, requests);

    let (other, answer) = (frame(1, 3, 4), frame(1, 1, 4));
    send(&mut server, &[&other[..], &answer, &answer].concat()).await;
    assert_eq!(receive(&mut client, other.len()).await, other);
    let garbled = receive(&mut client, 2 * answer.len()).await;
    let sent = [&answer[..], &answer].concat();
    assert!(garbled.iter().zip(sent).all(|(garbled, sent)| *garbled != sent));
    assert!(proxy.has_hit(rule));
}

#[tokio::test]
async fn a_call_hangs_until_the_rule_is_removed_and_calls_are_counted_over_connections() {
    let bench = unix().await;
    let [start, first, second] = two_calls();
    let rule = bench.proxy.add_call(at_call(2, Moment::Request, CallAction::Hang));
    let begin = [&start[..], &first].concat();
    let mut client = bench.client().await;
    send(&mut client, &begin).await;
    assert_eq!(receive(&mut client, begin.len()).await, begin);

    let mut other = bench.client().await;
    send(&mut other, &begin).await;
    assert_eq!(receive(&mut other, start.len()).await, start);
    assert_silent(&mut other).await;
    send(&mut client, &second).await;
    assert_eq!(receive(&mut client, second.len()).await, second);
    bench.proxy.remove(rule);
    assert_eq!(receive(&mut other, first.len()).await, first);
}

#[tokio::test]
async fn a_call_is_delayed_and_the_next_is_not() {
    let bench = unix().await;
    let [start, first, second] = two_calls();
    let delay = Duration::from_millis(60);
    bench.proxy.add_call(at_call(1, Moment::Request, CallAction::Delay(delay)));
    let mut client = bench.client().await;
    let begun = Instant::now();
    let begin = [&start[..], &first].concat();
    send(&mut client, &begin).await;
    receive(&mut client, begin.len()).await;
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());

    bench.proxy.heal();
    bench.proxy.add_call(at_call(2, Moment::Request, CallAction::Delay(Duration::from_secs(3600))));
    send(&mut client, &second).await;
    receive(&mut client, second.len()).await;
}

#[tokio::test]
async fn a_connection_is_cut_in_the_middle_of_a_call() {
    let bench = unix().await;
    let [start, first, second] = two_calls();
    let after = Duration::from_millis(60);
    bench.proxy.add_call(at_call(1, Moment::Request, CallAction::CutAfter(after)));
    let mut client = bench.client().await;
    let begun = Instant::now();
    let all = [&start[..], &first, &second].concat();
    send(&mut client, &all).await;
    assert_eq!(receive(&mut client, all.len()).await, all);
    assert_eq!(rest(&mut client).await.0, 0);
    assert!(begun.elapsed() >= after, "{:?}", begun.elapsed());
}
