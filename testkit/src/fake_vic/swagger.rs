//! Exchanges held against the description of the port layer's API (Swagger 2.0).
//!
//! The real server is not true to its description, and the fake follows the server. So these are no problems: a handle, which is
//! described as an object, is a string; arrays are null; bodies of errors are missing; the state of a handle is shown by other
//! names than it is asked for by; answers of the framework itself, such as 422, are described nowhere.

use std::io;
use std::path::Path;

use serde_json::{Map, Value};
use url::form_urlencoded;

use super::Exchange;

/// The statuses that the framework answers with by itself, whatever the operation.
const FRAMEWORK: [u16; 6] = [400, 404, 405, 415, 422, 501];
/// Those of them that say that the request is not as it is described.
const BAD_REQUEST: [u16; 3] = [400, 415, 422];
/// The one pattern that parameters have.
const NAME_PATTERN: &str = "/?[a-zA-Z0-9_-]+";

/// A description of an API.
#[derive(Debug, Clone)]
pub struct Description(Value);

/// An operation of it, with what its path says.
struct Described<'a> {
    /// Parameters of the path and of the operation.
    parameters: Vec<&'a Value>,
    responses: &'a Map<String, Value>,
    tells_json: bool,
}

impl Description {
    /// Reads it from a file.
    ///
    /// # Errors
    /// When there is none, or it is no JSON.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self(serde_json::from_slice(&std::fs::read(path)?)?))
    }

    /// The description beside the workspace, if it is there; otherwise says so.
    #[must_use]
    pub fn beside_the_workspace() -> Option<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vic/portlayer-swagger.json");
        let read = Self::read(&path);
        if let Err(error) = &read {
            println!("no description at {}: nothing was compared: {error}", path.display());
        }
        read.ok()
    }

    /// What of an exchange is not as it is described.
    #[must_use]
    pub fn problems(&self, exchange: &Exchange) -> Vec<String> {
        let mut told = Vec::new();
        let refused = |by: &[u16]| exchange.status.is_some_and(|status| by.contains(&status));
        match self.operation(&exchange.method, &exchange.path) {
            None if refused(&FRAMEWORK) => {}
            None => told.push("no such operation".to_owned()),
            Some(operation) => {
                if !refused(&BAD_REQUEST) {
                    self.request(&operation, exchange, &mut told);
                }
                if let Some(status) = exchange.status.filter(|_| !exchange.injected) {
                    self.answer(&operation, status, exchange.answer.as_ref(), &mut told);
                }
            }
        }
        told.into_iter().map(|problem| format!("{exchange:?}: {problem}")).collect()
    }

    /// The operation with the most fixed segments of those that fit.
    fn operation(&self, method: &str, path: &str) -> Option<Described<'_>> {
        let method = method.to_ascii_lowercase();
        let all = self.0["paths"].as_object()?;
        let fitting =
            all.iter().filter(|(template, item)| fits(template, path) && item.get(&method).is_some());
        let (_, item) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
        let operation = &item[method.as_str()];
        let mut parameters = Vec::new();
        for source in [item, operation] {
            let given = source["parameters"].as_array().into_iter().flatten();
            parameters.extend(given.map(|parameter| self.resolve(parameter)));
        }
        let tells = operation["produces"].as_array();
        Some(Described {
            parameters,
            responses: operation["responses"].as_object()?,
            tells_json: tells.is_none_or(|types| types.iter().any(|it| it == "application/json")),
        })
    }

    fn request(&self, operation: &Described<'_>, exchange: &Exchange, told: &mut Vec<String>) {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(exchange.query.as_bytes()).into_owned().collect();
        let named = |place: &'static str| {
            operation.parameters.iter().filter(move |parameter| parameter["in"] == place)
        };
        for parameter in named("query") {
            let name = parameter["name"].as_str().unwrap_or_default();
            match query.iter().find(|(key, _)| key == name) {
                Some((_, value)) => parameter_value(parameter, name, value, told),
                None if parameter["required"] == true => told.push(format!("query {name} is missing")),
                None => {}
            }
        }
        for (key, _) in &query {
            if !named("query").any(|parameter| parameter["name"] == key.as_str()) {
                told.push(format!("query {key} is not described"));
            }
        }
        match (named("body").next(), &exchange.request) {
            (Some(parameter), Some(body)) => self.value(&parameter["schema"], body, "body", false, told),
            (Some(parameter), None) if parameter["required"] == true => {
                told.push("the body is missing".to_owned());
            }
            (None, Some(_)) => told.push("a body is not described".to_owned()),
            _ => {}
        }
    }

    fn answer(&self, operation: &Described<'_>, status: u16, answer: Option<&Value>, told: &mut Vec<String>) {
        let described = operation.responses.get(&status.to_string()).or(operation.responses.get("default"));
        let schema = described.and_then(|response| response.get("schema"));
        match (described, schema, answer) {
            // The framework's own.
            (None, _, Some(body)) if FRAMEWORK.contains(&status) => {
                let error = &self.0["definitions"]["Error"];
                self.value(error, body, "answer", true, told);
            }
            (None, ..) => told.push(format!("status {status} is not described")),
            (_, Some(schema), Some(body)) => self.value(schema, body, "answer", true, told),
            (_, None, Some(_)) => told.push("a body of the answer is not described".to_owned()),
            (_, Some(_), None) if status < 400 && operation.tells_json => {
                told.push("the answer has no body".to_owned());
            }
            _ => {}
        }
    }

    fn value(&self, schema: &Value, value: &Value, path: &str, is_answer: bool, told: &mut Vec<String>) {
        let schema = self.resolve(schema);
        let wrong = |told: &mut Vec<String>, what: &str| told.push(format!("{path}: {value} is no {what}"));
        match (schema["type"].as_str().unwrap_or_default(), value) {
            ("object", Value::Object(map)) => self.object(schema, map, path, is_answer, told),
            ("object", Value::String(_)) if is_opaque(schema) => {}
            ("array", Value::Null) => {}
            ("array", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{path}[{index}]"), is_answer, told);
                }
            }
            ("string", Value::String(text)) => {
                let names = schema["enum"].as_array().filter(|_| !is_answer);
                if names.is_some_and(|names| !names.iter().any(|name| name == text.as_str())) {
                    wrong(told, "such name");
                }
            }
            ("integer", Value::Number(number)) if number.is_i64() => {
                let is_short = schema["format"] == "int32";
                if is_short && number.as_i64().is_some_and(|number| i32::try_from(number).is_err()) {
                    wrong(told, "int32");
                }
            }
            ("boolean", Value::Bool(_)) => {}
            ("", _) => {}
            (kind, _) => wrong(told, kind),
        }
    }

    fn object(
        &self,
        schema: &Value,
        map: &Map<String, Value>,
        path: &str,
        is_answer: bool,
        told: &mut Vec<String>,
    ) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                told.push(format!("{path}.{name} is missing"));
            }
        }
        for (key, value) in map {
            let path = format!("{path}.{key}");
            match (schema["properties"].get(key), schema.get("additionalProperties")) {
                (Some(property), _) => self.value(property, value, &path, is_answer, told),
                (None, Some(others)) => self.value(others, value, &path, is_answer, told),
                (None, None) => told.push(format!("{path} is not described")),
            }
        }
    }

    /// What a reference stands for.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let pointed = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        pointed.and_then(|pointer| self.0.pointer(pointer)).unwrap_or(value)
    }
}

