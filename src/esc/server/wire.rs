//! Values, expressions and diagnostics as JSON.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::problem::Problem;
use crate::esc::eval::{
    Content, Diagnostic, Expr, ExprKind, Position, PropertyPath, Range, Segment, Severity, Value,
};

/// A value with its marks, at every level: `{"value": …, "secret": true, "trace": {…}}`. Null has no
/// `value`, as in the cloud.
pub(super) struct Wrapped<'a>(pub(super) &'a Value);

impl Serialize for Wrapped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        let mut map = serializer.serialize_map(None)?;
        if value.content != Content::Null {
            map.serialize_entry("value", &Bare(&value.content))?;
        }
        if value.secret {
            map.serialize_entry("secret", &true)?;
        }
        if value.unknown {
            map.serialize_entry("unknown", &true)?;
        }
        map.serialize_entry("trace", &json!({"def": range(&value.def)}))?;
        map.end()
    }
}

struct Bare<'a>(&'a Content);

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Content::Null => serializer.serialize_unit(),
            Content::Bool(value) => serializer.serialize_bool(*value),
            Content::Number(text) => match RawValue::from_string(text.clone()) {
                Ok(number) => number.serialize(serializer),
                Err(_) => serializer.serialize_str(text),
            },
            // What is no UTF-8 is replaced, as in the cloud: JSON cannot carry it.
            Content::String(text) => {
                serializer.serialize_str(&String::from_utf8_lossy(text.expose()))
            }
            Content::List(elements) => {
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    list.serialize_element(&Wrapped(element))?;
                }
                list.end()
            }
            Content::Object(members) => Properties(members).serialize(serializer),
        }
    }
}

/// Members of an object or of a whole environment.
pub(super) struct Properties<'a>(pub(super) &'a BTreeMap<String, Value>);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, Wrapped(value))))
    }
}

/// An answer in JSON.
pub(super) fn answer(body: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(error = %error, "Failed to encode an answer");
        Problem::internal()
    })?;
    Ok(([(CONTENT_TYPE, "application/json")], Body::from(text)).into_response())
}

pub(super) fn diagnostics(diagnostics: &[Diagnostic]) -> Json {
    let one = |diagnostic: &Diagnostic| {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let mut json = json!({"summary": diagnostic.summary, "severity": severity});
        if !diagnostic.path.is_empty() {
            json["path"] = json!(diagnostic.path);
        }
        if let Some(place) = &diagnostic.range {
            json["range"] = range(place);
        }
        json
    };
    diagnostics.iter().map(one).collect()
}

/// The name is there even if it is empty: Pulumi's Python client refuses a range without one.
fn range(range: &Range) -> Json {
    json!({
        "environment": range.environment,
        "begin": position(range.begin),
        "end": position(range.end),
    })
}

fn position(position: Position) -> Json {
    json!({"line": position.line, "column": position.column, "byte": position.byte})
}

/// Expressions by key, in the shape in which the CLI looks up where something is defined.
pub(super) fn expressions(expressions: &BTreeMap<String, Expr>) -> Json {
    expressions
        .iter()
        .map(|(key, expr)| (key.clone(), expression(expr)))
        .collect()
}

fn expression(expr: &Expr) -> Json {
    let mut json = json!({"range": range(&expr.range)});
    match &expr.kind {
        ExprKind::Null => {}
        ExprKind::Bool(value) => json["literal"] = json!(value),
        ExprKind::Number(text) => {
            json["literal"] = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        }
        ExprKind::String(text) => json["literal"] = json!(text),
        ExprKind::Interpolate(parts) => {
            let parts = parts.iter().map(|(text, reference)| match reference {
                Some(path) => json!({"text": text, "value": accessors(path)}),
                None => json!({"text": text}),
            });
            json["interpolate"] = parts.collect();
        }
        ExprKind::Symbol(path) => json["symbol"] = accessors(path),
        ExprKind::List(elements) => json["list"] = elements.iter().map(expression).collect(),
        ExprKind::Object(members) => {
            let keys = members.iter();
            json["keyRanges"] = keys
                .map(|(key, (place, _))| (key.clone(), range(place)))
                .collect();
            let members = members.iter();
            json["object"] = members
                .map(|(key, (_, expr))| (key.clone(), expression(expr)))
                .collect();
        }
        ExprKind::Builtin {
            name,
            name_range,
            argument,
        } => {
            json["builtin"] = json!({
                "name": name,
                "nameRange": range(name_range),
                "argSchema": true,
                "arg": expression(argument),
            });
        }
    }
    json
}

fn accessors(path: &PropertyPath) -> Json {
    let one = |segment: &Segment| match segment {
        Segment::Key(key) => json!({"key": key, "range": range(&Range::default())}),
        Segment::Index(index) => json!({"index": index, "range": range(&Range::default())}),
    };
    path.segments().iter().map(one).collect()
}
