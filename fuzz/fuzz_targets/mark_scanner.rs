//! Marks in the output of the wrapper: found however the output is cut, and nothing behind the last one is lost.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_core::emulation::{Mark, MarkScanner, Nonce};

fuzz_target!(|data: (Vec<(&[u8], bool)>, Vec<u8>)| {
    let (pieces, cuts) = data;
    let nonce = Nonce::random();
    let mut text = Vec::new();
    for (piece, in_mark) in pieces {
        if in_mark {
            text.extend_from_slice(format!("<wharf:{nonce}:").as_bytes());
        }
        text.extend_from_slice(piece);
    }
    let scan = |sizes: &mut dyn Iterator<Item = usize>| {
        let mut scanner = MarkScanner::new(&nonce);
        let (mut marks, mut left): (Vec<Mark>, _) = (Vec::new(), &text[..]);
        while !left.is_empty() {
            let (piece, later) = left.split_at(sizes.next().unwrap_or(usize::MAX).clamp(1, left.len()));
            left = later;
            scanner.push(piece);
            while let Some(mark) = scanner.next_mark() {
                marks.push(mark);
            }
        }
        (marks, scanner.into_rest())
    };
    let at_once = scan(&mut std::iter::empty());
    assert_eq!(scan(&mut cuts.into_iter().map(usize::from)), at_once);
    assert!(text.ends_with(&at_once.1));
});
