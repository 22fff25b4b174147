//! The shapes of builtin calls.

use std::rc::Rc;

use super::ast::{Id, Kind, Object, Parser};
use crate::secret::SecretBytes;

/// A builtin with its operands; the whole argument is kept by the call.
#[derive(Debug)]
pub(super) enum Function {
    /// The call is malformed and has been reported.
    Broken,
    /// A plaintext; `None` stands for one that is no literal and has been reported.
    Secret(Option<Id>),
    Ciphertext(Rc<SecretBytes>),
    Open {
        provider: String,
        inputs: Id,
    },
    Rotate {
        provider: String,
        inputs: Id,
    },
    Concat,
    Join {
        delimiter: Id,
        values: Id,
    },
    Split {
        delimiter: Id,
        text: Id,
    },
    ToJson,
    FromJson,
    ToString,
    ToBase64,
    FromBase64,
    Validate {
        schema: Id,
        value: Id,
    },
    Final,
}

impl Function {
    /// Whether this is `fn::final`, which references see through.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Final)
    }
}

/// Whether `name` is a builtin.
pub(super) fn is_known(name: &str) -> bool {
    name.starts_with("fn::open::")
        || name.starts_with("fn::rotate::")
        || matches!(
            name,
            "fn::secret"
                | "fn::open"
                | "fn::rotate"
                | "fn::concat"
                | "fn::join"
                | "fn::split"
                | "fn::toJSON"
                | "fn::fromJSON"
                | "fn::toString"
                | "fn::toBase64"
                | "fn::fromBase64"
                | "fn::validate"
                | "fn::final"
        )
}

/// Reads the operands of the call to `name` out of its argument.
pub(super) fn parse(parser: &mut Parser, name: &str, argument: Id) -> Function {
    match name {
        "fn::secret" => secret(parser, argument),
        "fn::concat" => Function::Concat,
        "fn::join" => match pair(parser, name, argument) {
            Some((delimiter, values)) => Function::Join { delimiter, values },
            None => Function::Broken,
        },
        "fn::split" => match pair(parser, name, argument) {
            Some((delimiter, text)) => Function::Split { delimiter, text },
            None => Function::Broken,
        },
        "fn::toJSON" => Function::ToJson,
        "fn::fromJSON" => Function::FromJson,
        "fn::toString" => Function::ToString,
        "fn::toBase64" => Function::ToBase64,
        "fn::fromBase64" => Function::FromBase64,
        "fn::final" => Function::Final,
        "fn::validate" => validate(parser, argument),
        "fn::open" => open(parser, argument),
        "fn::rotate" => rotate(parser, argument),
        _ => match (
            name.strip_prefix("fn::open::"),
            name.strip_prefix("fn::rotate::"),
        ) {
            (Some(provider), _) => Function::Open {
                provider: provider.to_owned(),
                inputs: argument,
            },
            (_, Some(provider)) => short_rotate(parser, provider, argument),
            _ => Function::Broken,
        },
    }
}

fn secret(parser: &mut Parser, argument: Id) -> Function {
    match parser.kind(argument) {
        Kind::String(_) => return Function::Secret(Some(argument)),
        Kind::Object(object) if object.entries.len() == 1 => {
            if let Some(Kind::String(text)) = member(object, "ciphertext").map(|id| parser.kind(id))
            {
                return Function::Ciphertext(Rc::clone(text));
            }
        }
        _ => {}
    }
    parser.error(argument, "secret values must be string literals");
    Function::Secret(None)
}

fn pair(parser: &mut Parser, name: &str, argument: Id) -> Option<(Id, Id)> {
    if let Kind::List(elements) = parser.kind(argument)
        && let [first, second] = elements.as_slice()
    {
        return Some((*first, *second));
    }
    let summary = format!("the argument to {name} must be a two-valued list");
    parser.error(argument, &summary);
    None
}

fn validate(parser: &mut Parser, argument: Id) -> Function {
    if let Kind::Object(object) = parser.kind(argument)
        && let (Some(schema), Some(value)) = (member(object, "schema"), member(object, "value"))
    {
        return Function::Validate { schema, value };
    }
    parser.error(
        argument,
        "the argument to fn::validate must be an object containing 'schema' and 'value'",
    );
    Function::Broken
}

/// Looks up operands by name; `None` with a report if the argument is no object.
fn operands<const N: usize>(
    parser: &mut Parser,
    argument: Id,
    names: [&str; N],
    summary: &str,
) -> Option<[Option<Id>; N]> {
    if let Kind::Object(object) = parser.kind(argument) {
        return Some(names.map(|name| member(object, name)));
    }
    parser.error(argument, summary);
    None
}

fn open(parser: &mut Parser, argument: Id) -> Function {
    let summary = "the argument to fn::open must be an object containing 'provider' and 'inputs'";
    let Some([provider, inputs]) = operands(parser, argument, ["provider", "inputs"], summary)
    else {
        return Function::Broken;
    };
    let provider = provider_name(parser, argument, provider);
    let inputs = required_inputs(parser, argument, inputs);
    match (provider, inputs) {
        (Some(provider), Some(inputs)) => Function::Open { provider, inputs },
        _ => Function::Broken,
    }
}

fn rotate(parser: &mut Parser, argument: Id) -> Function {
    let summary =
        "the argument to fn::rotate must be an object containing 'provider', 'inputs' and 'state'";
    let names = ["provider", "inputs", "state"];
    let Some([provider, inputs, state]) = operands(parser, argument, names, summary) else {
        return Function::Broken;
    };
    let provider = provider_name(parser, argument, provider);
    let inputs = required_inputs(parser, argument, inputs);
    let sound = literal_state(parser, state);
    match (provider, inputs) {
        (Some(provider), Some(inputs)) if sound => Function::Rotate { provider, inputs },
        _ => Function::Broken,
    }
}

fn short_rotate(parser: &mut Parser, provider: &str, argument: Id) -> Function {
    let summary = "the argument to fn::rotate must be an object containing 'inputs' and 'state'";
    let Some([inputs, state]) = operands(parser, argument, ["inputs", "state"], summary) else {
        return Function::Broken;
    };
    let inputs = required_inputs(parser, argument, inputs);
    let sound = literal_state(parser, state);
    match inputs {
        Some(inputs) if sound => Function::Rotate {
            provider: provider.to_owned(),
            inputs,
        },
        _ => Function::Broken,
    }
}

fn provider_name(parser: &mut Parser, argument: Id, provider: Option<Id>) -> Option<String> {
    let Some(provider) = provider else {
        parser.error(argument, "missing provider name ('provider')");
        return None;
    };
    if let Kind::String(name) = parser.kind(provider) {
        return name.expose_str().map(str::to_owned);
    }
    parser.error(provider, "provider name must be a string literal");
    None
}

fn required_inputs(parser: &mut Parser, argument: Id, inputs: Option<Id>) -> Option<Id> {
    if inputs.is_none() {
        parser.error(argument, "missing provider inputs ('inputs')");
    }
    inputs
}

fn literal_state(parser: &mut Parser, state: Option<Id>) -> bool {
    let Some(state) = state else {
        return true;
    };
    let sound = matches!(parser.kind(state), Kind::Object(_));
    if !sound {
        parser.error(state, "rotation state must be an object literal");
    }
    sound
}

fn member(object: &Object, name: &str) -> Option<Id> {
    object.members.get(name).copied()
}
