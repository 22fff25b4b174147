//! sprig's functions for what is empty: `default`, `coalesce`, `ternary`, and `fail`.

use super::Function;
use crate::template::value::{Type, Value};

const A: Type = Type::Any;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new("default", &[A], |args| {
        let given = args.get(1).filter(|value| value.truth());
        Ok(given.unwrap_or(&args[0]).clone())
    })
    .and_more(A),
    Function::new("empty", &[A], |args| Ok((!args[0].truth()).into())),
    Function::new("coalesce", &[], |args| {
        let found = args.iter().find(|value| value.truth());
        Ok(found.cloned().unwrap_or(Value::Nil))
    })
    .and_more(A),
    Function::new("all", &[], |args| Ok(args.iter().all(Value::truth).into())).and_more(A),
    Function::new("any", &[], |args| Ok(args.iter().any(Value::truth).into())).and_more(A),
    Function::new("ternary", &[A, A, Type::Bool], |args| {
        let holds = matches!(args[2], Value::Bool(true));
        Ok(args[usize::from(!holds)].clone())
    }),
    Function::new("fail", &[Type::String], |args| {
        Err(String::from_utf8_lossy(args[0].bytes()).into_owned())
    }),
];
