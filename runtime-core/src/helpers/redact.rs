//! Taking secrets out of what a system says: it may quote what it was given.

/// Shorter texts are all over any message; taking them out would leave nothing to read, and hide nothing.
const SHORTEST_SECRET: usize = 4;

/// The text with each secret of at least four bytes masked.
#[must_use]
pub fn redacted<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let secrets = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST_SECRET);
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_short_ones_are_not() {
        assert_eq!(redacted("A=hunter2, me: hunter2", ["hunter2", "me", ""]), "A=[redacted], me: [redacted]");
    }
}
