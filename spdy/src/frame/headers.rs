//! Headers of a stream: names and values.

use super::{DecodeError, EncodeError, MAX_HEADERS};

/// Headers, in order. A name may have several values. Names are lower case here and on the wire.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to those of a name.
    pub fn append(&mut self, name: &str, value: impl Into<String>) {
        let name = name.to_ascii_lowercase();
        // Values of one name are one entry on the wire, so they stand together.
        let at = self.0.iter().rposition(|(other, _)| *other == name).map_or(self.0.len(), |last| last + 1);
        self.0.insert(at, (name, value.into()));
    }

    /// The first value of a name, whatever the name's case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The block, not yet compressed: a count, then names and values behind their lengths.
    pub(super) fn to_block(&self) -> Result<Vec<u8>, EncodeError> {
        let mut block = vec![0; 4];
        let mut count = 0_u32;
        for entry in self.0.chunk_by(|one, other| one.0 == other.0) {
            let values: Vec<&str> = entry.iter().map(|(_, value)| value.as_str()).collect();
            let name = entry.first().map_or("", |(name, _)| name.as_str());
            if name.is_empty() || name.contains('\0') || values.iter().any(|value| value.contains('\0')) {
                return Err(EncodeError::InvalidHeader);
            }
            put_text(&mut block, name)?;
            put_text(&mut block, &values.join("\0"))?;
            count += 1;
        }
        if block.len() > MAX_HEADERS {
            return Err(EncodeError::HeadersTooLarge);
        }
        if let Some(place) = block.first_chunk_mut() {
            *place = count.to_be_bytes();
        }
        Ok(block)
    }

    pub(super) fn from_block(mut block: &[u8]) -> Result<Self, DecodeError> {
        let count = take_number(&mut block)?;
        let mut headers = Self::new();
        // No memory is set aside for what is only announced: every entry has to be there.
        for _ in 0..count {
            let name = take_text(&mut block)?;
            if name.is_empty() || name.contains(|c: char| c.is_ascii_uppercase() || c == '\0') {
                return Err(DecodeError::HeaderName);
            }
            if headers.0.iter().any(|(other, _)| other == name) {
                return Err(DecodeError::DuplicateHeader);
            }
            for value in take_text(&mut block)?.split('\0') {
                headers.0.push((name.to_owned(), value.to_owned()));
            }
        }
        if block.is_empty() { Ok(headers) } else { Err(DecodeError::HeaderLength) }
    }
}

impl<N: AsRef<str>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in entries {
            headers.append(name.as_ref(), value);
        }
        headers
    }
}

fn put_text(block: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    let length = u32::try_from(text.len()).map_err(|_| EncodeError::HeadersTooLarge)?;
    block.extend_from_slice(&length.to_be_bytes());
    block.extend_from_slice(text.as_bytes());
    Ok(())
}

fn take_number(block: &mut &[u8]) -> Result<u32, DecodeError> {
    let (number, rest) = block.split_first_chunk().ok_or(DecodeError::HeaderLength)?;
    *block = rest;
    Ok(u32::from_be_bytes(*number))
}

fn take_text<'a>(block: &mut &'a [u8]) -> Result<&'a str, DecodeError> {
    let length = usize::try_from(take_number(block)?).map_err(|_| DecodeError::HeaderLength)?;
    let (text, rest) = block.split_at_checked(length).ok_or(DecodeError::HeaderLength)?;
    *block = rest;
    str::from_utf8(text).map_err(|_| DecodeError::HeaderText)
}
