//! Signal names and numbers.

use std::str::FromStr;

use nix::sys::signal::Signal;

use super::EngineError;

/// Number of a signal given as images and users write it: `SIGTERM`, `TERM`, `term` or `15`.
///
/// # Errors
/// [`EngineError::InvalidArgument`] for anything that is not a standard signal.
pub fn parse_signal(text: &str) -> Result<i32, EngineError> {
    let unknown = || EngineError::invalid("signal", format!("{text:?} is not a signal"));
    if let Ok(number) = text.parse::<i32>() {
        return Signal::try_from(number).map(|signal| signal as i32).map_err(|_| unknown());
    }
    let upper = text.to_ascii_uppercase();
    let name = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    Signal::from_str(&name).map(|signal| signal as i32).map_err(|_| unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_understood() {
        for text in ["SIGTERM", "TERM", "term", "15"] {
            assert_eq!(parse_signal(text).unwrap(), 15, "{text}");
        }
        for text in ["", "SIG", "0", "-1", "99999999999", "SIGNOPE"] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
