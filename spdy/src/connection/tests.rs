use super::*;
use crate::frame::{Decoder, Encoder, Frame, GoAwayStatus, Headers, ResetStatus};
use bytes::{Bytes, BytesMut};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(10);

fn ends() -> (Connection, Connection, Incoming) {
    let (one, other) = duplex(64 * 1024);
    let (client, _) = Connection::client(one);
    let (server, incoming) = Connection::server(other);
    (client, server, incoming)
}

async fn pair(client: &Connection, incoming: &mut Incoming) -> (Stream, Stream) {
    let (opened, accepted) =
        tokio::join!(client.open(&[("Kind", "x")]), async { incoming.next().await.unwrap().accept() });
    (opened.unwrap(), accepted)
}

fn reason(error: &std::io::Error) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

/// A peer by hand.
struct Raw {
    io: DuplexStream,
    encoder: Encoder,
    decoder: Decoder,
    input: BytesMut,
}

impl Raw {
    fn new(io: DuplexStream) -> Self {
        Self { io, encoder: Encoder::new(), decoder: Decoder::new(), input: BytesMut::new() }
    }

    async fn send(&mut self, frame: Frame) {
        let mut out = BytesMut::new();
        self.encoder.encode(&frame, &mut out).unwrap();
        self.io.write_all(&out).await.unwrap();
    }

    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.input).unwrap() {
                return Some(frame);
            }
            if timeout(LONG, self.io.read_buf(&mut self.input)).await.unwrap().unwrap() == 0 {
                return None;
            }
        }
    }

    async fn syn(&mut self, stream: u32) {
        let headers = Headers::new();
        let (associated, priority, fin, unidirectional) = (0, 0, false, false);
        self.send(Frame::SynStream { stream, associated, priority, fin, unidirectional, headers }).await;
    }
}

#[tokio::test]
async fn half_closes_are_seen_and_leave_the_other_direction() {
    let (client, _server, mut incoming) = ends();
    let (mut here, mut there) = pair(&client, &mut incoming).await;
    assert_eq!((there.headers().get("kind"), there.id()), (Some("x"), 1));
    here.write_all(b"question").await.unwrap();
    here.shutdown().await.unwrap();
    let late = here.write_all(b"more").await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::BrokenPipe);
    let mut heard = String::new();
    there.read_to_string(&mut heard).await.unwrap();
    there.write_all(b"answer").await.unwrap();
    // Dropping a writing half ends the direction as well.
    let (read, write) = there.into_split();
    drop(write);
    heard.push(' ');
    here.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "question answer");
    drop(read);
}

#[tokio::test]
async fn a_refused_stream_is_an_error_and_a_dropped_one_is_reset() {
    let (client, _server, mut incoming) = ends();
    let refuse = async { incoming.next().await.unwrap().refuse(ResetStatus::InvalidStream) };
    let (refused, ()) = tokio::join!(client.open(&[]), refuse);
    assert!(matches!(refused, Err(Error::Reset(ResetStatus::InvalidStream))), "{refused:?}");
    let drop_it = async { drop(incoming.next().await.unwrap()) };
    let (refused, ()) = tokio::join!(client.open(&[]), drop_it);
    assert!(matches!(refused, Err(Error::Reset(ResetStatus::RefusedStream))), "{refused:?}");

    let (here, mut there) = pair(&client, &mut incoming).await;
    drop(here);
    let error = there.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(matches!(reason(&error), Error::Reset(ResetStatus::Cancel)));
    let error = there.write_all(b"x").await.unwrap_err();
    assert!(matches!(reason(&error), Error::Reset(ResetStatus::Cancel)));

    // What came before a reset is read first.
    let (mut here, mut there) = pair(&client, &mut incoming).await;
    here.write_all(b"before").await.unwrap();
    here.reset(ResetStatus::InternalError);
    let mut heard = Vec::new();
    let error = there.read_to_end(&mut heard).await.unwrap_err();
    assert!(matches!(reason(&error), Error::Reset(ResetStatus::InternalError)));
    assert_eq!(heard, b"before");
    drop(incoming);
    let refused = client.open(&[]).await;
    assert!(matches!(refused, Err(Error::Reset(ResetStatus::RefusedStream))), "{refused:?}");
}

