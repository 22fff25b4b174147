use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;

use super::*;

/// Decrypts what [`seal`] made.
struct Opener;

impl Decrypter for Opener {
    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, String> {
        let payload = &ciphertext[8..ciphertext.len() - 4];
        match payload.strip_prefix(b"sealed: ") {
            Some(plaintext) => Ok(SecretBytes::new(plaintext)),
            None => Err("unknown key".to_owned()),
        }
    }
}

pub(super) fn envelope(payload: &[u8]) -> String {
    let mut bytes = b"escx\0\0\0\x01".to_vec();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    STANDARD.encode(bytes)
}

pub(super) fn seal(plaintext: &str) -> String {
    envelope(format!("sealed: {plaintext}").as_bytes())
}

pub(super) fn unseal(envelope: &[u8]) -> Result<SecretBytes, String> {
    Opener.decrypt(envelope)
}

#[derive(Default)]
pub(super) struct Library(BTreeMap<&'static str, &'static str>);

impl Loader for Library {
    fn load(&self, name: &str) -> Result<Loaded, String> {
        let text = self
            .0
            .get(name)
            .ok_or_else(|| format!("environment '{name}' not found"))?;
        Ok(Loaded {
            text: (*text).to_owned(),
            decrypter: Box::new(Opener),
        })
    }
}

const CHECK: Mode = Mode::Check {
    show_secrets: false,
};

fn library(mode: Mode, text: &str, others: &[(&'static str, &'static str)]) -> Evaluation {
    let caller = Caller {
        user_login: "dev".to_owned(),
        user_id: "USER_123".to_owned(),
        organization: "local".to_owned(),
    };
    let others = Library(others.iter().copied().collect());
    evaluate("app/dev", text, &Opener, &others, &caller, mode)
}

pub(super) fn open(text: &str) -> Evaluation {
    library(Mode::Open, text, &[])
}

pub(super) fn json(evaluation: &Evaluation) -> String {
    let json = properties_to_json(&evaluation.properties, true);
    String::from_utf8_lossy(json.expose()).into_owned()
}

fn redacted(evaluation: &Evaluation) -> String {
    let json = properties_to_json(&evaluation.properties, false);
    json.expose_str().unwrap().to_owned()
}

fn summaries(evaluation: &Evaluation) -> Vec<&str> {
    let diagnostics = evaluation.diagnostics.iter();
    diagnostics
        .map(|diagnostic| diagnostic.summary.as_str())
        .collect()
}

fn opened(text: &str) -> String {
    let evaluation = open(text);
    assert_eq!(summaries(&evaluation), [""; 0], "{text}");
    json(&evaluation)
}

fn at(line: usize, column: usize, byte: usize) -> Position {
    Position { line, column, byte }
}

const EXAMPLE: &str =
    "values:\n  app:\n    hello: world\n    hello-secret:\n      fn::secret: world\n";

#[test]
fn values_carry_the_positions_of_the_specification() {
    let evaluation = open(EXAMPLE);
    assert_eq!(
        json(&evaluation),
        r#"{"app":{"hello":"world","hello-secret":"world"}}"#
    );
    assert_eq!(
        redacted(&evaluation),
        r#"{"app":{"hello":"world","hello-secret":"[secret]"}}"#
    );
    let app = &evaluation.properties["app"];
    let Content::Object(members) = &app.content else {
        panic!("app must be an object");
    };
    for (value, begin, end) in [
        (app, at(3, 5, 19), at(5, 24, 73)),
        (&members["hello"], at(3, 12, 26), at(3, 17, 31)),
        (&members["hello-secret"], at(5, 19, 68), at(5, 24, 73)),
    ] {
        let environment = "app/dev".to_owned();
        assert_eq!(
            value.def,
            Range {
                environment,
                begin,
                end
            }
        );
    }
    assert!(app.contains_secret() && !app.secret && members["hello-secret"].secret);
}

