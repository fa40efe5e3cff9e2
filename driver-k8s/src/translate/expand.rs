//! `$(NAME)`, which Kubernetes replaces in commands, arguments and variables, and wharf's specs take as it is.

/// The text that Kubernetes makes this one out of.
pub(super) fn escape(text: &str) -> String {
    // Alone, `$` stands for itself.
    if text.contains("$$") || text.contains("$(") { text.replace('$', "$$") } else { text.to_owned() }
}

/// What Kubernetes makes of a text; `None` if that depends on variables.
pub(super) fn literal(text: &str) -> Option<String> {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        made.push_str(before);
        made.push('$');
        rest = match after.as_bytes().first() {
            Some(b'$') => &after[1..],
            Some(b'(') if after.contains(')') => return None,
            _ => after,
        };
    }
    made.push_str(rest);
    Some(made)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_are_seen() {
        for (text, made) in [
            ("plain $HOME", Some("plain $HOME")),
            ("$$(A)", Some("$(A)")),
            ("$$$$", Some("$$")),
            ("$(A", Some("$(A")),
            ("a$", Some("a$")),
            ("$(A)", None),
            ("$$$(A)", None),
        ] {
            assert_eq!(literal(text).as_deref(), made, "{text}");
        }
        assert_eq!(escape("echo $(date) $$"), "echo $$(date) $$$$");
        assert_eq!(escape("echo $HOME"), "echo $HOME");
    }

    proptest! {
        #[test]
        fn any_text_arrives_as_it_is(text in "[$()a]{0,12}") {
            prop_assert_eq!(literal(&escape(&text)), Some(text));
        }
    }
}