#[tokio::test]
async fn megabytes_in_both_directions_at_once() {
    let (client, _server, mut incoming) = ends();
    let (here, there) = pair(&client, &mut incoming).await;
    let sent: Bytes = (0..4_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let echo = tokio::spawn(async move {
        let (mut read, mut write) = there.into_split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let (mut read, mut write) = here.into_split();
    let data = sent.clone();
    let send = tokio::spawn(async move {
        write.write_all(&data).await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    let mut back = Vec::new();
    timeout(LONG, read.read_to_end(&mut back)).await.unwrap().unwrap();
    assert!(back == sent);
    echo.await.unwrap();
    drop(send.await.unwrap());
}

#[tokio::test]
async fn what_nobody_reads_stops_the_socket_until_it_is_dropped() {
    let (client, _server, mut incoming) = ends();
    let (mut first, first_there) = pair(&client, &mut incoming).await;
    let (mut second, mut second_there) = pair(&client, &mut incoming).await;
    let mut sent = 0;
    let block = vec![7; 16 * 1024];
    while let Ok(written) = timeout(Duration::from_millis(200), first.write_all(&block)).await {
        written.unwrap();
        sent += block.len();
        assert!(sent < 4 * (STREAM_BUFFER + SEND_BUFFER), "it is bounded");
    }
    assert!(sent >= STREAM_BUFFER);
    // Behind it, the other stream waits too, as there is but one socket.
    assert!(timeout(Duration::from_millis(50), second_there.read(&mut [0; 1])).await.is_err());
    let (unread, _write) = first_there.into_split();
    drop(unread);
    second.write_all(b"x").await.unwrap();
    let mut heard = [0];
    timeout(LONG, second_there.read_exact(&mut heard)).await.unwrap().unwrap();
    // And what is sent there from now on is thrown away.
    for _ in 0..100 {
        timeout(LONG, first.write_all(&block)).await.unwrap().unwrap();
    }
    timeout(LONG, first.flush()).await.unwrap().unwrap();
}

#[tokio::test]
async fn pings_are_answered() {
    let (client, server, _incoming) = ends();
    tokio::join!(async { client.ping().await.unwrap() }, async { server.ping().await.unwrap() });
    let (one, other) = duplex(1024);
    let (client, _) = Connection::client(one);
    let mut raw = Raw::new(other);
    raw.send(Frame::Ping { id: 4 }).await;
    assert_eq!(raw.next().await, Some(Frame::Ping { id: 4 }));
    let (ping, frame) = tokio::join!(client.ping(), async {
        let frame = raw.next().await.unwrap();
        drop(raw);
        frame
    });
    assert_eq!(frame, Frame::Ping { id: 1 });
    assert!(matches!(ping, Err(Error::Closed(CloseReason::Lost))), "{ping:?}");
}

#[tokio::test]
async fn the_end_of_the_handles_is_the_end_of_the_socket() {
    let (one, other) = duplex(1024);
    let (client, incoming) = Connection::client(one);
    let mut raw = Raw::new(other);
    let open = tokio::spawn({
        let client = client.clone();
        async move { client.open(&[]).await }
    });
    assert!(matches!(raw.next().await, Some(Frame::SynStream { stream: 1, .. })));
    raw.send(Frame::SynReply { stream: 1, fin: false, headers: Headers::new() }).await;
    let stream = open.await.unwrap().unwrap();
    drop((client, incoming));
    raw.send(Frame::Ping { id: 2 }).await;
    assert_eq!(raw.next().await, Some(Frame::Ping { id: 2 }), "a stream keeps it open");
    drop(stream);
    assert_eq!(raw.next().await, Some(Frame::RstStream { stream: 1, status: ResetStatus::Cancel }));
    assert_eq!(raw.next().await, Some(Frame::GoAway { last_good: 0, status: GoAwayStatus::Ok }));
    assert_eq!(raw.next().await, None);
}

#[tokio::test]
async fn an_orderly_end() {
    let (client, server, mut incoming) = ends();
    let (mut done, mut done_there) = pair(&client, &mut incoming).await;
    let (mut open, mut open_there) = pair(&client, &mut incoming).await;
    done_there.write_all(b"all").await.unwrap();
    done_there.shutdown().await.unwrap();
    open_there.write_all(b"some").await.unwrap();
    timeout(LONG, server.close()).await.unwrap();
    let mut heard = String::new();
    done.read_to_string(&mut heard).await.unwrap();
    let error = open.read_to_string(&mut heard).await.unwrap_err();
    assert_eq!(heard, "all");
    assert!(matches!(reason(&error), Error::Reset(ResetStatus::Cancel)));
    assert!(matches!(client.closed().await, CloseReason::GoneAway(GoAwayStatus::Ok)));
    assert!(matches!(server.closed().await, CloseReason::Local));
    let refused = client.open(&[]).await;
    assert!(matches!(refused, Err(Error::Closed(_))), "{refused:?}");
    assert!(incoming.next().await.is_none());
    assert!(open_there.write_all(b"x").await.is_err());
}

#[tokio::test]
async fn a_peer_that_goes_away_takes_no_new_streams() {
    let (one, other) = duplex(1024);
    let (client, _) = Connection::client(one);
    let mut raw = Raw::new(other);
    let (first, second) = (client.open(&[]), client.open(&[]));
    let answer = async {
        raw.next().await;
        raw.next().await;
        raw.send(Frame::SynReply { stream: 1, fin: false, headers: Headers::new() }).await;
        raw.send(Frame::GoAway { last_good: 1, status: GoAwayStatus::Ok }).await;
    };
    let (first, second, ()) = tokio::join!(first, second, answer);
    assert!(matches!(second, Err(Error::Reset(ResetStatus::RefusedStream))), "{second:?}");
    let refused = client.open(&[]).await;
    assert!(matches!(refused, Err(Error::GoingAway(GoAwayStatus::Ok))), "{refused:?}");
    // The old one goes on.
    let (mut read, write) = first.unwrap().into_split();
    let end = tokio::spawn(async move { write.peer_ended().await });
    raw.send(Frame::Data { stream: 1, fin: false, data: Bytes::from_static(b"last ") }).await;
    read.read_exact(&mut [0; 5]).await.unwrap();
    assert!(!end.is_finished());
    raw.send(Frame::Data { stream: 1, fin: true, data: Bytes::from_static(b"words") }).await;
    // That it ends is seen before it is read.
    end.await.unwrap();
    let mut heard = String::new();
    read.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "words");
}

#[tokio::test]
async fn a_lost_peer_is_told_from_a_finished_one() {
    let (client, server, mut incoming) = ends();
    let (mut here, there) = pair(&client, &mut incoming).await;
    here.write_all(b"x").await.unwrap();
    let (one, other) = duplex(1024);
    let (lost, _) = Connection::client(one);
    let mut raw = Raw::new(other);
    let open = tokio::spawn({
        let lost = lost.clone();
        async move { lost.open(&[]).await }
    });
    raw.next().await;
    raw.send(Frame::SynReply { stream: 1, fin: false, headers: Headers::new() }).await;
    let mut stream = open.await.unwrap().unwrap();
    raw.send(Frame::Data { stream: 1, fin: false, data: Bytes::from_static(b"part") }).await;
    drop(raw);
    let mut heard = Vec::new();
    let error = stream.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!((error.kind(), heard.as_slice()), (ErrorKind::ConnectionAborted, &b"part"[..]));
    assert!(matches!(reason(&error), Error::Closed(CloseReason::Lost)));
    drop((there, server));
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_told_and_left() {
    for (bytes, breach) in [
        (&[0x80, 9, 0, 1, 0, 0, 0, 0][..], "a frame of version 9, not 3"),
        (&[0, 0, 0, 0, 0, 0, 0, 0], "a frame for stream 0"),
    ] {
        let (one, mut other) = duplex(1024);
        let (server, _incoming) = Connection::server(one);
        other.write_all(bytes).await.unwrap();
        let reason = server.closed().await;
        let CloseReason::Protocol(error) = reason else { panic!("{reason}") };
        assert_eq!(error.to_string(), breach);
        let mut raw = Raw::new(other);
        let status = GoAwayStatus::ProtocolError;
        assert_eq!(raw.next().await, Some(Frame::GoAway { last_good: 0, status }));
        assert_eq!(raw.next().await, None);
    }
    let (one, other) = duplex(1024);
    let (server, _incoming) = Connection::server(one);
    let mut raw = Raw::new(other);
    raw.syn(3).await;
    raw.syn(1).await;
    let reason = server.closed().await;
    assert!(matches!(reason, CloseReason::Protocol(ProtocolError::StreamNumber(1))), "{reason:?}");
}

#[tokio::test]
async fn a_flood_is_bounded() {
    // Streams that nobody takes.
    let (one, other) = duplex(1 << 20);
    let (_server, _incoming) = Connection::server(one);
    let mut raw = Raw::new(other);
    for stream in 0..=MAX_PEER_STREAMS as u32 {
        raw.syn(2 * stream + 1).await;
    }
    let stream = 2 * MAX_PEER_STREAMS as u32 + 1;
    assert_eq!(raw.next().await, Some(Frame::RstStream { stream, status: ResetStatus::RefusedStream }));

    // Pings whose answers nobody reads.
    let (one, mut other) = duplex(1024);
    let (_server, _incoming) = Connection::server(one);
    let mut out = BytesMut::new();
    Encoder::new().encode(&Frame::Ping { id: 1 }, &mut out).unwrap();
    let pings = out.repeat(1000);
    let mut sent = 0;
    while timeout(Duration::from_millis(200), other.write_all(&pings)).await.is_ok() {
        sent += pings.len();
        assert!(sent < 2 << 20, "it is not read for ever");
    }
}

#[tokio::test]
async fn bytes_before_the_reply_and_for_nobody() {
    let (one, other) = duplex(1024);
    let (_server, mut incoming) = Connection::server(one);
    let mut raw = Raw::new(other);
    raw.send(Frame::Data { stream: 77, fin: false, data: Bytes::from_static(b"nobody") }).await;
    raw.send(Frame::RstStream { stream: 77, status: ResetStatus::Cancel }).await;
    raw.send(Frame::WindowUpdate { stream: 77, delta: 1 }).await;
    raw.send(Frame::Settings { clear: true, settings: Vec::new() }).await;
    raw.send(Frame::SynReply { stream: 2, fin: false, headers: Headers::new() }).await;
    raw.syn(1).await;
    raw.send(Frame::Data { stream: 1, fin: true, data: Bytes::from_static(b"early") }).await;
    let mut stream = incoming.next().await.unwrap().accept();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "early");
    assert!(matches!(raw.next().await, Some(Frame::SynReply { stream: 1, fin: false, .. })));
}