#[rstest]
// Documents
#[case("", "{}")]
#[case("# nothing\n", "{}")]
#[case("values:\n", "{}")]
#[case("{}", "{}")]
#[case("VALUES: {a: 1}\nDescription: x\n", r#"{"a":1}"#)]
#[case("values: {a: 1}\n---\nvalues: [", r#"{"a":1}"#)]
// Scalars
#[case(
    "values: {a: 0777, b: 0x1F, c: 1_000, d: 1.10, e: yes, f: True, g: ~, h: }",
    r#"{"a":511,"b":31,"c":1000,"d":1.1,"e":"yes","f":true,"g":null,"h":null}"#
)]
#[case(
    "values: {a: 2001-12-14, b: !!str 12, c: !x 1, d: '1', e: !!int 3}",
    r#"{"a":"2001-12-14","b":"12","c":"1","d":"1","e":3}"#
)]
#[case(
    "values:\n  a: |\n    x\n    y\n  b: >-\n    x\n    y\n",
    r#"{"a":"x\ny\n","b":"x y"}"#
)]
// Interpolation
#[case(
    "values: {a: a$$b, b: $c, c: 5$, d: $$$, e: '$${x}', f: '$'}",
    r#"{"a":"a$b","b":"$c","c":"5$","d":"$$","e":"${x}","f":"$"}"#
)]
#[case(
    "values: {a: [1, {b: x}], c: '${a}', d: '${a[1].b}', e: 'n=${a[0]}!', f: '${a[1][\"b\"]}'}",
    r#"{"a":[1,{"b":"x"}],"c":[1,{"b":"x"}],"d":"x","e":"n=1!","f":"x"}"#
)]
#[case("values: {a: {p: '${a.q}', q: 1}}", r#"{"a":{"p":1,"q":1}}"#)]
#[case(
    "values: {'a.b': {'c\"d': 1}, e: '${[\"a.b\"][\"c\\\"d\"]}'}",
    r#"{"a.b":{"c\"d":1},"e":1}"#
)]
#[case(
    "values: {l: [a, 'b\"'], o: {z: 1, y: null}, s: '${l}|${o}|${l[0]}'}",
    r#"{"l":["a","b\""],"o":{"y":null,"z":1},"s":"\"a\",\"b\\\"\"|\"y\"=\"\",\"z\"=\"1\"|a"}"#
)]
// Builtins
#[case("values: {a: {fn::concat: [[1], [2, 3], []]}}", r#"{"a":[1,2,3]}"#)]
#[case(
    "values: {a: {fn::join: [', ', [a, b]]}, b: {fn::join: ['', []]}}",
    r#"{"a":"a, b","b":""}"#
)]
#[case(
    "values: {a: {fn::split: [',', 'a,b,']}, b: {fn::split: ['', 'aé']}, c: {fn::split: [',', '']}}",
    r#"{"a":["a","b",""],"b":["a","é"],"c":[""]}"#
)]
#[case(
    "values: {a: {fn::toJSON: {z: [1, true, null], a: '<&>'}}}",
    r#"{"a":"{\"a\":\"\\u003c\\u0026\\u003e\",\"z\":[1,true,null]}"}"#
)]
#[case(
    "values: {a: {fn::fromJSON: '{\"b\": [1.50, 12345678901234567890123, null], \"b2\": \"\\u00e9\"} tail'}}",
    r#"{"a":{"b":[1.50,12345678901234567890123,null],"b2":"é"}}"#
)]
#[case(
    "values: {a: {fn::toString: 1.0}, b: {fn::toString: [true, 'x\ty']}, c: {fn::toString: null}}",
    r#"{"a":"1","b":"\"true\",\"x y\"","c":""}"#
)]
#[case(
    "values: {a: {fn::toBase64: hé}, b: {fn::fromBase64: aMOp}}",
    r#"{"a":"aMOp","b":"hé"}"#
)]
#[case(
    "values: {a: {fn::final: {b: 1}}, c: '${a.b}'}",
    r#"{"a":{"b":1},"c":1}"#
)]
#[case(
    "values: {a: {fn::validate: {schema: {type: string}, value: x}}}",
    r#"{"a":"x"}"#
)]
#[case("values: {a: {fn::secret: 'pa$$word'}}", r#"{"a":"pa$$word"}"#)]
// Context
#[case(
    "values: {a: '${context.pulumi.user.login}/${context.pulumi.user.id}@${context.pulumi.organization.login}', b: '${context.currentEnvironment.name}', c: '${context.rootEnvironment.name}'}",
    r#"{"a":"dev/USER_123@local","b":"app/dev","c":"app/dev"}"#
)]
fn definitions_evaluate(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(opened(text), expected);
}

