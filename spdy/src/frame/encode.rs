//! Frames to bytes.

use super::compress::Deflater;
use super::{
    CONTROL_BIT, EncodeError, FLAG_CLEAR, FLAG_FIN, FLAG_UNIDIRECTIONAL, Frame, Headers, MAX_CONTROL_FRAME,
    MAX_DATA, STREAM_MASK, StreamId, VERSION, kind,
};
use bytes::{BufMut, BytesMut};

/// Writes the frames of one direction.
#[derive(Debug)]
pub struct Encoder {
    headers: Deflater,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// For a new connection.
    pub fn new() -> Self {
        Self { headers: Deflater::new() }
    }

    /// Appends a frame's bytes to `out`. Nothing is appended where it fails.
    ///
    /// # Errors
    /// Where the frame can't be said; the next one still can, unless it was [`EncodeError::Compression`].
    pub fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), EncodeError> {
        match frame {
            Frame::SynStream { stream, associated, priority, fin, unidirectional, headers } => {
                let flags = flag(*fin, FLAG_FIN) | flag(*unidirectional, FLAG_UNIDIRECTIONAL);
                let mut ahead = [0; 10];
                let (numbers, rest) = ahead.split_at_mut(8);
                numbers.copy_from_slice(&two(stream & STREAM_MASK, associated & STREAM_MASK));
                if let Some(place) = rest.first_mut() {
                    *place = (priority & 7) << 5;
                }
                self.with_headers(kind::SYN_STREAM, flags, &ahead, headers, out)
            }
            Frame::SynReply { stream, fin, headers } => {
                let ahead = (stream & STREAM_MASK).to_be_bytes();
                self.with_headers(kind::SYN_REPLY, flag(*fin, FLAG_FIN), &ahead, headers, out)
            }
            Frame::Headers { stream, fin, headers } => {
                let ahead = (stream & STREAM_MASK).to_be_bytes();
                self.with_headers(kind::HEADERS, flag(*fin, FLAG_FIN), &ahead, headers, out)
            }
            Frame::RstStream { stream, status } => {
                control(kind::RST_STREAM, 0, &[&two(stream & STREAM_MASK, status.code())], out)
            }
            Frame::Settings { clear, settings } => {
                let count = u32::try_from(settings.len()).map_err(|_| EncodeError::FrameTooLarge)?;
                let mut body = count.to_be_bytes().to_vec();
                for setting in settings {
                    let id = u32::from(setting.flags) << 24 | setting.id & 0xff_ffff;
                    body.extend_from_slice(&two(id, setting.value));
                }
                control(kind::SETTINGS, flag(*clear, FLAG_CLEAR), &[&body], out)
            }
            Frame::Ping { id } => control(kind::PING, 0, &[&id.to_be_bytes()], out),
            Frame::GoAway { last_good, status } => {
                control(kind::GOAWAY, 0, &[&two(last_good & STREAM_MASK, status.code())], out)
            }
            Frame::WindowUpdate { stream, delta } => {
                control(kind::WINDOW_UPDATE, 0, &[&two(stream & STREAM_MASK, delta & STREAM_MASK)], out)
            }
            Frame::Data { stream, fin, data } => Self::data(*stream, *fin, data, out),
        }
    }

    /// Appends a `DATA` frame's bytes, from borrowed ones.
    ///
    /// # Errors
    /// [`EncodeError::FrameTooLarge`] for more than [`MAX_DATA`] bytes.
    pub fn data(stream: StreamId, fin: bool, data: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        if data.len() > MAX_DATA {
            return Err(EncodeError::FrameTooLarge);
        }
        out.reserve(super::HEADER + data.len());
        out.put_u32(stream & STREAM_MASK);
        out.put_u8(flag(fin, FLAG_FIN));
        out.put_uint(data.len() as u64, 3);
        out.put_slice(data);
        Ok(())
    }

    fn with_headers(
        &mut self,
        kind: u16,
        flags: u8,
        ahead: &[u8],
        headers: &Headers,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let block = self.headers.block(&headers.to_block()?)?;
        control(kind, flags, &[ahead, &block], out)
    }
}

fn control(kind: u16, flags: u8, parts: &[&[u8]], out: &mut BytesMut) -> Result<(), EncodeError> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    if length > MAX_CONTROL_FRAME {
        return Err(EncodeError::FrameTooLarge);
    }
    out.reserve(super::HEADER + length);
    out.put_u16(u16::from(CONTROL_BIT) << 8 | VERSION);
    out.put_u16(kind);
    out.put_u8(flags);
    out.put_uint(length as u64, 3);
    for part in parts {
        out.put_slice(part);
    }
    Ok(())
}

fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

fn two(first: u32, second: u32) -> [u8; 8] {
    (u64::from(first) << 32 | u64::from(second)).to_be_bytes()
}
