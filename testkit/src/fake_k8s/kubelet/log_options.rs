//! What is asked of a log, and what of that is refused.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::serve::Query;
use crate::fake_k8s::Refusal;

/// What a request for a log says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LogQuery {
    pub(super) follow: bool,
    pub(super) previous: bool,
    pub(super) timestamps: bool,
    pub(super) since: Option<Timestamp>,
    pub(super) tail: Option<usize>,
    pub(super) limit_bytes: Option<usize>,
}

impl LogQuery {
    /// `pod` is whose log it is.
    pub(super) fn parse(query: &Query, pod: &str, now: Timestamp) -> Result<Self, Refusal> {
        let invalid = |reason: &str, field: &str, message: String| {
            let causes = json!([{"reason": reason, "message": message, "field": field}]);
            Refusal {
                details: Some(json!({"name": pod, "kind": "PodLogOptions", "causes": causes})),
                ..Refusal::new(
                    422,
                    "Invalid",
                    format!("PodLogOptions {pod:?} is invalid: {field}: {message}"),
                )
            }
        };
        let number = |name: &str| -> Result<Option<i64>, Refusal> {
            let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
            let parsed = text.parse().map_err(|_| {
                Refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
            })?;
            Ok(Some(parsed))
        };
        let at_least = |name: &str, least: i64| -> Result<Option<i64>, Refusal> {
            match number(name)? {
                Some(value) if value < least => {
                    let bound = if least == 0 {
                        "must be greater than or equal to 0"
                    } else {
                        "must be greater than 0"
                    };
                    Err(invalid("FieldValueInvalid", name, format!("Invalid value: {value}: {bound}")))
                }
                value => Ok(value),
            }
        };
        if query.get("stream").is_some_and(|stream| stream != "All") {
            let words = "Forbidden: may not be specified".to_owned();
            return Err(invalid("FieldValueForbidden", "stream", words));
        }
        let tail = at_least("tailLines", 0)?;
        let limit = at_least("limitBytes", 1)?;
        let seconds = at_least("sinceSeconds", 1)?;
        let time = query.get("sinceTime").filter(|text| !text.is_empty());
        if seconds.is_some() && time.is_some() {
            let words = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned();
            return Err(invalid("FieldValueForbidden", "sinceSeconds", words));
        }
        let since = match (seconds, time) {
            (Some(seconds), _) => now.saturating_sub(SignedDuration::from_secs(seconds)).ok(),
            (None, Some(text)) => Some(text.parse().map_err(|_| {
                Refusal::bad_request(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\""))
            })?),
            (None, None) => None,
        };
        let size = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
        Ok(Self {
            follow: query.is("follow"),
            previous: query.is("previous"),
            timestamps: query.is("timestamps"),
            since,
            tail: size(tail),
            limit_bytes: size(limit),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LogQuery, Refusal> {
        LogQuery::parse(&Query::parse(text), "rec2", "2026-01-01T00:01:00Z".parse().unwrap())
    }

    #[test]
    fn options_are_read() {
        let got = parse("follow=true&tailLines=2&limitBytes=9&timestamps=1&sinceSeconds=60").unwrap();
        let since = Some("2026-01-01T00:00:00Z".parse().unwrap());
        let want = LogQuery {
            follow: true,
            previous: false,
            timestamps: true,
            since,
            tail: Some(2),
            limit_bytes: Some(9),
        };
        assert_eq!(got, want);
        assert_eq!(parse("sinceTime=2026-01-01T00%3A00%3A00Z").unwrap().since, since);
    }

    #[test]
    fn refusals_are_the_recorded_ones() {
        let refusal = parse("stream=Stderr").unwrap_err();
        assert_eq!(
            refusal.message,
            "PodLogOptions \"rec2\" is invalid: stream: Forbidden: may not be specified"
        );
        assert_eq!((refusal.code, refusal.reason), (422, "Invalid"));
        let causes = &refusal.details.unwrap()["causes"];
        assert_eq!(causes[0]["reason"], "FieldValueForbidden");
        for (query, code) in
            [("tailLines=-1", 422), ("limitBytes=0", 422), ("tailLines=x", 400), ("sinceTime=x", 400)]
        {
            assert_eq!(parse(query).unwrap_err().code, code, "{query}");
        }
        assert_eq!(parse("sinceTime=2026-01-01T00%3A00%3A00Z&sinceSeconds=1").unwrap_err().code, 422);
    }
}
