//! Patches of the four kinds.

mod strategic;

use json_patch::Patch as Operations;
use serde_json::Value;

use super::Refusal;
use super::decode;

/// A patch that has been read.
#[derive(Debug)]
pub(super) enum Patch {
    /// RFC 6902.
    Operations(Operations),
    /// RFC 7386.
    Merge(Value),
    /// A merge that knows which lists are maps.
    Strategic(Value),
    /// Server-side apply.
    Apply(Value),
}

impl Patch {
    /// Reads a patch of a media type.
    ///
    /// # Errors
    /// 415 for another media type, 400 for what is no patch.
    pub(super) fn read(media_type: &str, body: &[u8]) -> Result<Self, Refusal> {
        match media_type {
            "application/json-patch+json" => {
                let operations = serde_json::from_slice(body);
                operations.map(Self::Operations).map_err(|error| Refusal::bad_request(error.to_string()))
            }
            "application/merge-patch+json" => decode::json(body).and_then(only_object).map(Self::Merge),
            "application/strategic-merge-patch+json" => {
                decode::json(body).and_then(only_object).map(Self::Strategic)
            }
            "application/apply-patch+yaml" => decode::yaml(body).and_then(only_object).map(Self::Apply),
            _ => Err(Refusal::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml, application/apply-patch+cbor",
            )),
        }
    }

    /// Changes an object as the patch says.
    ///
    /// # Errors
    /// 422 for operations that can't be done on it.
    pub(super) fn change(&self, object: &mut Value) -> Result<(), Refusal> {
        match self {
            Self::Operations(operations) => json_patch::patch(object, operations).map_err(|error| {
                Refusal::new(
                    422,
                    "Invalid",
                    format!("the server rejected our request due to an error in our request: {error}"),
                )
            })?,
            Self::Merge(patch) => json_patch::merge(object, patch),
            // What is applied is merged in by the keys of lists: fields have no owners here, so a field that an earlier
            // configuration had and this one lacks stays.
            Self::Strategic(patch) | Self::Apply(patch) => strategic::merge(object, patch),
        }
        Ok(())
    }
}

fn only_object(patch: Value) -> Result<Value, Refusal> {
    if patch.is_object() {
        Ok(patch)
    } else {
        Err(Refusal::bad_request(
            "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}",
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_changes_an_object() {
        let base = json!({"a": {"b": 1}, "l": [1]});
        for (media_type, body, expected) in [
            (
                "application/json-patch+json",
                r#"[{"op": "replace", "path": "/a/b", "value": 2}]"#,
                json!({"a": {"b": 2}, "l": [1]}),
            ),
            ("application/merge-patch+json", r#"{"a": null, "l": [2]}"#, json!({"l": [2]})),
            (
                "application/strategic-merge-patch+json",
                r#"{"a": {"c": 3}}"#,
                json!({"a": {"b": 1, "c": 3}, "l": [1]}),
            ),
            ("application/apply-patch+yaml", "a: {c: 3}", json!({"a": {"b": 1, "c": 3}, "l": [1]})),
        ] {
            let mut object = base.clone();
            Patch::read(media_type, body.as_bytes()).unwrap().change(&mut object).unwrap();
            assert_eq!(object, expected, "{media_type}");
        }
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        assert_eq!(Patch::read("application/json", b"{}").unwrap_err().code, 415);
        assert_eq!(Patch::read("application/merge-patch+json", b"[]").unwrap_err().code, 400);
        let test = br#"[{"op": "test", "path": "/a", "value": 2}]"#;
        let patch = Patch::read("application/json-patch+json", test).unwrap();
        assert_eq!(patch.change(&mut json!({"a": 1})).unwrap_err().code, 422);
    }
}