#[test]
fn bytes_that_are_no_text_are_kept() {
    let evaluation = open(
        "values: {a: {fn::fromBase64: /wA=}, b: {fn::toBase64: '${a}'}, c: {fn::toString: ['${a}']}}",
    );
    let Content::String(bytes) = &evaluation.properties["a"].content else {
        panic!("a must be a string");
    };
    assert_eq!(bytes.expose(), [0xff, 0x00]);
    let json = json(&evaluation);
    assert_eq!(
        json,
        r#"{"a":"\ufffd\u0000","b":"/wA=","c":"\"\\xff\\x00\""}"#
    );
}

#[test]
fn go_quoting_escapes_what_go_cannot_print() {
    let text = "values: {a: [\"a\\xADb\\u2028\\x7f\\u200b\\xA0\\U000e0001\\u00e9\\a\\v\\0\\ue000\"], b: {fn::toString: '${a}'}}";
    let evaluation = open(text);
    let Content::String(text) = &evaluation.properties["b"].content else {
        panic!("b must be a string");
    };
    assert_eq!(
        text.expose_str().unwrap(),
        r#""a\u00adb\u2028\x7f\u200b\u00a0\U000e0001é\a\v\x00\ue000""#
    );
}

#[rstest]
#[case("fn::join: ['-', ['${s}', b]]", true)]
#[case("fn::toJSON: {x: '${s}'}", true)]
#[case("fn::toString: ['${s}']", true)]
#[case("fn::toBase64: '${s}'", true)]
#[case("fn::fromBase64: '${s}'", true)]
#[case("fn::concat: [['${s}'], []]", true)]
#[case("fn::split: ['a', '${s}']", true)]
#[case("fn::final: '${s}'", true)]
#[case("fn::validate: {schema: true, value: '${s}'}", true)]
#[case("x: '${s}'", false)]
fn secrecy_spreads_to_what_is_made_of_a_secret(#[case] call: &str, #[case] secret: bool) {
    let evaluation = open(&format!(
        "values:\n  s: {{fn::secret: bWFu}}\n  v:\n    {call}\n  w: 'x${{s}}'\n"
    ));
    assert_eq!(summaries(&evaluation), [""; 0]);
    assert_eq!(evaluation.properties["v"].secret, secret);
    assert!(evaluation.properties["v"].contains_secret());
    assert!(evaluation.properties["w"].secret);
}

