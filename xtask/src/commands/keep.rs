//! Keeping something for trying things on by hand.

use std::io::{self, Read};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::failure::Result;
use crate::interrupt;

/// How often it is asked whether it is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Waits for Ctrl-C or the end of stdin, or until `check` fails.
pub(super) fn keep(mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let (ended, end) = channel();
    interrupt::notify(ended.clone());
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        let _ = ended.send(());
    });
    while end.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        check()?;
    }
    Ok(())
}
