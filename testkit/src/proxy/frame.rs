//! HTTP/2 frames in passing bytes: only where they begin, of which type and stream they are.

/// What a client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags, stream.
const HEADER_BYTES: usize = 9;
/// The type of frames that begin a request or an answer.
const HEADERS: u8 = 1;

/// Follows one direction of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the preface have come.
    Preface(usize),
    Header(Vec<u8>),
    /// So many bytes of a frame are to come.
    Payload(usize),
    /// This is not HTTP/2.
    Other,
}

impl Frames {
    /// What comes from a client, which begins with the preface; anything else is let alone.
    pub(super) fn of_client() -> Self {
        Self { state: State::Preface(0) }
    }

    /// What comes from a server.
    pub(super) fn of_server() -> Self {
        Self { state: State::Header(Vec::new()) }
    }

    /// The HEADERS frames that begin in the bytes that come next, each with the offset at which it does and its stream. A
    /// frame whose own header came in pieces begins where the last piece does.
    pub(super) fn headers(&mut self, bytes: &[u8]) -> Vec<(usize, u32)> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.state {
                State::Preface(seen) => {
                    let size = rest.len().min(PREFACE.len() - *seen);
                    if rest[..size] != PREFACE[*seen..*seen + size] {
                        self.state = State::Other;
                        continue;
                    }
                    at += size;
                    *seen += size;
                    if *seen == PREFACE.len() {
                        self.state = State::Header(Vec::new());
                    }
                }
                State::Header(header) => {
                    let size = rest.len().min(HEADER_BYTES - header.len());
                    header.extend_from_slice(&rest[..size]);
                    if let &[a, b, c, kind, _, d, e, f, g] = &header[..] {
                        if kind == HEADERS {
                            // The first bit is reserved.
                            found.push((at, u32::from_be_bytes([d, e, f, g]) & (u32::MAX >> 1)));
                        }
                        self.state = State::Payload(u32::from_be_bytes([0, a, b, c]) as usize);
                    }
                    at += size;
                }
                State::Payload(0) => self.state = State::Header(Vec::new()),
                State::Payload(left) => {
                    let size = rest.len().min(*left);
                    at += size;
                    *left -= size;
                }
                State::Other => break,
            }
        }
        found
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A frame with this many zeros in it.
    pub(crate) fn frame(kind: u8, stream: u32, payload: usize) -> Vec<u8> {
        let mut frame = (payload as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0]);
        frame.extend(stream.to_be_bytes());
        frame.resize(HEADER_BYTES + payload, 0);
        frame
    }

    pub(crate) fn preface() -> Vec<u8> {
        PREFACE.to_vec()
    }

    #[test]
    fn headers_are_found_however_the_bytes_are_cut_up() {
        let parts = [preface(), frame(4, 0, 18), frame(1, 1, 7), frame(0, 1, 300), frame(1, 3, 0)];
        let (first, second) = (24 + 27, 24 + 27 + 16 + 309);
        let bytes = parts.concat();
        assert_eq!(Frames::of_client().headers(&bytes), [(first, 1), (second, 3)]);
        let mut frames = Frames::of_client();
        let mut found = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            found.extend(frames.headers(&[*byte]).into_iter().map(|(offset, stream)| (at + offset, stream)));
        }
        // Known with the last byte of the frame's own header.
        assert_eq!(found, [(first + 8, 1), (second + 8, 3)]);
    }

    #[test]
    fn a_server_has_no_preface_and_the_reserved_bit_is_no_stream() {
        let mut bytes = frame(1, 5, 3);
        bytes[5] |= 0x80;
        assert_eq!(Frames::of_server().headers(&bytes), [(0, 5)]);
    }

    #[test]
    fn another_protocol_is_let_alone() {
        let mut frames = Frames::of_client();
        assert_eq!(frames.headers(b"PRI * HTTP/1.1\r\n"), []);
        assert_eq!(frames.headers(&frame(1, 1, 0)), []);
    }
}
