use rstest::rstest;

use super::tests::{Opener, json, open, opened, summaries};
use super::*;

#[rstest]
#[case("values: [1]", "values must be an object")]
#[case("imports: x", "imports must be a list")]
#[case("imports: [1]", "import must be a string or an object")]
#[case("imports: [{a: {}, b: {}}]", "import must have a single key")]
#[case("[1]", "environment must be an object")]
#[case(
    "a: 1",
    "Field 'a' does not exist on Object 'environment'. Existing fields are: 'values', 'imports', 'description'"
)]
#[case("values: {a: 1}\nvalues: {b: 1}", "duplicate key \"values\"")]
#[case(
    "values: {fn::secret: x}",
    "builtin function call \"fn::secret\" not allowed at the top level"
)]
#[case("values: {context: 1}", "\"context\" is a reserved key")]
#[case("values: {a: 1, a: 2}", "duplicate key \"a\"")]
#[case("values: {a: &x 1, b: *x}", "alias nodes are not supported")]
#[case("values: {a: *x}", "alias nodes are not supported")]
#[case("values: {1: a}", "mapping keys must be strings")]
#[case("values: {true: a}", "mapping keys must be strings")]
#[case("values: {a: {'x${b}': 1}, b: 1}", "object keys must be strings")]
#[case(
    "values: {a: {fn::join: ['', []], b: 1}}",
    "illegal call to builtin function: \"fn::join\" must be the only key within its containing object"
)]
#[case("values: {a: {fn::nope: 1}}", "'fn::' is a reserved prefix")]
#[case("values: {a: {FN::nope: 1}}", "'fn::' is a reserved prefix")]
#[case(
    "values: {a: {fn::secret: 'x${b}'}, b: 1}",
    "secret values must be string literals"
)]
#[case(
    "values: {a: {fn::secret: 12}}",
    "secret values must be string literals"
)]
#[case(
    "values: {a: {fn::join: x}}",
    "the argument to fn::join must be a two-valued list"
)]
#[case(
    "values: {a: {fn::split: [x]}}",
    "the argument to fn::split must be a two-valued list"
)]
#[case(
    "values: {a: {fn::concat: x}}",
    "the argument to fn::concat must be an array of arrays"
)]
#[case(
    "values: {a: {fn::concat: [x]}}",
    "the argument to fn::concat must be an array of arrays"
)]
#[case(
    "values: {a: {fn::validate: x}}",
    "the argument to fn::validate must be an object containing 'schema' and 'value'"
)]
#[case(
    "values: {a: {fn::open: x}}",
    "the argument to fn::open must be an object containing 'provider' and 'inputs'"
)]
#[case(
    "values: {a: {fn::open: {inputs: {}}}}",
    "missing provider name ('provider')"
)]
#[case(
    "values: {a: {fn::open: {provider: '${b}', inputs: {}}}, b: x}",
    "provider name must be a string literal"
)]
#[case(
    "values: {a: {fn::open: {provider: p}}}",
    "missing provider inputs ('inputs')"
)]
#[case(
    "values: {a: {fn::rotate: {provider: p, inputs: {}, state: x}}}",
    "rotation state must be an object literal"
)]
#[case(
    "values: {a: {fn::rotate: x}}",
    "the argument to fn::rotate must be an object containing 'provider', 'inputs' and 'state'"
)]
#[case(
    "values: {a: {fn::rotate::p: x}}",
    "the argument to fn::rotate must be an object containing 'inputs' and 'state'"
)]
#[case("values: {a: '${b'}", "missing closing brace '}' in interpolation")]
#[case("values: {a: '${b[0'}", "subscript is missing closing bracket ']'")]
#[case(
    "values: {a: '${b[\"x'}",
    "key subscript is missing closing quote '\"'"
)]
#[case("values: {a: '${b[\"\"]}'}", "key subscript must not be empty")]
#[case(
    "values: {a: '${b[x]}'}",
    "numeric subscript must be a positive base-10 integer"
)]
#[case(
    "values: {a: '${[0]}'}",
    "the first accessor must be a property name or key subscript, not a numeric subscript"
)]
#[case("values: {a: '${b..c}', b: 1}", "property name must not be empty")]
#[case(
    "values: {name: x, a: '${nme}'}",
    "unknown property \"nme\"; did you mean \"name\"?"
)]
#[case(
    "values: {hostName: x, a: '${host_name}'}",
    "unknown property \"host_name\"; did you mean \"hostName\"?"
)]
#[case("values: {name: x, a: '${zzz}'}", "unknown property \"zzz\"")]
#[case(
    "values: {a: x, b: '${a.c}'}",
    "receiver must be an array or an object"
)]
#[case(
    "values: {a: {fn::secret: x}, b: '${a.c}'}",
    "receiver must be an array or an object"
)]
#[case(
    "values: {a: [x], b: '${a.c}'}",
    "cannot access an array element using a property name"
)]
#[case(
    "values: {a: {x: 1}, b: '${a[0]}'}",
    "cannot access an object property using an integer index"
)]
#[case(
    "values: {a: [x], b: '${a[1]}'}",
    "array index 1 out-of-bounds for array of length 1"
)]
#[case(
    "values: {a: [x], b: '${a[-1]}'}",
    "array indices must not be negative"
)]
#[case("values: {a: '${b}', b: '${a}'}", "cyclic reference to a")]
#[case("values: {a: {fn::join: [1, []]}}", "expected string, got number")]
#[case("values: {a: {fn::join: ['', x]}}", "expected array, got string")]
#[case("values: {a: {fn::toBase64: [x]}}", "expected string, got array")]
#[case(
    "values: {a: {fn::fromBase64: '*'}}",
    "decoding base64 string: illegal base64 data at input byte 0"
)]
#[case(
    "values: {a: {fn::fromJSON: '{'}}",
    "decoding JSON string: EOF while parsing an object at line 1 column 1"
)]
#[case("values: {a: !!int x}", "cannot decode !!str as a !!int")]
#[case("values: {a: [", "yaml: line 1: unclosed bracket '['")]
fn what_is_wrong_is_said(#[case] text: &str, #[case] summary: &str) {
    let evaluation = open(text);
    assert!(
        summaries(&evaluation).contains(&summary),
        "{:?}",
        summaries(&evaluation)
    );
    let expected = if summary.starts_with("Field") || summary == "duplicate key \"values\"" {
        Severity::Warning
    } else {
        Severity::Error
    };
    assert!(
        evaluation
            .diagnostics
            .iter()
            .any(|it| it.severity == expected)
    );
}

