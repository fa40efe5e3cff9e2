//! The query of a request.

use url::form_urlencoded;

use super::Refusal;

/// The parameters, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// A parameter; empty if it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether a parameter is set to what Go reads as true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|(key, value)| key == name && !matches!(value.as_str(), "0" | "false"))
    }

    /// A number; `None` if it is missing.
    ///
    /// # Errors
    /// 400 for what is none.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Refusal::bad_request(format!(
                    "converting (\"{name}\") to number: strconv.ParseInt: parsing {text:?}: invalid syntax"
                ))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let query = Query::parse("watch=1&labelSelector=a%2Fb%3Dc&limit=5&x=no&f=false");
        assert!(query.flag("watch") && !query.flag("f") && !query.flag("missing"));
        assert_eq!(query.text("labelSelector"), "a/b=c");
        assert_eq!(query.number("limit").unwrap(), Some(5_usize));
        assert_eq!(query.number::<u64>("missing").unwrap(), None);
        assert_eq!(query.number::<u64>("x").unwrap_err().code, 400);
    }
}
