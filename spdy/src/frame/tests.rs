use super::dictionary::DICTIONARY;
use super::*;
use bytes::{BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn the_dictionary_is_the_protocols() {
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in DICTIONARY {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    assert_eq!((DICTIONARY.len(), b << 16 | a), (1423, 0xe3c6_a7c2));
}

fn decoded(bytes: &[u8]) -> Result<Vec<Frame>, DecodeError> {
    let (mut decoder, mut input) = (Decoder::new(), BytesMut::from(bytes));
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode(&mut input)? {
        frames.push(frame);
    }
    Ok(frames)
}

fn encoded(frames: &[Frame]) -> BytesMut {
    let (mut encoder, mut out) = (Encoder::new(), BytesMut::new());
    for frame in frames {
        encoder.encode(frame, &mut out).unwrap();
    }
    out
}

fn syn_stream(headers: Headers) -> Frame {
    Frame::SynStream { stream: 1, associated: 0, priority: 3, fin: true, unidirectional: false, headers }
}

/// A control frame by hand.
fn control(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80, 3];
    frame.put_u16(kind);
    frame.put_u8(flags);
    frame.put_uint(body.len() as u64, 3);
    frame.put_slice(body);
    frame
}

#[test]
fn header_blocks_of_another_zlib() {
    // As zlib 1.2 compresses them: a block and, with what it has seen in that, an empty one.
    let first = [
        0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0xe5, 0x0e, 0x70, 0x3a, 0x2b, 0x29, 0x4a, 0x4d, 0xcc, 0x85,
        0x16, 0x25, 0xac, 0xa9, 0xa0, 0x80, 0x86, 0x14, 0xcb, 0x45, 0xa0, 0x24, 0xcc, 0x64, 0x61, 0x00, 0x00,
        0x00, 0x00, 0xff, 0xff,
    ];
    let second = [0x02, 0x92, 0x0c, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff];
    let mut bytes = control(kind::HEADERS, 0, &[&[0, 0, 0, 1][..], &first].concat());
    bytes.extend(control(kind::SYN_REPLY, 1, &[&[0, 0, 0, 3][..], &second].concat()));
    let headers = Headers::from_iter([("streamtype", "error"), ("port", "80")]);
    assert_eq!(
        decoded(&bytes).unwrap(),
        [
            Frame::Headers { stream: 1, fin: false, headers },
            Frame::SynReply { stream: 3, fin: true, headers: Headers::new() },
        ]
    );
}

#[test]
fn frames_byte_by_byte() {
    for (frame, bytes) in [
        (
            Frame::Data { stream: 1, fin: true, data: Bytes::from_static(b"x") },
            &[0, 0, 0, 1, 1, 0, 0, 1, b'x'][..],
        ),
        (
            Frame::RstStream { stream: 5, status: ResetStatus::Cancel },
            &[0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 5],
        ),
        (
            Frame::GoAway { last_good: 7, status: GoAwayStatus::Ok },
            &[0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 0],
        ),
        (Frame::Ping { id: 258 }, &[0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 1, 2]),
        (
            Frame::WindowUpdate { stream: 1, delta: 0x10000 },
            &[0x80, 3, 0, 9, 0, 0, 0, 8, 0, 0, 0, 1, 0, 1, 0, 0],
        ),
        (
            Frame::Settings { clear: true, settings: vec![Setting { flags: 1, id: 4, value: 100 }] },
            &[0x80, 3, 0, 4, 1, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, 4, 0, 0, 0, 100],
        ),
    ] {
        assert_eq!(encoded(std::slice::from_ref(&frame)), bytes);
        assert_eq!(decoded(bytes), Ok(vec![frame]));
    }
}

#[test]
fn what_is_wrong_has_a_name() {
    use DecodeError::*;
    let block = |bytes: &[u8]| {
        let mut compressed = compress::Deflater::new();
        [&[0, 0, 0, 1][..], &compressed.block(bytes).unwrap()].concat()
    };
    let headers = |entries: &[(&[u8], &[u8])]| {
        let mut bytes = Vec::new();
        bytes.put_u32(entries.len() as u32);
        for (name, value) in entries {
            for text in [name, value] {
                bytes.put_u32(text.len() as u32);
                bytes.put_slice(text);
            }
        }
        control(kind::SYN_REPLY, 0, &block(&bytes))
    };
    let large = vec![b'v'; MAX_HEADERS];
    for (bytes, error) in [
        (vec![0x80, 2, 0, 1, 0, 0, 0, 0], Version(2)),
        (control(5, 0, &[]), UnknownType(5)),
        (vec![0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff], FrameTooLarge(0xff_ffff)),
        (control(kind::PING, 0, &[0; 5]), FrameLength { kind: kind::PING, length: 5 }),
        (control(kind::SYN_STREAM, 0, &[0; 9]), FrameLength { kind: kind::SYN_STREAM, length: 9 }),
        (control(kind::SETTINGS, 0, &[0, 0, 0, 1]), FrameLength { kind: kind::SETTINGS, length: 4 }),
        (control(kind::PING, 1, &[0, 0, 0, 1]), Flags { kind: kind::PING, flags: 1 }),
        (control(kind::SYN_REPLY, 2, &[0; 4]), Flags { kind: kind::SYN_REPLY, flags: 2 }),
        (vec![0, 0, 0, 0, 0, 0, 0, 0], ZeroStream),
        (control(kind::RST_STREAM, 0, &[0, 0, 0, 0, 0, 0, 0, 1]), ZeroStream),
        (control(kind::RST_STREAM, 0, &[0, 0, 0, 9, 0, 0, 0, 0]), ZeroStatus(9)),
        (control(kind::PING, 0, &[0; 4]), ZeroPing),
        (control(kind::SYN_REPLY, 0, &[0, 0, 0, 1, 1, 2, 3, 4]), Compression),
        (control(kind::SYN_REPLY, 0, &[0, 0, 0, 1]), HeaderLength),
        (control(kind::SYN_REPLY, 0, &block(&[0, 0, 0, 1])), HeaderLength),
        (control(kind::SYN_REPLY, 0, &block(&[0, 0, 0, 0, 9])), HeaderLength),
        (control(kind::SYN_REPLY, 0, &block(&[0xff; 8])), HeaderLength),
        (headers(&[(b"", b"v")]), HeaderName),
        (headers(&[(b"Name", b"v")]), HeaderName),
        (headers(&[(b"n", b"v"), (b"n", b"w")]), DuplicateHeader),
        (headers(&[(b"n", b"\xff")]), HeaderText),
        (headers(&[(b"n", &large)]), HeadersTooLarge),
    ] {
        assert_eq!(decoded(&bytes), Err(error), "{bytes:?}");
    }
}

#[test]
fn a_failed_direction_stays_failed() {
    let mut decoder = Decoder::new();
    let mut input = BytesMut::from(&control(kind::PING, 0, &[0; 4])[..]);
    assert_eq!(decoder.decode(&mut input), Err(DecodeError::ZeroPing));
    let mut input = BytesMut::from(&control(kind::PING, 0, &[0, 0, 0, 1])[..]);
    assert_eq!(decoder.decode(&mut input), Err(DecodeError::ZeroPing));
}

#[test]
fn a_bomb_is_noticed_while_it_unfolds() {
    let mut zlib = compress::Deflater::new();
    let block = zlib.block(&vec![0; 4 * 1024 * 1024]).unwrap();
    assert!(block.len() < MAX_CONTROL_FRAME, "{}", block.len());
    let frame = control(kind::SYN_REPLY, 0, &[&[0, 0, 0, 1][..], &block].concat());
    assert_eq!(decoded(&frame), Err(DecodeError::HeadersTooLarge));
}

#[test]
fn what_cannot_be_said() {
    let (mut encoder, mut out) = (Encoder::new(), BytesMut::new());
    let large = "v".repeat(MAX_HEADERS);
    for (headers, error) in [
        (Headers::from_iter([("", "v")]), EncodeError::InvalidHeader),
        (Headers::from_iter([("n\0", "v")]), EncodeError::InvalidHeader),
        (Headers::from_iter([("n", "v\0w")]), EncodeError::InvalidHeader),
        (Headers::from_iter([("n", large.as_str())]), EncodeError::HeadersTooLarge),
    ] {
        assert_eq!(encoder.encode(&syn_stream(headers), &mut out), Err(error));
    }
    let large = vec![0; MAX_DATA + 1];
    assert_eq!(Encoder::data(1, false, &large, &mut out), Err(EncodeError::FrameTooLarge));
    assert!(out.is_empty());
    // And what can be said, still can.
    let frame = syn_stream(Headers::from_iter([("Name", "v"), ("other", "w"), ("name", "x")]));
    encoder.encode(&frame, &mut out).unwrap();
    let frames = decoded(&out).unwrap();
    assert_eq!(frames, [frame]);
    let [Frame::SynStream { headers, .. }] = &frames[..] else { panic!() };
    assert_eq!(headers.get("NAME"), Some("v"));
    assert_eq!(headers.iter().collect::<Vec<_>>(), [("name", "v"), ("name", "x"), ("other", "w")]);
}

fn any_headers() -> impl Strategy<Value = Headers> {
    vec(("[a-z][a-z-]{0,12}", "[^\0]{0,30}"), 0..6).prop_map(Headers::from_iter)
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let stream = || 1..=STREAM_MASK;
    prop_oneof![
        (stream(), 0..=STREAM_MASK, 0..8_u8, any::<(bool, bool)>(), any_headers()).prop_map(
            |(stream, associated, priority, (fin, unidirectional), headers)| Frame::SynStream {
                stream,
                associated,
                priority,
                fin,
                unidirectional,
                headers
            }
        ),
        (stream(), any::<bool>(), any_headers()).prop_map(|(stream, fin, headers)| Frame::SynReply {
            stream,
            fin,
            headers
        }),
        (stream(), any::<bool>(), any_headers()).prop_map(|(stream, fin, headers)| Frame::Headers {
            stream,
            fin,
            headers
        }),
        (stream(), 1..20_u32).prop_map(|(stream, code)| Frame::RstStream {
            stream,
            status: ResetStatus::from_code(code).unwrap()
        }),
        (any::<bool>(), vec((any::<u8>(), 0..1_u32 << 24, any::<u32>()), 0..5)).prop_map(
            |(clear, settings)| Frame::Settings {
                clear,
                settings: settings
                    .into_iter()
                    .map(|(flags, id, value)| Setting { flags, id, value })
                    .collect()
            }
        ),
        (1..=u32::MAX).prop_map(|id| Frame::Ping { id }),
        (0..=STREAM_MASK, 0..5_u32)
            .prop_map(|(last_good, code)| Frame::GoAway { last_good, status: GoAwayStatus::from_code(code) }),
        (0..=STREAM_MASK, 0..=STREAM_MASK).prop_map(|(stream, delta)| Frame::WindowUpdate { stream, delta }),
        (stream(), any::<bool>(), vec(any::<u8>(), 0..100)).prop_map(|(stream, fin, data)| Frame::Data {
            stream,
            fin,
            data: data.into()
        }),
    ]
}

/// `DATA` in parts put together again.
fn whole(parts: Vec<Frame>, frames: &[Frame]) -> Vec<Frame> {
    let mut parts = parts.into_iter();
    let mut all = Vec::new();
    for frame in frames {
        let Frame::Data { data, .. } = frame else {
            all.extend(parts.next());
            continue;
        };
        let mut joined = BytesMut::new();
        let mut last = None;
        while joined.len() < data.len() || last.is_none() {
            let Some(Frame::Data { stream, fin, data }) = parts.next() else { break };
            joined.put(data);
            last = Some((stream, fin));
        }
        let Some((stream, fin)) = last else { break };
        all.push(Frame::Data { stream, fin, data: joined.freeze() });
    }
    all.extend(parts);
    all
}

proptest! {
    #[test]
    fn frames_come_back_however_they_are_cut(frames in vec(any_frame(), 0..12), cut in 1..64_usize) {
        let bytes = encoded(&frames);
        let (mut decoder, mut input) = (Decoder::new(), BytesMut::new());
        let mut parts = Vec::new();
        for piece in bytes.chunks(cut) {
            input.extend_from_slice(piece);
            while let Some(frame) = decoder.decode(&mut input).unwrap() {
                parts.push(frame);
            }
        }
        prop_assert!(input.is_empty());
        prop_assert_eq!(whole(parts, &frames), frames);
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in vec(any::<u8>(), 0..400)) {
        let _ = decoded(&bytes);
    }

    #[test]
    fn any_change_of_good_bytes_is_frames_or_an_error(
        frames in vec(any_frame(), 1..6), at in any::<prop::sample::Index>(), with: u8
    ) {
        let mut bytes = encoded(&frames);
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        let _ = decoded(&bytes);
    }

    #[test]
    fn any_block_is_headers_or_an_error(block in vec(any::<u8>(), 0..100)) {
        if let Ok(headers) = Headers::from_block(&block) {
            prop_assert_eq!(Headers::from_block(&headers.to_block().unwrap()), Ok(headers));
        }
    }
}
