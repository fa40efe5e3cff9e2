//! A stream of bytes as lines.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, ready};
use hyper::body::{Body, Incoming};
use runtime_core::Result;

use crate::error::cut;

/// A line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) content: Bytes,
    /// Whether it was ended: a last line may not be, and one that is too long comes in pieces.
    pub(crate) complete: bool,
}

/// The lines of an answer that comes bit by bit. A connection that breaks is the last item, an error.
pub(crate) struct Lines<B = Incoming> {
    body: Option<B>,
    rest: BytesMut,
    /// How much of the rest holds no end of a line.
    searched: usize,
    max_bytes: usize,
}

impl<B> Lines<B> {
    /// Lines of at most so many bytes; longer ones come in pieces.
    pub(crate) fn new(body: B, max_bytes: usize) -> Self {
        Self { body: Some(body), rest: BytesMut::new(), searched: 0, max_bytes }
    }

    fn next_line(&mut self) -> Option<Line> {
        let window = self.rest.len().min(self.max_bytes);
        let unsearched = self.rest.get(self.searched.min(window)..window).unwrap_or_default();
        if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
            let end = self.searched + end;
            let mut content = self.rest.split_to(end + 1);
            content.truncate(end);
            self.searched = 0;
            return Some(Line { content: content.freeze(), complete: true });
        }
        self.searched = window;
        (self.rest.len() >= self.max_bytes).then(|| {
            self.searched = 0;
            Line { content: self.rest.split_to(self.max_bytes).freeze(), complete: false }
        })
    }
}

impl<B> Stream for Lines<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    type Item = Result<Line>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(line) = this.next_line() {
                return Poll::Ready(Some(Ok(line)));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.rest.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    this.body = None;
                    this.rest.clear();
                    return Poll::Ready(Some(Err(cut(&error))));
                }
                None => {
                    this.body = None;
                    if !this.rest.is_empty() {
                        let content = this.rest.split().freeze();
                        return Poll::Ready(Some(Ok(Line { content, complete: false })));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{FutureExt, StreamExt, TryStreamExt, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use proptest::prelude::*;

    use super::*;

    /// Nothing here is waited for.
    fn block_on<F: Future>(future: F) -> F::Output {
        future.now_or_never().unwrap()
    }

    fn lines(pieces: &[&[u8]], max: usize) -> Vec<(String, bool)> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
        let frames = stream::iter(pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece))));
        let lines: Vec<Line> = block_on(Lines::new(StreamBody::new(frames), max).try_collect()).unwrap();
        lines
            .into_iter()
            .map(|line| (String::from_utf8_lossy(&line.content).into_owned(), line.complete))
            .collect()
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let expected = [("a".to_owned(), true), (String::new(), true), ("bc".to_owned(), false)];
        assert_eq!(lines(&[b"a\n\nbc"], 10), expected);
        assert_eq!(lines(&[b"a", b"\n", b"\n", b"b", b"c"], 10), expected);
        assert_eq!(lines(&[b"abcd\n"], 3), [("abc".to_owned(), false), ("d".to_owned(), true)]);
        assert_eq!(lines(&[], 3), []);
    }

    #[test]
    fn a_broken_connection_is_the_last_item() {
        let frames = stream::iter([Ok(Frame::data(Bytes::from("a\nb"))), Err(std::io::Error::other("gone"))]);
        let all: Vec<_> = block_on(Lines::new(StreamBody::new(frames), 10).collect());
        assert!(all.len() == 2 && all[0].is_ok() && all[1].is_err());
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in "[ab\n]{0,60}", cuts in proptest::collection::vec(0_usize..60, 0..5), max in 1_usize..9) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            let joined: String = lines(&pieces, max)
                .into_iter()
                .map(|(line, complete)| if complete { line + "\n" } else { line })
                .collect();
            prop_assert_eq!(joined, text);
        }
    }
}