/// An object of which nothing is said: a handle.
fn is_opaque(schema: &Value) -> bool {
    schema.get("properties").is_none() && schema.get("additionalProperties").is_none()
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == found => {}
            (Some(wanted), Some(found)) if wanted.starts_with('{') && !found.is_empty() => {}
            _ => return false,
        }
    }
}

fn parameter_value(parameter: &Value, name: &str, value: &str, told: &mut Vec<String>) {
    let good = match parameter["type"].as_str().unwrap_or_default() {
        "integer" if parameter["format"] == "int32" => value.parse::<i32>().is_ok(),
        "integer" => value.parse::<i64>().is_ok(),
        "boolean" => matches!(value, "true" | "false"),
        _ => true,
    };
    if !good {
        told.push(format!("query {name}: {value:?} is no {}", parameter["type"]));
    }
    match parameter["pattern"].as_str() {
        None => {}
        Some(NAME_PATTERN) => {
            let name_part = value.strip_prefix('/').unwrap_or(value);
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            if name_part.is_empty() || !name_part.bytes().all(letter) {
                told.push(format!("query {name}: {value:?} does not match"));
            }
        }
        Some(pattern) => told.push(format!("query {name}: the pattern {pattern} is not known here")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn description() -> Description {
        Description(json!({
            "parameters": {"op": {"in": "header", "name": "Op-ID", "type": "string"}},
            "paths": {
                "/things/list": {"get": {"responses": {"200": {"schema": {"type": "array", "items": {"$ref": "#/definitions/Thing"}}}}}},
                "/things/{id}": {
                    "parameters": [{"$ref": "#/parameters/op"}],
                    "get": {"responses": {"200": {"schema": {"type": "string"}}, "404": {}}},
                    "put": {
                        "parameters": [
                            {"in": "query", "name": "wait", "type": "integer", "format": "int32", "required": true},
                            {"in": "body", "name": "thing", "required": true, "schema": {"$ref": "#/definitions/Thing"}},
                        ],
                        "responses": {"200": {}, "default": {"schema": {"$ref": "#/definitions/Error"}}},
                    },
                },
            },
            "definitions": {
                "Error": {"type": "object", "required": ["message"], "properties": {"code": {"type": "integer"}, "message": {"type": "string"}}},
                "Thing": {"type": "object", "required": ["handle"], "properties": {
                    "handle": {"type": "object"},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "words": {"type": "array", "items": {"type": "string"}},
                    "notes": {"type": "object", "additionalProperties": {"type": "string"}},
                }},
            },
        }))
    }

    fn exchange(
        method: &str,
        target: &str,
        request: Option<Value>,
        status: u16,
        answer: Option<Value>,
    ) -> Exchange {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Exchange {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            request,
            status: Some(status),
            answer,
            injected: false,
        }
    }

    #[test]
    fn what_is_described_is_no_problem() {
        for good in [
            exchange("GET", "/things/list", None, 200, Some(json!([{"handle": "h", "words": null}]))),
            exchange("GET", "/things/x", None, 200, Some(json!("h"))),
            exchange("GET", "/things/x", None, 404, None),
            exchange(
                "PUT",
                "/things/x?wait=3",
                Some(json!({"handle": "h", "kind": "a", "notes": {"x": "y"}})),
                200,
                None,
            ),
            exchange(
                "PUT",
                "/things/x?wait=3",
                Some(json!({"handle": "h"})),
                503,
                Some(json!({"message": "no"})),
            ),
            exchange(
                "PUT",
                "/things/x",
                None,
                422,
                Some(json!({"code": 602, "message": "wait in query is required"})),
            ),
            exchange("GET", "/nothing", None, 404, Some(json!({"code": 404, "message": "path"}))),
        ] {
            assert_eq!(description().problems(&good), Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_not_described_is_one() {
        let put = |target: &str, body: Value| exchange("PUT", target, Some(body), 200, None);
        for (bad, words) in [
            (exchange("GET", "/things/list", None, 200, Some(json!([{}]))), "handle is missing"),
            (exchange("GET", "/things/list", None, 200, None), "has no body"),
            (exchange("GET", "/things/x", None, 200, Some(json!(5))), "is no string"),
            (exchange("GET", "/things/x", None, 500, None), "status 500"),
            (exchange("GET", "/things/x?y=1", None, 404, None), "query y"),
            (put("/things/x", json!({"handle": "h"})), "wait is missing"),
            (put("/things/x?wait=x", json!({"handle": "h"})), "wait"),
            (put("/things/x?wait=1", json!({"handle": "h", "kind": "c"})), "such name"),
            (put("/things/x?wait=1", json!({"handle": "h", "typo": 1})), "typo is not described"),
            (put("/things/x?wait=1", json!({"handle": "h", "notes": {"x": 1}})), "is no string"),
            (exchange("PUT", "/things/x?wait=1", None, 200, None), "the body is missing"),
            (exchange("GET", "/nothing", None, 200, None), "no such operation"),
        ] {
            let problems = description().problems(&bad);
            assert!(problems.iter().any(|problem| problem.contains(words)), "{words}: {problems:?}");
        }
    }

    #[test]
    fn what_a_fault_has_answered_is_not_looked_at() {
        let injected = Exchange { injected: true, ..exchange("GET", "/things/x", None, 500, None) };
        assert!(description().problems(&injected).is_empty());
    }
}