#[test]
fn a_diagnostic_says_where() {
    let text = "values:\n  name: x\n  foo:\n    fn::join:\n    - ','\n    - [a, 1]\n  bar:\n  - 'x${nme}'\n  - y${nme}.z\n";
    let evaluation = open(text);
    let found: Vec<_> = evaluation
        .diagnostics
        .iter()
        .map(|it| {
            let range = it.range.as_ref().unwrap();
            let place = |at: Position| (at.line, at.column, at.byte);
            (
                it.summary.as_str(),
                it.path.as_str(),
                place(range.begin),
                place(range.end),
            )
        })
        .collect();
    let unknown = "unknown property \"nme\"; did you mean \"name\"?";
    assert_eq!(
        found,
        [
            (unknown, "values.bar[0]", (8, 5, 73), (8, 12, 80)),
            (unknown, "values.bar[1]", (9, 8, 90), (9, 11, 93)),
            (
                "expected string, got number",
                "values.foo[\"fn::join\"][1][1]",
                (6, 11, 59),
                (6, 12, 60)
            ),
        ]
    );
    assert!(!evaluation.malformed && evaluation.has_errors());
    assert!(open("values: {a: '${'}").malformed);
}

#[test]
fn one_string_reports_several_errors_and_the_rest_is_evaluated() {
    let evaluation = open("values: {a: '${b..[0} ${[\"\"', b: {}, c: 1}");
    assert_eq!(
        summaries(&evaluation)[..3],
        [
            "property name must not be empty",
            "property name must not be empty",
            "subscript is missing closing bracket ']'",
        ]
    );
    assert!(json(&evaluation).contains(r#""c":1"#));
}

#[test]
fn positions_follow_the_style_of_a_scalar() {
    let text = "values:\n  a: |\n    x\n    yy\n  b: 'q''q'\n  é: é x\n  c:\n  - - 1\n    -\n  d: {}\n  z: 1";
    let evaluation = open(text);
    let span = |key: &str| {
        let def = &evaluation.properties[key].def;
        let place = |at: Position| (at.line, at.column, at.byte);
        (place(def.begin), place(def.end))
    };
    assert_eq!(span("a"), ((2, 6, 13), (4, 6, 26)));
    assert_eq!(span("b"), ((5, 6, 33), (5, 9, 36)));
    assert_eq!(span("é"), ((6, 6, 46), (6, 10, 50)));
    assert_eq!(span("c"), ((8, 3, 58), (9, 6, 69)));
    assert_eq!(span("d"), ((10, 6, 75), (10, 6, 75)));
    // The last line has no line break, hence no byte.
    assert_eq!(span("z"), ((11, 6, 0), (11, 7, 0)));
}

#[rstest]
#[case("{type: number}", "x", "expected number, got string")]
#[case("false", "x", "no value is allowed here")]
#[case("{const: y}", "x", "expected \"y\"")]
#[case("{enum: [y, z]}", "x", "expected one of [\"y\",\"z\"]")]
#[case(
    "{anyOf: [{type: number}, {const: y}]}",
    "x",
    "at least one subschema must match"
)]
#[case(
    "{oneOf: [{type: number}, {const: y}]}",
    "x",
    "exactly one subschema must match"
)]
#[case(
    "{oneOf: [{type: string}, {const: x}]}",
    "x",
    "exactly one subschema may match"
)]
#[case(
    "{$ref: '#/$defs/n', $defs: {n: {type: number}}}",
    "x",
    "expected number, got string"
)]
#[case(
    "{$ref: '#/$defs/m', $defs: {n: {type: number}}}",
    "x",
    "invalid schema: unknown reference"
)]
#[case("{minimum: 3}", "2", "expected a number greater than or equal to 3")]
#[case("{exclusiveMinimum: 3}", "3", "expected a number greater than 3")]
#[case("{maximum: 3}", "4", "expected a number less than or equal to 3")]
#[case("{exclusiveMaximum: 3}", "3", "expected a number less than 3")]
#[case("{multipleOf: 2}", "3", "expected a multiple of 2")]
#[case("{minLength: 3}", "é", "expected a string of at least length 3")]
#[case("{maxLength: 1}", "é", "expected a string of at most length 1")]
#[case("{pattern: '^a+$'}", "x", "string must match the pattern \"^a+$\"")]
#[case(
    "{pattern: '('}",
    "x",
    "invalid schema: pattern must be a regular expression"
)]
#[case("{minItems: 2}", "[1]", "expected an array with at least 2 items")]
#[case("{maxItems: 0}", "[1]", "expected an array with at most 0 items")]
#[case(
    "{prefixItems: [{type: string}], items: {type: number}}",
    "[a, b]",
    "expected number, got string"
)]
#[case(
    "{minProperties: 2}",
    "{a: 1}",
    "expected an object with at least 2 properties"
)]
#[case(
    "{maxProperties: 0}",
    "{a: 1}",
    "expected an object with at most 0 properties"
)]
#[case(
    "{properties: {a: {type: string}}}",
    "{a: 1}",
    "expected string, got number"
)]
#[case("{additionalProperties: false}", "{a: 1}", "no value is allowed here")]
#[case("{required: [a, b]}", "{a: 1}", "missing required properties: b")]
#[case(
    "{dependentRequired: {a: [b]}}",
    "{a: 1}",
    "missing required properties: b"
)]
#[case("[]", "x", "invalid schema: a schema must be a boolean or an object")]
fn validation_reports_violations(#[case] schema: &str, #[case] value: &str, #[case] summary: &str) {
    let text = format!("values: {{a: {{fn::validate: {{schema: {schema}, value: {value}}}}}}}");
    let evaluation = open(&text);
    assert_eq!(summaries(&evaluation).last(), Some(&summary));
}

