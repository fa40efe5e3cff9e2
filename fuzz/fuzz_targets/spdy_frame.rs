//! SPDY frames. A part of the input is noise; the rest are header blocks, compressed as a peer would, so that the fuzzer
//! need not find out about zlib.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use spdy::frame::{Decoder, Encoder, Frame, Headers};

/// All frames, as long as nothing is wrong.
fn decode(bytes: &[u8], cut: usize) -> Vec<Frame> {
    let (mut decoder, mut input) = (Decoder::new(), BytesMut::new());
    let mut frames = Vec::new();
    for piece in bytes.chunks(cut) {
        input.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.decode(&mut input), Err(error), "it stays wrong");
                    return frames;
                }
            }
        }
    }
    frames
}

fn encode(frames: &[Frame]) -> BytesMut {
    let (mut encoder, mut out) = (Encoder::new(), BytesMut::new());
    for frame in frames {
        // Only what is made up here can't be said; what was read can.
        let _ = encoder.encode(frame, &mut out);
    }
    out
}

fuzz_target!(|data: (u8, Vec<(String, String)>, &[u8])| {
    let (cut, entries, noise) = data;
    let headers: Headers = entries.iter().map(|(name, value)| (name, value.as_str())).collect();
    let mut bytes = encode(&[Frame::SynReply { stream: 1, fin: false, headers }]);
    bytes.extend_from_slice(noise);
    let frames = decode(&bytes, bytes.len().max(1));
    // Cut in pieces it is the same, but for the pieces of data.
    let control = |frames: Vec<Frame>| -> Vec<Frame> {
        frames.into_iter().filter(|frame| !matches!(frame, Frame::Data { .. })).collect()
    };
    let pieces = control(decode(&bytes, usize::from(cut).max(1)));
    assert_eq!(pieces, control(frames));
    // And written, they read the same.
    assert_eq!(control(decode(&encode(&pieces), usize::MAX)), pieces);
});
