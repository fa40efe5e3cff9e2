//! Quantities in objects: read, and compared.

use serde_json::Value;

/// Makes every quantity of an object a text; the error is the real server's words for one that is none.
pub(super) fn tidy(object: &mut Value) -> Result<(), String> {
    let Some(fields) = object.as_object_mut() else { return Ok(()) };
    for (key, value) in fields {
        match value {
            Value::Object(amounts) if matches!(key.as_str(), "limits" | "requests" | "overhead") => {
                amounts.values_mut().try_for_each(tidy_one)?;
            }
            Value::Array(items) => items.iter_mut().try_for_each(tidy)?,
            value if key == "sizeLimit" => tidy_one(value)?,
            value => tidy(value)?,
        }
    }
    Ok(())
}

fn tidy_one(value: &mut Value) -> Result<(), String> {
    if let Value::Number(number) = value {
        *value = number.to_string().into();
    }
    match &*value {
        Value::String(text) => parse(text).map(drop).ok_or_else(|| {
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .to_owned()
        }),
        Value::Null => Ok(()),
        other => Err(format!("json: cannot unmarshal {other} into Go value of type resource.Quantity")),
    }
}

/// A quantity as a number; `None` for what is none. Exact enough to compare.
pub(super) fn parse(text: &str) -> Option<f64> {
    let digits =
        text.find(|letter: char| !matches!(letter, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024_f64.powi(2),
        "Gi" => 1024_f64.powi(3),
        "Ti" => 1024_f64.powi(4),
        "Pi" => 1024_f64.powi(5),
        "Ei" => 1024_f64.powi(6),
        exponent => 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities() {
        for (text, number) in [
            ("1", 1.0),
            ("500m", 0.5),
            ("64Mi", 67_108_864.0),
            ("1e3", 1000.0),
            ("-1", -1.0),
            ("0.5k", 500.0),
        ] {
            assert_eq!(parse(text), Some(number), "{text}");
        }
        for text in ["", "Mi", "12Q", "1.2.3", "1 Mi", "ten", "1e"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_become_texts() {
        let mut object = json!({"spec": {"containers": [{"resources": {"limits": {"cpu": 2}}}]}});
        tidy(&mut object).unwrap();
        assert_eq!(object["spec"]["containers"][0]["resources"]["limits"]["cpu"], "2");
        assert!(tidy(&mut json!({"limits": {"cpu": "x"}})).is_err());
        assert!(tidy(&mut json!({"limits": {"cpu": []}})).is_err());
    }
}
