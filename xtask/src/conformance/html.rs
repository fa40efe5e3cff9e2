//! The report for people: one page, nothing loaded from elsewhere.

use std::fmt::Write;

use super::report::{Outcome, Record, Totals};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem}table{border-collapse:collapse}\
    th,td{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}\
    td.ms{text-align:right}.failed{background:#fdd}.skipped{color:#888}pre{margin:0;white-space:pre-wrap}";

/// The page; failed cases come first.
pub(super) fn page(records: &[Record]) -> String {
    let totals = Totals::of(records.iter().map(|record| record.case.outcome));
    let mut sorted: Vec<_> = records.iter().collect();
    sorted.sort_by_key(|record| record.case.outcome != Outcome::Failed);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{totals}</title><style>{STYLE}</style>\
         <h1>Conformance: {totals}</h1>\n<table>\n<tr><th>setup<th>group<th>case<th>outcome<th>ms<th>reason</tr>\n"
    );
    for record in sorted {
        let outcome = match record.case.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Skipped => "skipped",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<tr class=\"{outcome}\"><td>{}<td>{}<td>{}<td>{outcome}<td class=\"ms\">{}<td><pre>{}</pre></tr>",
            escaped(&record.setup),
            escaped(&record.case.group),
            escaped(&record.case.case),
            record.case.milliseconds,
            escaped(record.case.reason.as_deref().unwrap_or_default()),
        );
    }
    page + "</table>\n</html>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_become_markup() {
        assert_eq!(escaped("<b a=\"1\">&"), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