#[test]
fn every_value_of_secret_json_is_secret() {
    let evaluation = open("values: {a: {fn::fromJSON: {fn::secret: '{\"b\": [1]}'}}}");
    assert_eq!(redacted(&evaluation), r#"{"a":"[secret]"}"#);
    let Content::Object(members) = &evaluation.properties["a"].content else {
        panic!("a must be an object");
    };
    assert!(members["b"].secret);
}

#[test]
fn ciphertext_is_decrypted_where_asked_for() {
    let text = format!(
        "values: {{a: {{fn::secret: {{ciphertext: {}}}}}, b: 'x${{a}}', c: {{fn::toJSON: ['${{a}}']}}}}",
        seal("s3")
    );
    assert_eq!(opened(&text), r#"{"a":"s3","b":"xs3","c":"[\"s3\"]"}"#);
    let checked = library(CHECK, &text, &[]);
    assert_eq!(summaries(&checked), [""; 0]);
    assert_eq!(
        json(&checked),
        r#"{"a":"[unknown]","b":"[unknown]","c":"[unknown]"}"#
    );
    assert_eq!(
        redacted(&checked),
        r#"{"a":"[secret]","b":"[secret]","c":"[secret]"}"#
    );
    let shown = library(Mode::Check { show_secrets: true }, &text, &[]);
    assert_eq!(json(&shown), r#"{"a":"s3","b":"xs3","c":"[\"s3\"]"}"#);
}

#[rstest]
#[case("AAAA".to_owned(), "invalid ciphertext: EOF")]
#[case("!".to_owned(), "invalid ciphertext: illegal base64 data at input byte 0")]
#[case(STANDARD.encode([0; 20]), "invalid ciphertext: invalid header")]
#[case(STANDARD.encode(b"escx\0\0\0\x01payload0000"), "invalid ciphertext: invalid checksum")]
#[case(envelope(b"other"), "decrypting: unknown key")]
fn a_bad_ciphertext_is_reported_and_unknown(#[case] ciphertext: String, #[case] summary: &str) {
    let evaluation = open(&format!(
        "values: {{a: {{fn::secret: {{ciphertext: '{ciphertext}'}}}}}}"
    ));
    assert_eq!(summaries(&evaluation), [summary]);
    assert!(evaluation.properties["a"].unknown && evaluation.properties["a"].secret);
}

#[test]
fn an_unsupported_envelope_version_is_refused() {
    let mut bytes = b"escx\0\0\0\x02payload".to_vec();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    let text = format!(
        "values: {{a: {{fn::secret: {{ciphertext: {}}}}}}}",
        STANDARD.encode(bytes)
    );
    assert_eq!(
        summaries(&open(&text)),
        ["invalid ciphertext: unsupported version"]
    );
}

#[test]
fn dynamic_providers_are_unknown_in_a_check_and_an_error_in_an_open() {
    let text = "values:\n  a: {fn::open::aws-login: {x: 1}}\n  b: {fn::rotate: {provider: p, inputs: {}, state: {}}}\n  c: '${a.x[0].y}'\n  d: 'x${b}'\n";
    let checked = library(CHECK, text, &[]);
    assert_eq!(summaries(&checked), [""; 0]);
    assert_eq!(
        json(&checked),
        r#"{"a":"[unknown]","b":"[unknown]","c":"[unknown]","d":"[unknown]"}"#
    );
    assert_eq!(
        summaries(&open(text)),
        [
            "fn::open: provider \"aws-login\" is not served by this server",
            "fn::rotate: provider \"p\" is not served by this server",
        ]
    );
}

#[rstest]
#[case("values: [1]", "values must be an object")]
#[case("imports: x", "imports must be a list")]
#[case("imports: [1]", "import must be a string or an object")]
#[case("imports: [{a: {}, b: {}}]", "import must have a single key")]
#[case("[1]", "environment must be an object")]
#[case(
    "a: 1",
    "Field 'a' does not exist on Object 'environment'. Existing fields are: 'description', 'imports', 'values'"
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
    let text = "values:\n  name: x\n  foo:\n    fn::join:\n    - ','\n    - ['a', 1, 'x${nme}', y${nme} ]\n";
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
            (
                unknown,
                "values.foo[\"fn::join\"][1][2]",
                (6, 17, 68),
                (6, 24, 75)
            ),
            (
                unknown,
                "values.foo[\"fn::join\"][1][3]",
                (6, 31, 82),
                (6, 34, 85)
            ),
            (
                "expected string, got number",
                "values.foo[\"fn::join\"][1][1]",
                (6, 13, 64),
                (6, 14, 65)
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

const BASE: &str = "values: {a: {b: 1, c: [1, 2]}, d: x, url: '${d}!', n: 1}";

#[rstest]
#[case(
    "imports: [p/base]\nvalues: {a: {c: [3], e: 4}, d: y}",
    r#"{"a":{"b":1,"c":[3],"e":4},"d":"y","n":1,"url":"x!"}"#
)]
#[case(
    "imports: [p/base]\nvalues: {n: null, a: 1}",
    r#"{"a":1,"d":"x","n":null,"url":"x!"}"#
)]
#[case(
    "imports: [p/base: {merge: false}]\nvalues: {x: '${imports[\"p/base\"].a.b}'}",
    r#"{"x":1}"#
)]
#[case(
    "imports: [p/base, p/late]\nvalues: {x: '${imports[\"p/base\"].d}', y: '${d}', w: '${a.b}'}",
    r#"{"a":{"b":2,"c":[1,2]},"d":"late","n":1,"url":"x!","w":2,"x":"x","y":"late"}"#
)]
#[case("values: {x: '${environments.p.base.a.c[1]}'}", r#"{"x":2}"#)]
#[case(
    "values: {x: '${environments.default.plain.k}'}\nimports: [plain]",
    r#"{"k":"plain/app/dev","x":"plain/app/dev"}"#
)]
#[case(
    "imports: [p/base]\nvalues: {a: '${m}', m: {b: 7, z: 1}}",
    r#"{"a":{"b":7,"c":[1,2],"z":1},"d":"x","m":{"b":7,"z":1},"n":1,"url":"x!"}"#
)]
#[case("imports: [p/base]\nvalues: {a: {z: 1}, s: '${a}', j: {fn::toJSON: '${a}'}}", r#"{"a":{"b":1,"c":[1,2],"z":1},"d":"x","j":"{\"b\":1,\"c\":[1,2],\"z\":1}","n":1,"s":{"b":1,"c":[1,2],"z":1},"url":"x!"}"#)]
#[case(
    "imports: [p/base]\nvalues: {a: {z: 1}, s: 'own ${a}'}",
    r#"{"a":{"b":1,"c":[1,2],"z":1},"d":"x","n":1,"s":"own \"z\"=\"1\"","url":"x!"}"#
)]
#[case(
    "imports: [p/top]",
    r#"{"a":{"b":1,"c":[1,2]},"d":"top","n":1,"url":"x!"}"#
)]
fn imports_merge(#[case] text: &str, #[case] expected: &str) {
    let others = [
        ("p/base", BASE),
        ("p/late", "values: {a: {b: 2}, d: late}"),
        ("p/top", "imports: [p/base]\nvalues: {d: top}"),
        (
            "plain",
            "values: {k: '${context.currentEnvironment.name}/${context.rootEnvironment.name}'}",
        ),
        (
            "default/plain",
            "values: {k: '${context.currentEnvironment.name}/${context.rootEnvironment.name}'}",
        ),
    ];
    let evaluation = library(Mode::Open, text, &others);
    assert_eq!(summaries(&evaluation), [""; 0]);
    assert_eq!(json(&evaluation), expected);
}