#[test]
fn validation_passes_what_fits() {
    let schema = "{type: object, properties: {a: {type: number, minimum: 1, multipleOf: 0.5}, b: {$ref: '#/$defs/s'}}, required: [a], additionalProperties: false, $defs: {s: {anyOf: [{type: string}, {type: 'null'}]}}}";
    let text = format!(
        "values: {{v: {{fn::validate: {{schema: {schema}, value: {{a: 1.5, b: null}}}}}}}}"
    );
    assert_eq!(opened(&text), r#"{"v":{"a":1.5,"b":null}}"#);
}

/// Each level doubles what the level below makes.
fn doubling(levels: usize, level: impl Fn(usize) -> String) -> String {
    let mut text = "values:\n  a0: [x, y, z]\n".to_owned();
    for number in 1..=levels {
        text.extend([format!("  a{number}: "), level(number - 1), "\n".to_owned()]);
    }
    text
}

#[rstest]
#[case(doubling(60, |below| format!("['${{a{below}}}', '${{a{below}}}']")))]
#[case(doubling(60, |below| format!("'${{a{below}}}${{a{below}}}'")))]
#[case(doubling(60, |below| format!("{{fn::toJSON: ['${{a{below}}}', '${{a{below}}}']}}")))]
#[case(doubling(60, |below| format!("{{fn::concat: ['${{a{below}}}', '${{a{below}}}']}}")))]
#[case(doubling(3000, |below| format!("['${{a{below}}}']")))]
#[case(doubling(3000, |below| format!("'${{a{}}}'", below + 2)))]
#[case(doubling(3000, |below| format!("'x${{a{}}}'", below + 2)))]
#[case(doubling(3000, |below| format!("{{fn::final: {{fn::toJSON: '${{a{}}}'}}}}", below + 2)))]
#[case(doubling(3000, |below| format!("{{fn::join: ['', ['${{a{}}}']]}}", below + 2)))]
#[case(doubling(3000, |below| format!("{{fn::validate: {{schema: true, value: '${{a{}}}'}}}}", below + 2)))]
#[case("values: [".to_owned() + &"1,".repeat(300_000) + "]")]
#[case("values: {a: ".to_owned() + &"[".repeat(5000))]
#[case("values:\n".to_owned() + &(1..300).map(|depth| " ".repeat(depth) + "a:\n").collect::<String>())]
#[case("values: {v: {fn::validate: {schema: {$ref: '#/$defs/a', $defs: {a: {$ref: '#/$defs/a'}}}, value: 1}}}".to_owned())]
#[case("values: {v: {fn::fromJSON: '".to_owned() + &"[".repeat(5000) + "'}}")]
#[case("x".repeat(2 << 20))]
fn no_document_exhausts_the_process(#[case] text: String) {
    let evaluation = open(&text);
    assert!(evaluation.has_errors());
    assert!(evaluation.diagnostics.len() <= 256);
}

#[test]
fn a_chain_of_imports_ends() {
    struct Endless;
    impl Loader for Endless {
        fn load(&self, name: &str) -> Result<Loaded, String> {
            Ok(Loaded {
                text: format!(
                    "imports: ['{name}x', '{name}y']\nvalues: {{a: '${{environments.{}z.a}}'}}",
                    name.replace('/', ".")
                ),
                decrypter: Box::new(Opener),
            })
        }
    }
    let text = "imports: [p/a]";
    let evaluation = evaluate(
        "app/dev",
        text,
        &Opener,
        &Endless,
        &Caller::default(),
        Mode::Open,
    );
    assert!(evaluation.has_errors());
}
