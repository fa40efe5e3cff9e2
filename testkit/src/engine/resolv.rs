//! Name resolution, as a file says it.

/// The content of a `resolv.conf`.
pub fn resolv_conf(servers: &[String], searches: &[String], options: &[String]) -> String {
    let mut text = String::new();
    if !searches.is_empty() {
        text += &format!("search {}\n", searches.join(" "));
    }
    for server in servers {
        text += &format!("nameserver {server}\n");
    }
    if !options.is_empty() {
        text += &format!("options {}\n", options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_given() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(resolv_conf(&[], &[], &[]), "");
        assert_eq!(
            resolv_conf(&words("1.1.1.1 ::1"), &words("a b"), &words("ndots:5 rotate")),
            "search a b\nnameserver 1.1.1.1\nnameserver ::1\noptions ndots:5 rotate\n"
        );
    }
}