#[test]
fn an_import_of_an_anonymous_text_is_its_own_root() {
    let others = Library([("p/r", "values: {k: '${context.rootEnvironment.name}'}")].into());
    let text = "imports: [p/r]\nvalues: {m: '${context.rootEnvironment.name}'}";
    let evaluation = evaluate(
        "<yaml>",
        text,
        &Opener,
        &others,
        &Caller::default(),
        Mode::Open,
    );
    assert_eq!(json(&evaluation), r#"{"k":"p/r","m":"<yaml>"}"#);
}

#[rstest]
#[case("imports: [p/a]", "cyclic import of app/dev")]
#[case("imports: [app/dev]", "cyclic import of app/dev")]
#[case("imports: [p/none]", "environment 'p/none' not found")]
#[case(
    "values: {a: '${environments.p.none.x}'}",
    "environment 'p/none' not found"
)]
#[case("values: {a: '${environments.app.dev.x}'}", "cyclic import of app/dev")]
#[case("imports: [p/bad]", "values must be an object")]
#[case(
    "imports: [p/ok]\nvalues: {x: '${imports[\"p/no\"].y}'}",
    "unknown property \"p/no\"; did you mean \"p/ok\"?"
)]
fn a_failed_import_is_skipped(#[case] text: &str, #[case] summary: &str) {
    let others = [
        ("p/a", "imports: [app/dev]\nvalues: {a: 1}"),
        ("p/bad", "values: 1"),
        ("p/ok", "values: {o: 1}"),
    ];
    let evaluation = library(Mode::Open, text, &others);
    assert_eq!(summaries(&evaluation), [summary]);
}

