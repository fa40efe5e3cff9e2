//! Label selectors: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.

use serde_json::Value;

/// One term of a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Requirement {
    pub(super) fn fits(&self, labels: &Value) -> bool {
        let value = labels[&self.key].as_str();
        let is_one_of = |values: &[String]| value.is_some_and(|value| values.iter().any(|one| one == value));
        match &self.operator {
            Operator::Exists => value.is_some(),
            Operator::Missing => value.is_none(),
            Operator::In(values) => is_one_of(values),
            // What lacks the label fits, too.
            Operator::NotIn(values) => !is_one_of(values),
        }
    }
}

/// Reads a label selector; the error is the server's words.
pub(super) fn parse(selector: &str) -> Result<Vec<Requirement>, String> {
    terms(selector).into_iter().map(requirement).collect()
}

/// Splits at commas outside parentheses.
fn terms(selector: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    selector
        .split(move |letter| {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .collect()
}

fn requirement(term: &str) -> Result<Requirement, String> {
    let (key, operator) = if let Some(key) = term.strip_prefix('!') {
        (key, Operator::Missing)
    } else if let Some((key, value)) = term.split_once("!=") {
        (key, Operator::NotIn(vec![value.trim().to_owned()]))
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (key, Operator::In(vec![value.trim().to_owned()]))
    } else if let Some((key, list)) = term.split_once(" notin") {
        (key, Operator::NotIn(values(list)?))
    } else if let Some((key, list)) = term.split_once(" in") {
        (key, Operator::In(values(list)?))
    } else {
        (term, Operator::Exists)
    };
    let key = key.trim();
    if key.is_empty() || key.contains([' ', '(', ')']) {
        return Err(format!("unable to parse requirement: found '{term}', expected: identifier"));
    }
    Ok(Requirement { key: key.to_owned(), operator })
}

fn values(list: &str) -> Result<Vec<String>, String> {
    let inner = list.trim().strip_prefix('(').and_then(|list| list.strip_suffix(')'));
    let inner = inner.ok_or_else(|| format!("unable to parse requirement: found '{list}' expected: '('"))?;
    Ok(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_choose_by_labels() {
        let labels = json!({"a": "1", "example.dev/b": "x"});
        for (selector, fits) in [
            ("", true),
            ("a=1", true),
            ("a==1,example.dev/b=x", true),
            ("a=2", false),
            ("a!=2", true),
            ("none!=2", true),
            ("a in (1, 2),example.dev/b", true),
            ("a in (2)", false),
            ("a notin (2,3)", true),
            ("none notin (1)", true),
            ("!a", false),
            ("!none", true),
            ("none", false),
        ] {
            let terms = parse(selector).unwrap();
            assert_eq!(terms.iter().all(|term| term.fits(&labels)), fits, "{selector}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for selector in ["=1", "a in 1", "a b", "!"] {
            assert!(parse(selector).is_err(), "{selector}");
        }
    }
}
