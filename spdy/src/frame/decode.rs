//! Bytes to frames.

use super::compress::Inflater;
use super::{
    CONTROL_BIT, DecodeError, FLAG_CLEAR, FLAG_FIN, FLAG_UNIDIRECTIONAL, Frame, GoAwayStatus, HEADER,
    Headers, MAX_CONTROL_FRAME, ResetStatus, STREAM_MASK, Setting, StreamId, VERSION, kind,
};
use bytes::{Buf, BytesMut};

/// Reads the frames of one direction.
///
/// A `DATA` frame may be far larger than anyone wants to hold, so it comes in parts, as the bytes come: `fin` is on the
/// last. All other frames come whole, and are at most [`MAX_CONTROL_FRAME`] long.
#[derive(Debug)]
pub struct Decoder {
    headers: Inflater,
    data: Option<DataRest>,
    failed: Option<DecodeError>,
}

/// A `DATA` frame of which bytes are still to come.
#[derive(Debug)]
struct DataRest {
    stream: StreamId,
    fin: bool,
    left: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// For a new connection.
    pub fn new() -> Self {
        Self { headers: Inflater::new(), data: None, failed: None }
    }

    /// Takes a frame, or a part of a `DATA` frame, off the front of `input`; `None` where more bytes are needed.
    ///
    /// # Errors
    /// What is wrong with the bytes; again and again then, since what follows can't be understood.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let frame = if self.data.is_some() { Ok(self.data_part(input)) } else { self.frame(input) };
        frame.inspect_err(|error| self.failed = Some(*error))
    }

    fn frame(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        let Some(&[high, a, b, c, flags, x, y, z]) = input.first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_be_bytes([0, x, y, z]) as usize;
        if high & CONTROL_BIT == 0 {
            let stream = known(u32::from_be_bytes([high, a, b, c]))?;
            input.advance(HEADER);
            self.data = Some(DataRest { stream, fin: flags & FLAG_FIN != 0, left: length });
            return Ok(self.data_part(input));
        }
        let (version, kind) = (u16::from_be_bytes([high & !CONTROL_BIT, a]), u16::from_be_bytes([b, c]));
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        check(kind, flags, length)?;
        if input.len() < HEADER + length {
            return Ok(None);
        }
        input.advance(HEADER);
        let body = input.split_to(length);
        self.control(kind, flags, &body).map(Some)
    }

    fn data_part(&mut self, input: &mut BytesMut) -> Option<Frame> {
        let rest = self.data.as_mut()?;
        let part = rest.left.min(input.len());
        if part == 0 && rest.left > 0 {
            return None;
        }
        rest.left -= part;
        let (stream, last) = (rest.stream, rest.left == 0);
        let fin = last && rest.fin;
        if last {
            self.data = None;
        }
        Some(Frame::Data { stream, fin, data: input.split_to(part).freeze() })
    }

    /// A frame whose flags and least length are right.
    fn control(&mut self, kind: u16, flags: u8, body: &[u8]) -> Result<Frame, DecodeError> {
        let wrong = || DecodeError::FrameLength { kind, length: body.len() };
        let fin = flags & FLAG_FIN != 0;
        let (first, rest) = number(body).ok_or_else(wrong)?;
        let second = || number(rest).map(|(second, _)| second).ok_or_else(wrong);
        Ok(match kind {
            kind::SYN_STREAM => {
                let (associated, rest) = number(rest).ok_or_else(wrong)?;
                let (&[priority, _slot], block) = rest.split_first_chunk().ok_or_else(wrong)?;
                let headers = self.block(block)?;
                Frame::SynStream {
                    stream: known(first)?,
                    associated: associated & STREAM_MASK,
                    priority: priority >> 5,
                    fin,
                    unidirectional: flags & FLAG_UNIDIRECTIONAL != 0,
                    headers,
                }
            }
            kind::SYN_REPLY => Frame::SynReply { headers: self.block(rest)?, stream: known(first)?, fin },
            kind::HEADERS => Frame::Headers { headers: self.block(rest)?, stream: known(first)?, fin },
            kind::RST_STREAM => {
                let stream = known(first)?;
                let status = ResetStatus::from_code(second()?).ok_or(DecodeError::ZeroStatus(stream))?;
                Frame::RstStream { stream, status }
            }
            kind::SETTINGS => {
                let settings = rest.as_chunks::<8>().0.iter().map(setting).collect::<Vec<_>>();
                if u32::try_from(settings.len()) != Ok(first) || rest.len() % 8 != 0 {
                    return Err(wrong());
                }
                Frame::Settings { clear: flags & FLAG_CLEAR != 0, settings }
            }
            kind::PING if first == 0 => return Err(DecodeError::ZeroPing),
            kind::PING => Frame::Ping { id: first },
            kind::GOAWAY => {
                Frame::GoAway { last_good: first & STREAM_MASK, status: GoAwayStatus::from_code(second()?) }
            }
            kind::WINDOW_UPDATE => {
                Frame::WindowUpdate { stream: first & STREAM_MASK, delta: second()? & STREAM_MASK }
            }
            other => return Err(DecodeError::UnknownType(other)),
        })
    }

    fn block(&mut self, compressed: &[u8]) -> Result<Headers, DecodeError> {
        Headers::from_block(&self.headers.block(compressed)?)
    }
}

/// What can be known from a control frame's beginning, before its body is waited for.
fn check(kind: u16, flags: u8, length: usize) -> Result<(), DecodeError> {
    let (allowed, fits) = match kind {
        kind::SYN_STREAM => (FLAG_FIN | FLAG_UNIDIRECTIONAL, length >= 10),
        kind::SYN_REPLY | kind::HEADERS => (FLAG_FIN, length >= 4),
        kind::RST_STREAM | kind::GOAWAY | kind::WINDOW_UPDATE => (0, length == 8),
        kind::SETTINGS => (FLAG_CLEAR, length >= 4),
        kind::PING => (0, length == 4),
        other => return Err(DecodeError::UnknownType(other)),
    };
    if length > MAX_CONTROL_FRAME {
        return Err(DecodeError::FrameTooLarge(length));
    }
    if !fits {
        return Err(DecodeError::FrameLength { kind, length });
    }
    if flags & !allowed != 0 {
        return Err(DecodeError::Flags { kind, flags });
    }
    Ok(())
}

fn known(stream: u32) -> Result<StreamId, DecodeError> {
    match stream & STREAM_MASK {
        0 => Err(DecodeError::ZeroStream),
        stream => Ok(stream),
    }
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}

fn setting(bytes: &[u8; 8]) -> Setting {
    let [flags, a, b, c, value @ ..] = *bytes;
    Setting { flags, id: u32::from_be_bytes([0, a, b, c]), value: u32::from_be_bytes(value) }
}