#[test]
fn a_final_value_cannot_be_overridden_by_importers() {
    let others = [(
        "p/f",
        "values: {a: {fn::final: {b: 1}}, c: {d: {fn::final: x}, e: 1}}",
    )];
    let text = "imports: [p/f]\nvalues: {a: {b: 2}, c: {d: 3, e: 4}, r: '${a.b}'}";
    let evaluation = library(Mode::Open, text, &others);
    assert_eq!(
        json(&evaluation),
        r#"{"a":{"b":1},"c":{"d":"x","e":4},"r":1}"#
    );
    assert_eq!(summaries(&evaluation), ["cannot override final value"; 2]);
    assert!(!evaluation.has_errors());
    let siblings = library(
        Mode::Open,
        "imports: [p/f, p/g]",
        &[others[0], ("p/g", "values: {a: {b: 9}}")],
    );
    assert_eq!(json(&siblings), r#"{"a":{"b":9},"c":{"d":"x","e":1}}"#);
}

#[test]
fn members_of_an_unknown_base_stay_unknown() {
    let others = [("p/o", "values: {a: {fn::open::x: {}}}")];
    let text = "imports: [p/o]\nvalues: {a: {k: 1}, m: '${a.other}', n: '${a.k}'}";
    let evaluation = library(CHECK, text, &others);
    assert_eq!(summaries(&evaluation), [""; 0]);
    assert_eq!(json(&evaluation), r#"{"a":{"k":1},"m":"[unknown]","n":1}"#);
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
        text.push_str(&format!("  a{number}: {}\n", level(number - 1)));
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
                text: format!("imports: ['{name}x', '{name}y']\nvalues: {{a: 1}}"),
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

#[test]
fn expressions_keep_their_ranges_but_no_secret() {
    let members = expressions("app/dev", EXAMPLE);
    let app = &members["app"];
    assert_eq!(
        (app.range.begin, app.range.end),
        (at(3, 5, 19), at(5, 24, 73))
    );
    let ExprKind::Object(members) = &app.kind else {
        panic!("app must be an object");
    };
    let (key_range, hello) = &members["hello"];
    assert_eq!(
        (key_range.begin, key_range.end),
        (at(3, 5, 19), at(3, 10, 24))
    );
    assert_eq!(hello.kind, ExprKind::String("world".to_owned()));
    let ExprKind::Builtin {
        name,
        argument,
        name_range,
    } = &members["hello-secret"].1.kind
    else {
        panic!("hello-secret must be a call");
    };
    assert_eq!(
        (name.as_str(), &argument.kind),
        ("fn::secret", &ExprKind::Null)
    );
    assert_eq!(name_range.begin, at(5, 7, 56));
    let refs = expressions("x", "values: {a: '${b[0]}', b: ['x ${a} y']}");
    assert_eq!(
        refs["a"].kind,
        ExprKind::Symbol(PropertyPath::parse("b[0]").unwrap())
    );
}

#[test]
fn lookup_follows_a_path() {
    let evaluation = open("values: {a: [{b.c: 1}]}");
    let found = |path: &str| lookup(&evaluation.properties, &PropertyPath::parse(path).unwrap());
    let Some(Found::One(value)) = found(r#"a[0]["b.c"]"#) else {
        panic!("the value must be found");
    };
    assert_eq!(value.content, Content::Number("1".to_owned()));
    assert!(matches!(found(""), Some(Found::All(_))));
    assert!(found("a.x").is_none() && found("a[1]").is_none() && found("[0]").is_none());
}
